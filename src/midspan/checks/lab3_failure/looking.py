"""Demonstrations of this lab: what is wrong with the session as it stands, and one schedule once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from midspan.arguments import checked
from midspan.checks.demonstrations import LIMIT_S, show
from midspan.checks.lab3_failure.searching import SEARCHES, Found, Search, hunt
from midspan.refusal import Words, need
from midspan.sim import Cast, Counterexample

T = TypeVar("T")

PARTS = (
    *("Sender", "heartbeat", "backoff", "stay_connected", "Outbox", "Inbox"),
    *("Desk", "Log", "Cursor", "feed", "greet"),
)  # of the session in the notebook


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


def seen(
    cast: Cast, searches: tuple[Search, ...], step: str, parts: list[object], limit_s: float = LIMIT_S
) -> Counterexample | None:
    """The smallest counterexample of these searches; None, and a sentence, when there is none, or a part is to do."""
    found: list[Found] | None = show(lambda: [hunt(cast, one, step) for one in searches], *parts, limit_s=limit_s)
    if found is None:
        return None
    for one in found:
        if one.example is not None:
            return one.example
    names = ", ".join(name for search in searches for name in search.breaks)
    print(f"{sum(one.runs for one in found)} schedules, no violation of {names}.")
    return None


@checked
def again(cast: Cast, step: str, seed: int | None = None) -> Counterexample | None:
    """The schedule of one seed once more: the line that a check prints. None, and a sentence, when all holds now.

    Raises:
        Refusal: there is no such step, or no seed was given.
    """
    return seen_again(cast, of_step(SEARCHES, step), step, seed, parts_of(cast, PARTS))


def seen_again(
    cast: Cast,
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
    found: list[Found] | None = show(lambda: [hunt(cast, one, step) for one in only], *parts, limit_s=limit_s)
    example = next((one.example for one in found or () if one.example is not None), None)
    if found is not None and example is None:
        print(f"Seed {seed} of {step}: no violation any more.")
    return example


def parts_of(cast: Cast, wanted: tuple[str, ...]) -> list[object]:
    """The parts of a notebook's session: what its server finds by name."""
    names = getattr(getattr(cast.server, "handle", None), "__globals__", {})
    return [names[name] for name in wanted if name in names]


def of_step(searches: Mapping[str, T], step: str) -> T:
    """What is searched for in a step.

    Raises:
        Refusal: nothing is; it is no such step.
    """
    need(step in searches, f"one of the steps {', '.join(searches)}", step, "Name one of them")
    return searches[step]
