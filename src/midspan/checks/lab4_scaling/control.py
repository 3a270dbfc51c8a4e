"""Step 10: all guarantees at once on three nodes; and a cast of the learner's that must not pass."""

from __future__ import annotations

from typing import Any

from midspan.bench.nodes import NODE_SHAPE, bus, generate_nodes, play_nodes
from midspan.checks import Transcript
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab
from midspan.checks.lab4_scaling.searching import FIRST, SEARCHES, holds
from midspan.refusal import Words, need
from midspan.sim import Cast, judge, simple

TRIES = 25  # schedules until a mistake is found


@lab.step(
    "A control that must not pass", minutes=20, lines=8, points=3, hints=HINTS["control"], limit_s=60.0, processes=True
)
def control(t: Transcript, broken: Any, ours: Cast) -> None:
    with bus():
        holds(t, ours, "control")
        cast = broken()
        need(isinstance(cast, Cast), "a Cast", cast, "Return Cast(YourNode, YourClient)")
        t.say("broken(): four clients on three nodes, no fault")
        verdicts = judge(play_nodes(cast, simple(6, ("a", "b", "c", "d"), gap_s=0.1))).values()
        wrong = [str(verdict) for verdict in verdicts if verdict.outcome == "violated"]
        t.equal("it works", wrong, [], id="control-breaks-nothing-else")
        t.say(f"broken(): {TRIES} schedules: {SEARCHES['control'].faults}")
        found = _found(cast)
        caught = Words("no violation")
        t.true("it does not pass", found is not None, got=caught, expected="a violation", id="control-passes")
    assert found is not None
    t.note(f"{found[0]}, with the schedule of seed {found[1]}")


def _found(cast: Cast) -> tuple[str, int] | None:
    """A predicate that some schedule breaks, and that schedule's seed. It is not shrunk: that is `look`'s work."""
    for seed in range(FIRST, FIRST + TRIES):
        for verdict in judge(play_nodes(cast, generate_nodes(seed, NODE_SHAPE))).values():
            if verdict.outcome == "violated":
                return f"{verdict.predicate} is violated", seed
    return None
