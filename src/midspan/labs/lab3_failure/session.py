"""The session of a finished lab 3, as an implementation: the reference's, the learner's, or that of any notebook."""

from __future__ import annotations

from dataclasses import replace

from midspan.grading.finished_labs import finished
from midspan.labs.lab3_failure.searching import lab
from midspan.errors import Refusal
from midspan.simulation import Bounds, Implementation

from functools import cache
from pathlib import Path
from typing import Any

from midspan.grading import notebooks
from midspan.grading.notebooks import Answers
from midspan.grading.finished_labs import finished
from midspan.labs.lab3_failure.searching import lab
from midspan.errors import Refusal
from midspan.simulation import SimulationError, search

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from midspan.errors import checked
from midspan.grading.finished_labs import LIMIT_S, show
from midspan.labs.lab3_failure.searching import SEARCHES, Found, Search, hunt
from midspan.errors import Words, need
from midspan.simulation import Implementation, Counterexample

from functools import cache

from midspan.errors import checked
from midspan.experiments.on_trial import CONTENDERS, Candidate
from midspan.experiments.on_trial import Recorded
from midspan.experiments.guarantee_matrix import Matrix, OnTrial, assemble, matrix_cells, chosen
from midspan.errors import Refusal, need
from midspan.simulation.run import run_in_thread
from midspan.simulation.implementation import Implementation


def implementation_of(source: str = "solutions", bounds: Bounds | None = None) -> Implementation:
    """The session that a notebook of this lab has built.

    Args:
        source: "solutions", "labs", or the path of a notebook.
        bounds: what the session promises; those of the notebook if None.

    Raises:
        Refusal: the notebook is not there, a part is still to do, or a cell raises.
    """
    implementation = getattr(finished(lab.name, source), lab.plays, None)
    if not isinstance(implementation, Implementation):
        raise Refusal("a session named ours", implementation, "Take a fresh copy of the lab")
    return implementation if bounds is None else replace(implementation, bounds=bounds)


# Lab 3's parts, for the labs that stand on them: the learner's own where its session holds, else the reference's.


SEEDS = range(40)  # a quick look: half a second, and nearly all of the bank's wrong sessions are found


class Earlier:
    """The names that a finished lab 3 defines: `earlier().Outbox`. `str()` says whose they are.

    Attributes:
        whose: "your own", or "the reference's", and why.
    """

    def __init__(self, answers: Answers, whose: str) -> None:
        self._answers, self.whose = answers, whose

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self._answers, name):
            raise AttributeError(f"lab 3 defines no {name!r}")
        return getattr(self._answers, name)

    def __repr__(self) -> str:
        return f"The session of lab 3: {self.whose}"


def earlier() -> Earlier:
    """Lab 3's parts. What was read once is not read again until the file changes."""
    own = notebooks.lab(lab.name)
    return _earlier(own, own.stat().st_mtime_ns if own.exists() else 0)


@cache
def _earlier(own: Path, _changed_ns: int) -> Earlier:
    try:
        answers = finished(lab.name, "labs")
        found = search(getattr(answers, lab.plays), SEEDS)
    except (Refusal, SimulationError, NotImplementedError):
        return Earlier(finished(lab.name, "solutions"), "the reference's, until yours is finished")
    if found.outcome == "holds":
        return Earlier(answers, f"your own, from {own.name}")
    broken = ", ".join(found.counterexamples) or "nothing, since nothing was at risk"
    return Earlier(finished(lab.name, "solutions"), f"the reference's; yours breaks {broken}")


# Demonstrations of this lab: what is wrong with the session as it stands, and one schedule once more.


T = TypeVar("T")

PARTS = (
    *("Sender", "heartbeat", "backoff", "stay_connected", "Outbox", "Inbox"),
    *("Desk", "Log", "Cursor", "feed", "greet"),
)  # of the session in the notebook


@checked
def look(implementation: Implementation, step: str) -> Counterexample | None:
    """What the searches of a step find: the smallest counterexample; None, and a sentence, when they find nothing.

    Args:
        implementation: the session, as `ours`.
        step: name of the step whose schedules are played.

    Raises:
        Refusal: there is no such step.
    """
    return seen(implementation, of_step(SEARCHES, step), step, session_parts(implementation, PARTS))


