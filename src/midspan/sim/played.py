"""One schedule, played, drawn and judged: what a notebook's cell shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midspan.arguments import checked
from midspan.refusal import need
from midspan.sim.beside import beside
from midspan.sim.cast import Cast
from midspan.sim.history import History
from midspan.sim.ladder import Ladder, draw
from midspan.sim.predicates import PREDICATES, judge
from midspan.sim.schedule import Schedule
from midspan.sim.verdict import Verdict


@dataclass(frozen=True, repr=False)
class Played:
    """A run as somebody can look at it.

    Args:
        history: what happened.
        ladder: every message of it.
        verdicts: of the predicates that were asked, by name.
    """

    history: History
    ladder: Ladder
    verdicts: Mapping[str, Verdict]

    @property
    def violated(self) -> dict[str, str]:
        """What was broken, by name: one sentence each."""
        return {name: one.reason for name, one in self.verdicts.items() if one.outcome == "violated"}

    @property
    def judged(self) -> tuple[str, ...]:
        """One line for each predicate that was asked."""
        return tuple(f"{name}: {one.outcome}. {one.reason}" for name, one in self.verdicts.items())

    def __str__(self) -> str:
        return "\n".join([str(self.ladder), "", *self.judged])

    __repr__ = __str__


@checked
def played(cast: Cast, schedule: Schedule, *names: str) -> Played:
    """Play a schedule beside the caller's loop, and judge it by the predicates named.

    Raises:
        Refusal: there is no predicate of that name.
        WallClock: the code under test cannot be simulated.
    """
    for name in names:
        need(name in PREDICATES, f"a predicate, one of {', '.join(PREDICATES)}", name, "Correct its name")
    history, ladder = beside(draw, cast, schedule)
    return Played(history, ladder, judge(history, names))
