"""The guarantee matrix as the chapters show it: the bench's contenders, lab 3's reference, and your own lab 3."""

from __future__ import annotations

from functools import cache

from midspan.arguments import checked
from midspan.bench.contenders.contender import CONTENDERS, Contender
from midspan.bench.contenders.recorded import Recorded
from midspan.bench.matrix import Matrix, OnTrial, assemble, cells_of, chosen
from midspan.checks.lab3_failure.cast import cast_of
from midspan.refusal import Refusal, need
from midspan.sim.beside import beside
from midspan.sim.cast import Cast

_once = cache(cells_of)  # in this process: several cells show one measurement


@checked
def guarantee_matrix(*, faults: tuple[str, ...] | None = None, **more: Cast) -> Matrix:
    """Measure every guarantee of every implementation under every fault.

    Your own lab 3 is a column as soon as nothing in it is left to do, right or wrong. It takes some seconds the first
    time; what has been measured in this kernel is not measured again.

    Args:
        faults: the names of those to try; all of them if None.
        more: casts of your own, by the name of their column.

    Raises:
        Refusal: a fault is unknown; what is passed is not a cast, takes a name that is taken, or never speaks.
    """
    for name, cast in more.items():
        need(isinstance(cast, Cast), f"a cast as {name}", cast, "Pass Cast(server, client)")
    yours = (*_yours(), *(Contender(name, "passed by you", cast) for name, cast in more.items()))
    columns: tuple[OnTrial, ...] = (*CONTENDERS, Recorded(), _reference(), *yours)
    return assemble(columns, chosen(faults), lambda one, trial: beside(_once, one, trial))


@cache
def _reference() -> Contender:
    return Contender("lab 3", "the reference of lab 3 on websockets", cast_of("solutions"))


def _yours() -> list[Contender]:
    """The learner's lab 3, unless something in it is to do."""
    try:
        return [Contender("your lab 3", "your session on websockets", cast_of("labs"))]
    except Refusal:
        return []
