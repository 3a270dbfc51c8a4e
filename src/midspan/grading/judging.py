"""`python -m midspan judge`: judges a notebook's answers without its check cells, or a session by many schedules."""

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
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from midspan.errors import Refusal, Words, need
from midspan.grading import notebooks, steps
from midspan.grading.borrowing import IN_WORDS
from midspan.grading.judge_process import CELLS_LIMIT_S, NODES
from midspan.grading.limits import kept_waiting_s, patience
from midspan.grading.notebooks import Cell, Part
from midspan.grading.sections import core_steps
from midspan.grading.steps import Lab, Step
from midspan.grading.transcript import SIGNS, Result, StepVerdict
from midspan.net.child_process import plain_environment

START = "from midspan.grading.judge_process import main; main()"
SPARE_S = 8.0  # added to the limits inside: a process starts in 0.5 s, abandoning a thread takes 1 s
POLL_S = 0.25  # between two looks at the clock; the end of the process is noticed at once


def trial(step: Step, module: str, cells: Iterable[Cell], folder: Path) -> Result:
    """Judge a step whose answers these cells define, in a new process.

    Args:
        step: the step to judge.
        module: the module that defines its lab; the new process imports it.
        cells: all cells that run before the check.
        folder: the notebook's folder; it is the current folder of the new process, as in a kernel.
    """
    order: dict[str, Any] = {"module": module, "step": step.name, "cells": [asdict(cell) for cell in cells]}
    line, code = line_of_child(START, order, folder, step.limit_s + CELLS_LIMIT_S)
    return Result.from_dict(json.loads(line)) if line else Result(step.lab.name, step.name, "wrong", message=died(code))


def line_of_child(start: str, order: dict[str, Any], folder: Path, limit_s: float) -> tuple[str, int | None]:
    """Send an order to a new interpreter; return its answer and its exit code.

    Args:
        start: Python code that reads the order from stdin, as `judge_process.answer` does.
        order: as JSON. Two keys are added: `path`, and `token`, with which the answer must begin.
        folder: the interpreter's current folder.
        limit_s: seconds that it may take after its start.

    Returns:
        The line without its token, "" when there was none; the exit code, None when we had to end the process.
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
    """Say in words that the process ended before it answered."""
    if code is None:
        return "No answer in time, and nothing could interrupt it: it hangs inside one call."
    if code < 0:
        return f"Your code crashed Python itself ({signal.Signals(-code).name}). Endless recursion or memory?"
    return f"Your code ended the whole process (exit code {code}), as os._exit() does."


def _started(start: str, order: dict[str, Any], folder: Path, home: str) -> subprocess.Popen[bytes]:
    """Start a new interpreter in a new process session, so that we can end its whole group. It stores no progress."""
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
    """Return whether the process ended within the limit; time in which it waited for a processor does not count."""
    began = time.monotonic()
    while time.monotonic() - began - kept_waiting_s(process.pid, str(process.pid)) < limit_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all processes of its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the group ended with its last process
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


class _Line:
    """The one line that a process writes. A thread reads it, since a forked child may hold the pipe open for ever."""

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
        """The line; "" when there was none. Call it after the process has ended."""
        self._thread.join(1.0)
        return self._text.decode("utf-8", "replace")


# A process of its own tries each step, with the learner's answer to it. For the steps before it takes the learner's
# answers that pass, and the reference's answers for the others. So one wrong answer fails only its own step. At first
# we guess which answers pass (one with a stub does not), and try as many steps at once as there are processors. Where
# a guess was wrong, we try the later steps again, until each was tried with exactly the answers that pass.


Own = frozenset[str]  # the steps whose answers are the learner's
Pair = tuple[str, Own]  # a step, and the earlier steps with the learner's answers
Try = Callable[[str, Own], Result]


@dataclass(frozen=True)
class JudgeReport:
    """The results of all steps of a file, in order. `str()` gives the table, what is to do, and what is wrong.

    Args:
        lab: the lab of the notebook.
        file: name of the notebook.
        results: a result for each step.
        core: the steps of the lab's core; () if they were not asked for.
    """

    lab: Lab
    file: str
    results: tuple[Result, ...]
    core: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every step passes."""
        return all(result.passed for result in self.results)

    def __str__(self) -> str:
        width = max(len(result.step) for result in self.results)
        rows = [f"  {SIGNS[r.verdict]} {r.step:<{width}}  {r.verdict}" for r in self.results]
        count = sum(result.passed for result in self.results)
        end = f"{count} of {len(rows)} steps pass." + self._core()
        wrong = [f"\n{result}" for result in self.results if result.verdict == "wrong"]
        lines = [f"{self.lab.name}, answers from {self.file}", *rows, end]
        return "\n".join([*lines, *self._all("to do", "Still to do"), *self._all("borrowed", "Borrowed"), *wrong])

    def _core(self) -> str:
        """Say how much of the core passes, if the lab has steps after its core."""
        passed = [result.passed for result in self.results if result.step in self.core]
        return f" Core: {sum(passed)} of {len(passed)}." if 0 < len(passed) < len(self.results) else ""

    def _all(self, verdict: StepVerdict, words: str) -> list[str]:
        """Put all steps with this verdict into one paragraph, since in a new lab all steps are to do."""
        steps = [result.step for result in self.results if result.verdict == verdict]
        return [f"{words}: {', '.join(steps)}."] if steps else []


