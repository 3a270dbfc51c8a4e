"""Demonstrations of this lab: what is wrong with the session as it stands, and one schedule once more."""

from __future__ import annotations

from dataclasses import replace

from midspan.arguments import checked
from midspan.checks.demonstrations import show
from midspan.checks.lab3_failure.searching import SEARCHES, Found, Search, hunt
from midspan.refusal import Words, need
from midspan.sim import Cast, Counterexample

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
    searches = _searches(step)
    found: list[Found] | None = show(lambda: [hunt(cast, one, step) for one in searches], *_parts(cast))
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
    do = "Copy the line that the check printed"
    need(seed is not None, f'the seed of a schedule, as in again(ours, "{step}", 16)', Words("none"), do)
    searches = [replace(one, only=seed) for one in _searches(step)]
    found: list[Found] | None = show(lambda: [hunt(cast, one, step) for one in searches], *_parts(cast))
    example = next((one.example for one in found or () if one.example is not None), None)
    if found is not None and example is None:
        print(f"Seed {seed} of {step}: no violation any more.")
    return example


def _parts(cast: Cast) -> list[object]:
    """The parts of a notebook's session: what its server finds by name."""
    names = getattr(getattr(cast.server, "__init__", None), "__globals__", {})
    return [names[name] for name in PARTS if name in names]


def _searches(step: str) -> tuple[Search, ...]:
    need(step in SEARCHES, f"one of the steps {', '.join(SEARCHES)}", step, "Name one of them")
    return SEARCHES[step]
