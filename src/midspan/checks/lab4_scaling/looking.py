"""Demonstrations of this lab: where a part as it stands breaks; the session on three nodes, and one schedule again."""

from __future__ import annotations

from dataclasses import replace

from midspan.arguments import checked
from midspan.checks.demonstrations import show, written
from midspan.checks.lab3_failure.searching import Found, Search
from midspan.checks.lab4_scaling.lab import lab
from midspan.checks.lab4_scaling.searching import SEARCHES, hunt
from midspan.refusal import Words, need
from midspan.sim import Cast, Counterexample

PARTS = (
    *("Rooms", "broadcast", "Log", "resume", "take_script", "accept", "Owners", "release_script", "mailbox"),
    *("Outlet", "Presence", "drain"),
)  # of a node in the notebook
LIMIT_S = 60.0  # of a demonstration, on a machine that is busy with ten kernels


@checked
def draft(step: str, *answers: object) -> None:
    """Judge a part as it stands, up to the first line that does not hold, and print that. Nothing is remembered.

    Raises:
        Refusal: there is no such step, or it takes other answers.
    """
    need(step in lab.steps, f"one of the steps {', '.join(lab.steps)}", step, "Name one of them")
    if written(*answers):
        result = lab.steps[step].judge(*answers)
        print(*(line for line in result.lines if line.kind != "note"), sep="\n")
        if not any(line.kind == "broken" for line in result.lines):
            print(result.message or "Nothing breaks it.")


@checked
def look(cast: Cast, step: str) -> Counterexample | None:
    """What the search of a step finds: the smallest counterexample; None, and a sentence, when it finds nothing.

    Raises:
        Refusal: there is no such search.
    """
    search = _search(step)
    found = _found(cast, search, step)
    if found is not None and found.example is None:
        print(f"{found.runs} schedules, no violation of {', '.join(search.breaks)}.")
    return found.example if found is not None else None


@checked
def again(cast: Cast, step: str, seed: int | None = None) -> Counterexample | None:
    """The schedule of one seed once more: the line that a check prints. None, and a sentence, when all holds now.

    Raises:
        Refusal: there is no such search, or no seed was given.
    """
    do = "Copy the line that the check printed"
    need(seed is not None, f'the seed of a schedule, as in again(ours, "{step}", 3)', Words("none"), do)
    found = _found(cast, replace(_search(step), only=seed), step)
    if found is not None and found.example is None:
        print(f"Seed {seed} of {step}: no violation any more.")
    return found.example if found is not None else None


def _found(cast: Cast, search: Search, step: str) -> Found | None:
    found: Found | None = show(lambda: hunt(cast, search, step), *_parts(cast), limit_s=LIMIT_S)
    return found


def _parts(cast: Cast) -> list[object]:
    """The parts of a notebook's node: what it finds by name."""
    names = getattr(getattr(cast.server, "handle", None), "__globals__", {})
    return [names[name] for name in PARTS if name in names]


def _search(step: str) -> Search:
    need(step in SEARCHES, f"one of the steps {', '.join(SEARCHES)}", step, "Name one of them")
    return SEARCHES[step]
