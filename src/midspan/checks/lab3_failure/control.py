"""Step 11: all guarantees at once; and a session of the learner's that must not pass, since a check that cannot fail
proves nothing.
"""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.hints import HINTS
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.lab3_failure.searching import SEARCHES, Search, holds, hunt
from midspan.refusal import Words, need
from midspan.sim import Cast, judge, negative_control, play, simple


@lab.step("A control that must not pass", minutes=20, lines=5, points=3, hints=HINTS["control"], limit_s=12.0)
def control(t: Transcript, broken: Any, ours: Cast) -> None:
    holds(t, ours, "control")
    ours_fails(t)
    cast = broken()
    works(t, cast, "broken()", id="control-breaks-nothing-else")
    does_not_pass(t, cast, "control", "broken()", SEARCHES["control"], id="control-passes")


def works(t: Transcript, cast: object, called: str, *, id: str) -> None:
    """The learner's mistake is a cast, and breaks nothing on a good day."""
    need(isinstance(cast, Cast), "a Cast", cast, "Return Cast(YourServer, YourClient)")
    assert isinstance(cast, Cast)
    t.say(f"{called}: two clients, no fault")
    verdicts = judge(play(cast, simple(4, gap_s=0.1))).values()
    wrong = [str(verdict) for verdict in verdicts if verdict.outcome == "violated"]
    t.equal("it works", wrong, [], id=id)


def does_not_pass(t: Transcript, cast: Cast, step: str, called: str, searches: tuple[Search, ...], *, id: str) -> None:
    """The search of a step finds what it breaks on a bad day."""
    (search,) = searches
    t.say(f"{called}: {search.seeds} schedules: {search.faults}")
    example = hunt(cast, search, step).example
    caught = Words("no violation")
    t.true("it does not pass", example is not None, got=caught, expected="a violation", id=id)
    assert example is not None
    t.note(f"{example.predicate} is violated: {example.reason}")
    t.note(f"the smallest schedule: {example.schedule}")


def ours_fails(t: Transcript) -> None:
    """The package's own negative control: if that passed, the check would be broken."""
    findings = negative_control(range(20))
    got = Words(f"{findings.outcomes['violated']} of {findings.runs} schedules violated")
    t.true("a session that only hopes is caught", findings.outcome == "violated", got=got, expected="violations")
