"""One trial of one step in a process of its own: start it, wait within the limit, read its one line, end its whole
group.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from midspan.checks.attempt import CELLS_LIMIT_S
from midspan.checks.limits import kept_waiting_s, patience
from midspan.checks.sheet import Cell
from midspan.checks.steps import Step
from midspan.checks.verdicts import Result
from midspan.wires.child import plain_environment

START = "from midspan.checks.child import main; main()"
SPARE_S = 8.0  # beyond the limits inside: a process starts in 0.5 s, and giving a thread up takes 1 s
POLL_S = 0.25  # how often the time is looked at; the end of the process is noticed at once


def trial(step: Step, module: str, cells: Iterable[Cell], folder: Path) -> Result:
    """The result of a step whose answers these cells define.

    Args:
        step: the step to judge.
        module: where its lab is defined, for the child to import.
        cells: all that runs before the check.
        folder: where the notebook lies; the child's current folder, as in a kernel.
    """
    order: dict[str, Any] = {"module": module, "step": step.name, "cells": [asdict(cell) for cell in cells]}
    line, code = line_of_child(START, order, folder, step.limit_s + CELLS_LIMIT_S)
    return Result.from_dict(json.loads(line)) if line else Result(step.lab.name, step.name, "wrong", message=died(code))


def line_of_child(start: str, order: dict[str, Any], folder: Path, limit_s: float) -> tuple[str, int | None]:
    """What a fresh interpreter answers to an order, and how it ended.

    Args:
        start: Python that reads the order from stdin, as `child.main` does.
        order: JSON; `token`, which the answer must begin with, and `path` are added.
        folder: its current folder.
        limit_s: seconds that it may take, beside its start.

    Returns:
        The line, without its token; "" when there was none. The exit code; None when it had to be ended.
    """
    token = secrets.token_hex(8)
    order = {**order, "token": token, "path": sys.path}
    with tempfile.TemporaryDirectory(prefix="midspan-") as home, _started(start, order, folder, home) as process:
        line = _Line(process)
        ended = _wait(process, (limit_s + SPARE_S) * patience())
        _end(process)
        sent, _, plain = line.text().partition(" ")
        return (plain if sent == token else ""), process.returncode if ended else None


def died(code: int | None) -> str:
    """The words for a child that did not live to answer."""
    if code is None:
        return "No answer in time, and nothing could interrupt it: it hangs inside one call."
    if code < 0:
        return f"Your code crashed Python itself ({signal.Signals(-code).name}). Endless recursion or memory?"
    return f"Your code ended the whole process (exit code {code}), as os._exit() does."


def _started(start: str, order: dict[str, Any], folder: Path, home: str) -> subprocess.Popen[bytes]:
    """A fresh interpreter in a session of its own, so that its whole group can be ended; it remembers no progress."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(json.dumps(order).encode())
        stdin.seek(0)
        return subprocess.Popen(
            [sys.executable, "-P", "-c", start],
            bufsize=0,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**plain_environment(), "MIDSPAN_HOME": home, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Whether the process ended within the seconds that the machine really gave it."""
    began = time.monotonic()
    while time.monotonic() - began - kept_waiting_s(process.pid, str(process.pid)) < limit_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started in its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is gone with its last member
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


class _Line:
    """The one line that a process writes, read in a thread: a forked child may hold the pipe open for ever."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._text = b""
        self._thread = threading.Thread(target=self._read, args=[process.stdout.fileno()], daemon=True)
        self._thread.start()

    def _read(self, pipe: int) -> None:
        with contextlib.suppress(OSError):
            while not self._text.endswith(b"\n") and (more := os.read(pipe, 1 << 16)):
                self._text += more

    def text(self) -> str:
        """The line; "" when there was none. To be called when the process has ended."""
        self._thread.join(1.0)
        return self._text.decode("utf-8", "replace")
