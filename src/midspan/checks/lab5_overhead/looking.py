"""Demonstrations of this lab: what the session costs as it stands, what breaks it, and one schedule once more."""

from __future__ import annotations

from midspan.arguments import checked
from midspan.checks.demonstrations import show
from midspan.checks.lab3_failure.looking import of_step, parts_of, seen, seen_again
from midspan.checks.lab5_overhead.cost import Costs, costs
from midspan.checks.lab5_overhead.searching import SEARCHES
from midspan.sim import Cast, Counterexample

PARTS = ("head", "read_head", "Wire", "Shapes", "block", "read_block", "Sender", "runs", "Feed", "flush")


@checked
def cost(cast: Cast) -> Costs | None:
    """What an event costs in this session; None, and a sentence, while a part of it is to do.

    Args:
        cast: the session, as `ours`.
    """
    found: Costs | None = show(lambda: costs(cast), *parts_of(cast, PARTS), limit_s=30)
    return found


@checked
def look(cast: Cast, step: str) -> Counterexample | None:
    """What the searches of a step find: the smallest counterexample; None, and a sentence, when they find nothing.

    Args:
        cast: the session, as `ours`.
        step: name of the step whose schedules are played.

    Raises:
        Refusal: there is no such step.
    """
    return seen(cast, of_step(SEARCHES, step), step, parts_of(cast, PARTS))


@checked
def again(cast: Cast, step: str, seed: int | None = None) -> Counterexample | None:
    """The schedule of one seed once more: the line that a check prints. None, and a sentence, when all holds now.

    Raises:
        Refusal: there is no such step, or no seed was given.
    """
    return seen_again(cast, of_step(SEARCHES, step), step, seed, parts_of(cast, PARTS))
