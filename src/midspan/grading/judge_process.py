"""The processes in which the judge tries one step, or plays schedules. A crash in one of them affects no other step."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from midspan.grading import limits, notebooks, steps
from midspan.grading.notebooks import Answers, Cell
from midspan.grading.steps import Step, remarks, verdict_of
from midspan.grading.transcript import Line, Result, error_in_words

if TYPE_CHECKING:
    from midspan.simulation import Findings

# Before a learner's answer runs, the judge's process forbids itself new processes, signals and most of the memory.
#
# This limits the damage of an honest mistake, for example a fork bomb or a list that grows for ever. It is not a
# sandbox: code that wants to do harm needs a container around the judge.


MEMORY_BYTES = 1 << 30  # that an answer may add to the memory in use when it starts
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
    """Raised in the answer, at the call that is forbidden."""


def forbid_processes() -> list[str]:
    """From now on, starting or signalling a process raises `Forbidden`. Return the list of the attempts."""
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
    with contextlib.suppress(ImportError):  # multiprocessing's "spawn" calls it; it has no audit event
        import _posixsubprocess

        _posixsubprocess.fork_exec = no_exec
    return attempts


@contextlib.contextmanager
def little_memory() -> Any:
    """Limit the address space while the block runs, on systems that have such a limit (Linux has one)."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not write a core file
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


CELLS_LIMIT_S = 3.0  # for all cells before a check: definitions take milliseconds, an import may take a second


def run_cells(answers: Answers, cells: Iterable[Cell], limit_s: float = CELLS_LIMIT_S) -> limits.CallOutcome:
    """Run the cells in `answers`, in a new thread and within the limit. An error becomes part of the outcome."""
    return limits.run(lambda: answers.run(cells), limit_s)


def broken_off(ran: limits.CallOutcome) -> str:
    """Say in words why the cells did not run to their end; "" when they did."""
    if ran.error is not None:
        return error_in_words(ran.error)
    return f"no end after {CELLS_LIMIT_S:g} s" if ran.expired else ""


def attempt(step: Step, cells: Iterable[Cell], answers: Answers) -> Result:
    """Run the cells in `answers`, then judge the step's answers that they define."""
    ran = run_cells(answers, cells)
    notes = tuple(Line("note", remark) for remark in (*answers.remarks, *remarks(ran)))
    if ran.expired or ran.error is not None:
        verdict, message, error = verdict_of(ran, CELLS_LIMIT_S)
        where = notebooks.where(error) if error and verdict == "wrong" else ()
        return Result(step.lab.name, step.name, verdict, notes, message, "", where, ran.printed)
    result = judge_answers(step, answers)
    printed = "\n".join(text for text in (ran.printed, result.printed) if text)
    return replace(result, lines=(*notes, *result.lines), printed=printed)


def judge_answers(step: Step, answers: Answers) -> Result:
    """Judge the answers that the cells defined; a missing name means that the answer is still to do."""
    missing = [name for name in step.answers if not hasattr(answers, name)]
    if missing:
        message = f"Still to do: no cell defines {', '.join(missing)}."
        return Result(step.lab.name, step.name, "to do", message=message)
    return step.judge(*(getattr(answers, name) for name in step.answers))


# The process in which the judge tries one step.
#
# Input: one JSON object on stdin, `{"module", "step", "cells", "path"}`. Output: one line on the original stdout, with
# the token and the result as JSON. Only this process writes it, never a process that the answer forked. What the
# answer prints goes elsewhere.


def main() -> None:
    """Read the order, try the step, write the result, and exit without waiting for threads."""
    answer(lambda order: _tried(order).to_dict())


def answer(work: Callable[[dict[str, Any]], dict[str, Any]]) -> NoReturn:
    """Read the order, write what `work(order)` returns, and exit."""
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
    answers = Answers("__main__")  # the module name of a kernel's cells
    attempts = [] if step.processes else forbid_processes()
    with little_memory():
        result = attempt(step, cells, answers)
    return _without_processes(step, result, attempts)


def _without_processes(step: Step, result: Result, attempts: list[str]) -> Result:
    """The result is wrong if the answer tried to start a process, even if it caught the exception."""
    if not attempts:
        return result
    message = f"Your code tried to use {attempts[0]}. In {step.name} all happens in one process."
    return replace(result, verdict="wrong", message=message)


def _private_stdout() -> int:
    """Keep stdout for the result; discard what the answer writes to stdout or stderr, also from C code."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return out


# The process in which a notebook's session plays many schedules. Only this process imports `midspan.simulation`.
#
# Input: an order as above, with the cells, the implementation's name, the seeds and the link. Output: one line of JSON
# with the counts and the counterexamples in words, or `{"refused": a sentence}`.


NODES = "nodes"  # a session of several nodes always runs here, since its broker is real


def play_schedules() -> None:
    """Read the order, play the schedules, and write the findings."""
    answer(_played)


def _played(order: dict[str, Any]) -> dict[str, Any]:
    sys.path[:] = order["path"]
    cells = [Cell(**cell) for cell in order["cells"]]
    play, broker = _player(order["link"])  # before processes are forbidden: it makes TLS keys and starts the broker
    with broker:
        return _found(order, cells, play)


def _found(order: dict[str, Any], cells: list[Cell], play: Any) -> dict[str, Any]:
    from midspan.simulation import Implementation, Shape, SimulationError

    attempts = forbid_processes()
    answers = Answers("__main__")
    with little_memory():
        if why := broken_off(run_cells(answers, cells)):
            return {"refused": f"a cell that ends with {why}"}
        implementation = getattr(answers, order["name"], None)
        if not isinstance(implementation, Implementation):
            return {"refused": f"no implementation named {order['name']}"}
        seeds, stores = range(order["first"], order["first"] + order["count"]), tuple(order["stores"])
        try:
            found = play(implementation, seeds, Shape(stores=stores) if stores else None, keep_going=True)
        except (SimulationError, NotImplementedError) as error:
            return {"refused": str(error) or "an answer that is still to do"}
    if attempts:
        return {"refused": f"code that tried to use {attempts[0]}"}
    return _told(found, order)


def _player(link: str) -> tuple[Any, contextlib.AbstractContextManager[object]]:
    """Return the function that plays a schedule, and the context that must stay open meanwhile."""
    if link == "simulated":
        from midspan.simulation import search

        return search, contextlib.nullcontext()
    if link == NODES:
        from midspan.simulation.nodes import search_nodes, shared_broker

        return search_nodes, shared_broker()
    from midspan.simulation.tls import search_real

    return search_real, contextlib.nullcontext()


def _told(found: Findings, order: dict[str, Any]) -> dict[str, Any]:
    verdicts: dict[str, dict[str, int]] = {}
    for (predicate, outcome), count in found.verdicts.items():
        verdicts.setdefault(predicate, {})[outcome] = count
    link = "" if order["link"] == NODES else f" --link {order['link']}"
    again = f"python -m midspan judge {order['file']} --seeds 1{link} --start "
    examples = [replace(one, replay=f"{again}{one.found.seed}") for one in found.counterexamples.values()]
    return {"outcomes": found.outcomes, "verdicts": verdicts, "examples": [str(one) for one in examples]}
