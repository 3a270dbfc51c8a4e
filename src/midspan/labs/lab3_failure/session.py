"""The session of a finished lab 3 as an implementation: from the reference, the learner, or any notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from midspan.errors import Refusal, Words, checked, need
from midspan.grading import notebooks
from midspan.grading.finished_labs import LIMIT_S, finished, show
from midspan.grading.notebooks import Answers
from midspan.labs.lab3_failure import ends
from midspan.labs.lab3_failure.searching import SEARCHES, Found, Search, lab, run_search
from midspan.simulation import Bounds, Counterexample, Implementation, SimulationError, search
from midspan.simulation.run import run_in_thread

if TYPE_CHECKING:  # the matrix imports python-socketio, which the steps of a lab do not need
    from midspan.experiments.guarantee_matrix import Matrix, MatrixCell, OnTrial, Trial
    from midspan.experiments.on_trial import Candidate


def implementation_of(source: str = "solutions", bounds: Bounds | None = None) -> Implementation:
    """Return the session that a notebook of this lab defines.

    Args:
        source: "solutions", "labs", or the path of a notebook.
        bounds: what the session promises; None for the bounds of the notebook.

    Raises:
        Refusal: the notebook does not exist, a part is still to do, or a cell raises.
    """
    implementation = getattr(finished(lab.name, source), lab.plays, None)
    if not isinstance(implementation, Implementation):
        raise Refusal("a session named ours", implementation, "Take a fresh copy of the lab")
    return implementation if bounds is None else replace(implementation, bounds=bounds)


# The parts of lab 3 for later labs: the learner's own if its session violates no guarantee, else the reference's.


SEEDS = range(40)  # half a second; finds nearly all wrong sessions of the bank


class Earlier:
    """The names of a finished lab 3: `earlier().Outbox`, and of its `ends`. `repr()` says whose they are.

    Attributes:
        whose: "your own", or "the reference's" with the reason.
    """

    def __init__(self, answers: Answers, whose: str) -> None:
        self._answers, self.whose = answers, whose

    def __getattr__(self, name: str) -> Any:
        place = self._answers if hasattr(self._answers, name) else ends
        if name.startswith("__") or not hasattr(place, name):
            raise AttributeError(f"lab 3 defines no {name!r}")
        return getattr(place, name)

    def __repr__(self) -> str:
        return f"The session of lab 3: {self.whose}"


def earlier() -> Earlier:
    """Return the parts of lab 3. A file is read again only when it has changed."""
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


# Demonstrations of this lab: find what is wrong with the current session, and play one schedule again.


T = TypeVar("T")

PARTS = ("backoff", *ends.Parts._fields)  # the parts of the session in the notebook


@checked
def look(implementation: Implementation, step: str) -> Counterexample | None:
    """Return the smallest counterexample that the searches of a step find; if none, print a sentence and return None.

    Args:
       implementation: the session, as `ours`.
       step: the name of the step whose schedules are played.

    Raises:
       Refusal: there is no such step.
    """
    return seen(implementation, of_step(SEARCHES, step), step, session_parts(implementation, PARTS))


def seen(
    implementation: Implementation,
    searches: tuple[Search, ...],
    step: str,
    parts: list[object],
    limit_s: float = LIMIT_S,
) -> Counterexample | None:
    """Return the smallest counterexample of these searches; print a sentence if there is none, or a part is to do."""
    found: list[Found] | None = show(
        lambda: [run_search(implementation, one, step) for one in searches], *parts, limit_s=limit_s
    )
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
    """Play the schedule of one seed again; a check prints this line. If all holds now, print a sentence, return None.

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
    """As `seen`, for the schedule of one seed."""
    do = "Copy the line that the check printed"
    need(seed is not None, f'the seed of a schedule, as in again(ours, "{step}", 3)', Words("none"), do)
    only = [replace(one, only=seed) for one in searches]
    found: list[Found] | None = show(
        lambda: [run_search(implementation, one, step) for one in only], *parts, limit_s=limit_s
    )
    example = next((one.example for one in found or () if one.example is not None), None)
    if found is not None and example is None:
        print(f"Seed {seed} of {step}: no violation any more.")
    return example


def session_parts(implementation: Implementation, wanted: tuple[str, ...]) -> list[object]:
    """Return the parts of a notebook's session: those that its `made_of` or its server finds by name."""
    server = implementation.server
    finds = getattr(server, "made_of", None) or getattr(server, "handle", None)
    names = getattr(finds, "__globals__", {})
    return [names[name] for name in wanted if name in names]


def of_step(searches: Mapping[str, T], step: str) -> T:
    """Return the searches of a step.

    Raises:
        Refusal: there is no such step, or it has no searches.
    """
    need(step in searches, f"one of the steps {', '.join(searches)}", step, "Name one of them")
    return searches[step]


# The guarantee matrix of the chapters: `CONTENDERS`, the reference of lab 3, and the learner's own lab 3.


@cache  # several cells of a notebook show one measurement
def _once(one: OnTrial, trial: Trial) -> tuple[MatrixCell, ...]:
    from midspan.experiments.guarantee_matrix import matrix_cells

    return matrix_cells(one, trial)


@checked
def guarantee_matrix(*, faults: tuple[str, ...] | None = None, **more: Implementation) -> Matrix:
    """Measure every guarantee of every implementation under every fault.

    Your own lab 3 is a column when nothing in it is to do, even if it is wrong. The first call takes some seconds; a
    kernel measures an implementation only once.

    Args:
        faults: the names of the faults to try; None for all.
        more: more implementations, by the name of their column.

    Raises:
        Refusal: a fault is unknown; an argument is no implementation, has a used name, or sends nothing.
    """
    from midspan.experiments.guarantee_matrix import assemble, chosen
    from midspan.experiments.on_trial import CONTENDERS, Candidate, Recorded

    for name, implementation in more.items():
        need(
            isinstance(implementation, Implementation),
            f"an implementation as {name}",
            implementation,
            "Pass Implementation(server, client)",
        )
    yours = (*_yours(), *(Candidate(name, "passed by you", implementation) for name, implementation in more.items()))
    columns: tuple[OnTrial, ...] = (*CONTENDERS, Recorded(), _reference(), *yours)
    return assemble(columns, chosen(faults), lambda one, trial: run_in_thread(_once, one, trial))


def own_column(ours: Implementation) -> Matrix:
    """Measure the libraries, and your session as one more column, `yours`, which the picture marks.

    A kernel measures the libraries only once. It measures your session each time, since its parts may have changed.

    Raises:
        Refusal: `ours` is no implementation, or sends nothing.
    """
    from midspan.experiments.guarantee_matrix import assemble, chosen, matrix_cells
    from midspan.experiments.on_trial import CONTENDERS, Candidate, Recorded

    need(isinstance(ours, Implementation), "an implementation", ours, "Pass ours")
    mine = Candidate("yours", "your session of lab 3 on websockets", ours)

    def cells(one: OnTrial, trial: Trial) -> tuple[MatrixCell, ...]:
        return run_in_thread(matrix_cells if one is mine else _once, one, trial)

    return replace(assemble((*CONTENDERS, Recorded(), mine), chosen(None), cells), marked=mine.name)


@cache
def _reference() -> Candidate:
    from midspan.experiments.on_trial import Candidate

    return Candidate("lab 3", "the reference of lab 3 on websockets", implementation_of("solutions"))


def _yours() -> list[Candidate]:
    """Return the learner's lab 3, unless something in it is to do."""
    from midspan.experiments.on_trial import Candidate

    try:
        return [Candidate("your lab 3", "your session on websockets", implementation_of("labs"))]
    except Refusal:
        return []
