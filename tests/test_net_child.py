"""A child's words are read by programs: they have no colours, whatever the parent's terminal or kernel asks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from midspan.net.child_process import COLOUR, plain_environment


def test_a_traceback_has_no_colours_where_a_kernel_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 3.13 on it would have them."""
    for name in COLOUR:
        monkeypatch.setenv(name, "1")
    assert COLOUR.isdisjoint(plain_environment())
    died = subprocess.run([sys.executable, "-c", "1/0"], env=plain_environment(), capture_output=True, text=True)
    assert died.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "\x1b" not in died.stderr
