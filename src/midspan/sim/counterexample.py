"""A broken guarantee, as somebody can look at it: one sentence, the smallest schedule, the ladder, and how to see it
again."""

from __future__ import annotations

from dataclasses import dataclass

from midspan.arguments import checked
from midspan.sim.cast import Cast
from midspan.sim.history import History
from midspan.sim.ladder import Ladder, draw
from midspan.sim.play import Player, play
from midspan.sim.predicates import judge
from midspan.sim.schedule import Schedule
from midspan.sim.shrink import MOST_RUNS, shrink

MOST_RECORDS = 20_000  # that shrinking one schedule may cost: some hundred runs, or few of a session that storms


@dataclass(frozen=True)
class Counterexample:
    """The smallest schedule that was found to break one predicate.

    Args:
        predicate: its name.
        reason: one sentence: what went wrong with which message.
        schedule: the smallest one.
        found: the schedule that it was shrunk from.
        history: of the smallest one.
        ladder: every message of the smallest one.
        replay: the line that shows it again.
    """

    predicate: str
    reason: str
    schedule: Schedule
    found: Schedule
    history: History
    ladder: Ladder
    replay: str

    def __str__(self) -> str:
        return (
            f"{self.predicate} is violated. {self.reason}\n"
            f"Smallest schedule: {self.schedule}\n{self.ladder}\nAgain: {self.replay}"
        )


@checked
def counterexample(
    cast: Cast,
    found: Schedule,
    predicate: str,
    replay: str = "",
    player: Player = play,
    most_runs: int = MOST_RUNS,
) -> Counterexample:
    """Shrink a schedule that breaks this predicate, and look at the result.

    Args:
        replay: the line that finds it again; by default the one that plays the smallest schedule.
        player: on which link.
        most_runs: that shrinking it may take.
    """

    spent = 0

    def breaks(schedule: Schedule) -> bool:
        nonlocal spent
        if spent > MOST_RECORDS:
            return False
        history = player(cast, schedule, None)
        spent += len(history)
        return judge(history, (predicate,))[predicate].outcome == "violated"

    smallest = shrink(found, breaks, most_runs)
    history, ladder = draw(cast, smallest, player)
    reason = judge(history, (predicate,))[predicate].reason
    replay = replay or f"draw(cast, Schedule.from_json({smallest.to_json()!r}))"
    return Counterexample(predicate, reason, smallest, found, history, ladder, replay)
