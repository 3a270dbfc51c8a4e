"""Step 9: all guarantees at once, on both links; the budgets; and a saving that a guarantee pays for."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.searching import hunt
from midspan.checks.lab5_overhead.cost import LOW_RATE, costs
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import beats
from midspan.checks.lab5_overhead.searching import SEARCHES, holds
from midspan.refusal import Words, need
from midspan.sim import Cast, judge, negative_control, play, simple


@lab.step("Cheaper still, and wrong", minutes=20, lines=6, points=3, hints=HINTS["cheaper"], limit_s=45.0)
def cheaper(t: Transcript, cheaper: Any, ours: Cast) -> None:
    holds(t, ours, "cheaper")
    _ours_fails(t)
    found = costs(ours)
    beats(t, found)
    cast = cheaper()
    need(isinstance(cast, Cast), "a Cast", cast, "Return Cast(YourServer, YourClient)")
    t.say("cheaper(): two clients, no fault")
    verdicts = judge(play(cast, simple(4, gap_s=0.1))).values()
    wrong = [str(verdict) for verdict in verdicts if verdict.outcome == "violated"]
    t.equal("it works", wrong, [], id="cheaper-breaks-nothing-else")
    ours_bytes, its_bytes = (one.ours[LOW_RATE.name].frame_bytes for one in (found, costs(cast)))
    got, most = Words(f"{its_bytes:.1f} bytes"), f"{ours_bytes:.1f} at most"
    t.true("bytes in frames of an event", its_bytes <= ours_bytes, got=got, expected=most, id="cheaper-is-dearer")
    (search,) = SEARCHES["cheaper"]
    t.say(f"cheaper(): {search.seeds} schedules: {search.faults}")
    example = hunt(cast, search, "cheaper").example
    caught = Words("no violation")
    t.true("it does not pass", example is not None, got=caught, expected="a violation", id="cheaper-passes")
    assert example is not None
    t.note(f"{example.predicate} is violated: {example.reason}")
    t.note(f"the smallest schedule: {example.schedule}")


def _ours_fails(t: Transcript) -> None:
    """The package's own negative control: if that passed, the check would be broken."""
    findings = negative_control(range(20))
    got = Words(f"{findings.outcomes['violated']} of {findings.runs} schedules violated")
    t.true("a session that only hopes is caught", findings.outcome == "violated", got=got, expected="violations")
