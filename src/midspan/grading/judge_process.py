"""The process in which the judge tries one step: an answer that crashes it loses this step only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from midspan.grading import limits, notebooks, steps
from midspan.grading.notebooks import Answers, Cell
from midspan.grading.steps import Step, remarks, verdict_of
from midspan.grading.transcript import Line, Result

# What the judge's child forbids itself before a learner's answer runs: new processes, signals, most of the memory.
#
# This keeps an honest mistake (a fork bomb, a list that grows for ever) from hurting its neighbours. It is no
# sandbox: code that sets out to do harm needs a container around the judge.


MEMORY_BYTES = 1 << 30  # that an answer may take beyond what is in use when it starts
FORBIDDEN = {
    # audit events of the standard library (docs: "Audit events table") -> what the answer did
    "os.fork": "os.fork()",
    "os.forkpty": "os.forkpty()",
    "os.posix_spawn": "os.posix_spawn()",
    "os.spawn": "os.spawn*()",
    "os.exec": "os.exec*()",
    "os.system": "os.system()",
    "os.startfile": "os.startfile()",
    "os.kill": "os.kill()",
    "os.killpg": "os.killpg()",
    "pty.spawn": "pty.spawn()",
    "subprocess.Popen": "a subprocess",
    "_winapi.CreateProcess": "a subprocess",
}


class Forbidden(RuntimeError):
    """Raised in the answer, at the place where it tries."""


def forbid_processes() -> list[str]:
    """From now on, starting or signalling a process raises `Forbidden`. Returns the list that tells of each attempt."""
    attempts: list[str] = []

    def refuse(what: str) -> NoReturn:
        attempts.append(what)
        raise Forbidden(f"the judge does not let an answer use {what}")

    def hook(event: str, _: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            refuse(FORBIDDEN[event])

    def no_exec(*_: object) -> NoReturn:
        refuse("multiprocessing")

    sys.addaudithook(hook)
    with contextlib.suppress(ImportError):  # multiprocessing's "spawn" calls this one, which has no audit event
        import _posixsubprocess

        _posixsubprocess.fork_exec = no_exec
    return attempts


@contextlib.contextmanager
def little_memory() -> Any:
    """Limit the address space for the time of the block, where the system knows such a limit (Linux does)."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash writes no file
        old = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, old[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


# One attempt at one step outside a notebook: run the cells, find the answers, judge them.


CELLS_LIMIT_S = 3.0  # for all the cells before a check: definitions take milliseconds, an import of a library a second


def attempt(step: Step, cells: Iterable[Cell], answers: Answers) -> Result:
    """Run the cells in `answers`, then judge the step's answers found there."""
    ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
    notes = tuple(Line("note", remark) for remark in (*answers.remarks, *remarks(ran)))
    if ran.expired or ran.error is not None:
        verdict, message, error = verdict_of(ran, CELLS_LIMIT_S)
        where = notebooks.where(error) if error and verdict == "wrong" else ()
        return Result(step.lab.name, step.name, verdict, notes, message, "", where, ran.printed)
    result = judge_answers(step, answers)
    printed = "\n".join(text for text in (ran.printed, result.printed) if text)
    return replace(result, lines=(*notes, *result.lines), printed=printed)


def judge_answers(step: Step, answers: Answers) -> Result:
    """Judge the answers that the cells have defined; a name that is missing is still to do."""
    missing = [name for name in step.answers if not hasattr(answers, name)]
    if missing:
        message = f"Still to do: no cell defines {', '.join(missing)}."
        return Result(step.lab.name, step.name, "to do", message=message)
    return step.judge(*(getattr(answers, name) for name in step.answers))


# The process in which the judge tries one step. Whatever an answer does to it, it is the only one to suffer.
#
# In: one JSON object on stdin, `{"module", "step", "cells", "path"}`. Out: one line on what was stdout, the token and
# the result as JSON, written only by this process itself and never by one that it may have forked. The answer's own
# printing never gets there.


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
    step = steps.load_lab(order["module"]).steps[order["step"]]
    cells = [Cell(**cell) for cell in order["cells"]]
    answers = Answers("__main__")  # what a kernel calls it
    attempts = [] if step.processes else forbid_processes()
    with little_memory():
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