@dataclass(frozen=True)
class Submission:
    """A learner's notebook, opened to be judged: the learner's answers, and the reference's answers."""

    lab: Lab
    file: Path
    own: dict[str, Part]
    reference: dict[str, Part]
    core: tuple[str, ...] = ()

    @property
    def hopeful(self) -> dict[str, bool]:
        """Step -> whether its answer may pass; False where the stub still stands or the step is borrowed."""
        return {
            step: not part.borrowed and not any(cell.unsolved for cell in part.answer)
            for step, part in self.own.items()
        }

    def cells(self, step: str, earlier: Own) -> list[Cell]:
        """Return the cells to run before the check of `step`; its answer and the `earlier` ones are the learner's."""
        cells: list[Cell] = []
        for name, part in self.own.items():
            mine = name == step or name in earlier
            cells += (part if mine else part.answered_by(self.reference[name])).cells
            if name == step:
                break
        return cells

    def results(self) -> dict[str, Result]:
        """Try each step in a process of its own, unless it is borrowed; return step -> result."""
        module, folder = steps.modules()[self.lab.name], self.file.resolve().parent

        def try_step(step: str, earlier: Own) -> Result:
            if self.own[step].borrowed:
                return Result(self.lab.name, step, "borrowed", message=IN_WORDS)
            return trial(self.lab.steps[step], module, self.cells(step, earlier), folder)

        return settle(self.hopeful, try_step)


def opened(file: Path) -> Submission:
    """Open a notebook to be judged; refuse a file that cannot be judged."""
    notebook = notebooks.read(file)
    lab = lab_of(notebook, file)
    solved, reference = notebooks.read_reference(notebooks.solution(lab.name, file), lab.name)
    if list(reference) != list(lab.steps):
        steps, cells = ", ".join(lab.steps), ", ".join(reference)
        raise Refusal(f"checks for the steps {steps}", cells, f"Mend solutions/{lab.name}.ipynb")
    return Submission(lab, file, notebooks.own(notebook, solved), reference, core_steps(solved))


def judge(file: Path) -> JudgeReport:
    """Judge the answers in a notebook; refuse a file that cannot be judged."""
    paper = opened(file)
    return JudgeReport(paper.lab, file.name, tuple(paper.results().values()), paper.core)


def lab_of(notebook: notebooks.Raw, file: Path) -> Lab:
    """Return the lab to which a notebook belongs; refuse a notebook that belongs to none."""
    name = notebooks.lab_name(notebook, file)
    if name not in steps.modules():
        known = ", ".join(steps.modules()) or "(there are none)"
        raise Refusal(
            f"a notebook of one of the labs {known}", name, "Its metadata midspan.lab, or its name, says which"
        )
    return steps.find(name)


def settle(hopeful: Mapping[str, bool], try_step: Try) -> dict[str, Result]:
    """Try each step with exactly the earlier answers that pass; return step -> result.

    Args:
        hopeful: step -> the guess whether it passes, in the order of the lab.
        try_step: tries one step with these earlier answers of the learner.
    """
    known: dict[Pair, Result] = {}
    running: dict[Future[Result], Pair] = {}
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        while True:
            missing = [p for p in _pairs(hopeful, known) if p not in known and p not in running.values()]
            for pair in missing[: workers - len(running)]:
                running[pool.submit(try_step, *pair)] = pair
            if not running:
                return {pair[0]: known[pair] for pair in _pairs(hopeful, known)}
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                known[running.pop(done)] = done.result()


def _pairs(hopeful: Mapping[str, bool], known: Mapping[Pair, Result]) -> list[Pair]:
    """Return each step with the earlier steps that pass, where a result is known, or are guessed to pass."""
    pairs: list[Pair] = []
    passing: Own = frozenset()
    for step, hope in hopeful.items():
        pairs.append((step, passing))
        if known[step, passing].passed if (step, passing) in known else hope:
            passing |= {step}
    return pairs