def seen(
    implementation: Implementation, searches: tuple[Search, ...], step: str, parts: list[object], limit_s: float = LIMIT_S
) -> Counterexample | None:
    """The smallest counterexample of these searches; None, and a sentence, when there is none, or a part is to do."""
    found: list[Found] | None = show(lambda: [hunt(implementation, one, step) for one in searches], *parts, limit_s=limit_s)
    if found is None:
        return None
    for one in found:
        if one.example is not None:
            return one.example
    names = ", ".join(name for search in searches for name in search.breaks)
    print(f"{sum(one.runs for one in found)} schedules, no violation of {names}.")
    return None


@checked
def again(implementation: Implementation, step: str, seed: int | None = None) -> Counterexample | None:
    """The schedule of one seed once more: the line that a check prints. None, and a sentence, when all holds now.

    Raises:
        Refusal: there is no such step, or no seed was given.
    """
    return seen_again(implementation, of_step(SEARCHES, step), step, seed, session_parts(implementation, PARTS))


def seen_again(
    implementation: Implementation,
    searches: tuple[Search, ...],
    step: str,
    seed: int | None,
    parts: list[object],
    limit_s: float = LIMIT_S,
) -> Counterexample | None:
    """The same for the schedule of one seed."""
    do = "Copy the line that the check printed"
    need(seed is not None, f'the seed of a schedule, as in again(ours, "{step}", 3)', Words("none"), do)
    only = [replace(one, only=seed) for one in searches]
    found: list[Found] | None = show(lambda: [hunt(implementation, one, step) for one in only], *parts, limit_s=limit_s)
    example = next((one.example for one in found or () if one.example is not None), None)
    if found is not None and example is None:
        print(f"Seed {seed} of {step}: no violation any more.")
    return example


def session_parts(implementation: Implementation, wanted: tuple[str, ...]) -> list[object]:
    """The parts of a notebook's session: what its server finds by name."""
    names = getattr(getattr(implementation.server, "handle", None), "__globals__", {})
    return [names[name] for name in wanted if name in names]


def of_step(searches: Mapping[str, T], step: str) -> T:
    """What is searched for in a step.

    Raises:
        Refusal: nothing is; it is no such step.
    """
    need(step in searches, f"one of the steps {', '.join(searches)}", step, "Name one of them")
    return searches[step]


# The guarantee matrix as the chapters show it: the bench's contenders, lab 3's reference, and your own lab 3.


_once = cache(matrix_cells)  # in this process: several cells show one measurement


@checked
def guarantee_matrix(*, faults: tuple[str, ...] | None = None, **more: Implementation) -> Matrix:
    """Measure every guarantee of every implementation under every fault.

    Your own lab 3 is a column as soon as nothing in it is left to do, right or wrong. It takes some seconds the first
    time; what has been measured in this kernel is not measured again.

    Args:
        faults: the names of those to try; all of them if None.
        more: implementations of your own, by the name of their column.

    Raises:
        Refusal: a fault is unknown; what is passed is not an implementation, takes a name that is taken, or never speaks.
    """
    for name, implementation in more.items():
        need(isinstance(implementation, Implementation), f"an implementation as {name}", implementation, "Pass Implementation(server, client)")
    yours = (*_yours(), *(Candidate(name, "passed by you", implementation) for name, implementation in more.items()))
    columns: tuple[OnTrial, ...] = (*CONTENDERS, Recorded(), _reference(), *yours)
    return assemble(columns, chosen(faults), lambda one, trial: run_in_thread(_once, one, trial))


@cache
def _reference() -> Candidate:
    return Candidate("lab 3", "the reference of lab 3 on websockets", implementation_of("solutions"))


def _yours() -> list[Candidate]:
    """The learner's lab 3, unless something in it is to do."""
    try:
        return [Candidate("your lab 3", "your session on websockets", implementation_of("labs"))]
    except Refusal:
        return []
