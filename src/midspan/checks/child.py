"""The process in which the judge tries one step. Whatever an answer does to it, it is the only one to suffer.

In: one JSON object on stdin, `{"module", "step", "cells", "path"}`. Out: one line on what was stdout, the token and
the result as JSON, written only by this process itself and never by one that it may have forked. The answer's own
printing never gets there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from midspan.checks import catalogue, guard
from midspan.checks.attempt import attempt
from midspan.checks.cells import Answers
from midspan.checks.sheet import Cell
from midspan.checks.steps import Step
from midspan.checks.verdicts import Result


def main() -> None:
    """Read the order, try the step, write the result, end without waiting for threads."""
    answer(lambda order: _tried(order).to_dict())


def answer(work: Callable[[dict[str, Any]], dict[str, Any]]) -> NoReturn:
    """Read the order, answer with what `work` makes of it, end."""
    process, out = os.getpid(), _private_stdout()
    order = json.loads(sys.stdin.buffer.read())
    result = work(order)
    if os.getpid() == process:
        os.write(out, f"{order['token']} {json.dumps(result)}\n".encode())
    os._exit(0)


def _tried(order: dict[str, Any]) -> Result:
    sys.path[:] = order["path"]
    step = catalogue.load(order["module"]).steps[order["step"]]
    cells = [Cell(**cell) for cell in order["cells"]]
    answers = Answers("__main__")  # what a kernel calls it
    attempts = [] if step.processes else guard.forbid_processes()
    with guard.little_memory():
        result = attempt(step, cells, answers)
    return _without_processes(step, result, attempts)


def _without_processes(step: Step, result: Result, attempts: list[str]) -> Result:
    """Wrong as soon as a process was tried, even where the answer caught the exception."""
    if not attempts:
        return result
    message = f"Your code tried to use {attempts[0]}. In {step.name} all happens in one process."
    return replace(result, verdict="wrong", message=message)


def _private_stdout() -> int:
    """Keep stdout for the result; what the answer writes there, or to stderr, even from C, goes nowhere."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return out
