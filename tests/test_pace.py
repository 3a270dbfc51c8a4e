"""The probe says how much of a core is left: all on an idle machine, less beside other programs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.pace import Pace

CORES = os.cpu_count() or 1
SPIN = "print('on', flush=True)\nwhile True: pass"


@contextmanager
def spinning() -> Iterator[None]:
    """A program that wants a core for itself."""
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


WORK = "import time\nwhile time.process_time() < 0.5: pass"


def slowdown() -> float:
    """While a program works that uses half a second of a core: another one, so that no lock of ours is in the way."""
    with Pace() as pace:
        subprocess.run([sys.executable, "-c", WORK], check=True)
    return pace.slowdown


@pytest.mark.alone
def test_other_programs_make_it_slower() -> None:
    """Eight more programs a core, and the probe gets less of one, whatever else the machine does."""
    as_it_is = min(slowdown() for _ in range(3))
    with ExitStack() as others:
        for _ in range(8 * CORES):
            others.enter_context(spinning())
        beside_others = max(slowdown() for _ in range(3))
    assert beside_others > 1.3 * as_it_is


def test_it_is_never_faster_than_alone() -> None:
    with Pace() as pace:
        pass
    assert pace.slowdown >= 1.0
