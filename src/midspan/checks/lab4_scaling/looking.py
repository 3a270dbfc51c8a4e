"""Demonstrations of this lab: where a part as it stands breaks; the session on three nodes, and one schedule again."""

from __future__ import annotations

from midspan.arguments import checked
from midspan.checks.demonstrations import written
from midspan.checks.lab3_failure.looking import of_step, parts_of, seen, seen_again
from midspan.checks.lab4_scaling.lab import lab
from midspan.checks.lab4_scaling.searching import SEARCHES
from midspan.refusal import need
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
    return seen(cast, (of_step(SEARCHES, step),), step, parts_of(cast, PARTS), LIMIT_S)


@checked
def again(cast: Cast, step: str, seed: int | None = None) -> Counterexample | None:
    """The schedule of one seed once more: the line that a check prints. None, and a sentence, when all holds now.

    Raises:
        Refusal: there is no such search, or no seed was given.
    """
    return seen_again(cast, (of_step(SEARCHES, step),), step, seed, parts_of(cast, PARTS), LIMIT_S)