# Many schedules: `python -m midspan judge FILE.ipynb --seeds N --start S --link simulated|real`.
#
# The check of a step plays at most a few hundred schedules that stress one thing. Here all predicates judge any range
# of seeds, on the finished answers of a notebook, in a process of its own.


LINKS = {"simulated": 0.5, "real": 5.0, NODES: 5.0}  # link -> seconds for one schedule, also with many reconnections
SHRINKING_S = 60.0  # for shrinking the counterexamples
START_PLAYING = "from midspan.grading.judge_process import play_schedules; play_schedules()"
WIDTHS = (19, 8, 10, 9)


@dataclass(frozen=True)
class SeedReport:
    """The verdicts of many schedules on one session. `str()` gives the table, then the smallest counterexamples.

    Args:
        lab: the lab of the notebook.
        file: name of the notebook.
        seeds: the seeds of the schedules.
        link: "simulated", "real" or "nodes".
        outcomes: "holds", "violated", "vacuous" -> how many schedules.
        verdicts: predicate -> the same counts for this predicate.
        examples: the smallest counterexample of each violated predicate, in words.
    """

    lab: Lab
    file: str
    seeds: range
    link: str
    outcomes: dict[str, int]
    verdicts: dict[str, dict[str, int]]
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no schedule violated a guarantee, and at least one put a guarantee to the test."""
        return not self.outcomes.get("violated") and bool(self.outcomes.get("holds"))

    def __str__(self) -> str:
        held, violated, vacuous = (self.outcomes.get(name, 0) for name in ("holds", "violated", "vacuous"))
        where = "three nodes and a broker" if self.link == NODES else f"{self.link} link"
        head = f"{self.lab.name}, answers from {self.file}, seeds {self.seeds[0]} to {self.seeds[-1]}, {where}"
        rows = [_row("predicate", "held", "violated", "vacuous")]
        rows += [_row(name, *_three(counts)) for name, counts in self.verdicts.items()]
        total = len(self.seeds)
        count = f"{total} schedules: {held} held, {violated} violated, {vacuous} vacuous (nothing was at risk)."
        return "\n".join([head, *rows, count, *(f"\n{example}" for example in self.examples)])


def judge_seeds(file: Path, seeds: range, link: str = "simulated") -> SeedReport:
    """Play the schedules of these seeds against the session of a notebook, and judge by all predicates.

    Raises:
        Refusal: the file cannot be judged, a part is still to do, a cell raises, or code hangs.
    """
    need(len(seeds) > 0, "at least one seed", len(seeds), "Pass --seeds 1 or more")
    need(link in LINKS, f"a link: {' or '.join(LINKS)}", link, "Choose one of them")
    paper = opened(file)
    need(bool(paper.lab.plays), "a lab that builds a session", paper.lab.name, "Choose another lab")
    link = NODES if paper.lab.on_nodes else link
    cells = finished_cells(paper.own, f"solutions/{paper.lab.name}.ipynb")
    order: dict[str, Any] = {"cells": [asdict(cell) for cell in cells], "name": paper.lab.plays, "file": file.name}
    order |= {"first": seeds.start, "count": len(seeds), "link": link, "stores": paper.lab.stores}
    line, code = line_of_child(START_PLAYING, order, file.resolve().parent, SHRINKING_S + LINKS[link] * len(seeds))
    if not line:
        raise Refusal("a session that ends its runs", Words(died(code)), "Run the lab's own checks: they say where")
    told = json.loads(line)
    if "refused" in told:
        raise Refusal("a session that can be played", Words(told["refused"]), "Run the lab's own checks: they say why")
    return SeedReport(paper.lab, file.name, seeds, link, told["outcomes"], told["verdicts"], tuple(told["examples"]))


def finished_cells(own: dict[str, Part], instead: str = "the solutions") -> list[Cell]:
    """Return all cells of a notebook's answers; refuse when one is to do, and name what to use `instead`.

    A deeper step that is to do is left out, without its stub.
    """
    to_do = [step for step, part in own.items() if part.to_do and not part.deeper]
    if to_do:
        words = Words(f"still to do: {', '.join(to_do)}")
        raise Refusal("a finished lab", words, f"All steps are needed: finish it, or take {instead}")
    return [cell for part in own.values() for cell in (part.setup if part.to_do else part.cells)]


def _three(counts: dict[str, int]) -> tuple[str, str, str]:
    held, violated, vacuous = (str(counts.get(name, 0)) for name in ("holds", "violated", "vacuous"))
    return held, violated, vacuous


def _row(name: str, *cells: str) -> str:
    first, *others = WIDTHS
    return f"  {name:<{first}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True))
