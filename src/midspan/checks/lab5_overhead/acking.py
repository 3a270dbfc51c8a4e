"""Step 7: acknowledgements that wait for company. What is looked at are whole sessions, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.refusal import Words
from midspan.sim import Bounds, Cast, History, Join, Say, Schedule, play

ACK_S = 0.5  # as the notebook says
SLACK_S = 0.05  # a store's write and two ways
BEGIN_S = 1.0  # all are connected
STEADY = tuple(Say(BEGIN_S + 0.05 * turn, "a", f"a{turn}") for turn in range(60))
ROOMY = Bounds(outbox=128, replay=128)
TIGHT = Bounds(outbox=8)


@lab.step("Acknowledgements that wait for company", minutes=25, lines=8, points=3, hints=HINTS["acks"], limit_s=15.0)
def acks(t: Transcript, Feed: Any, ours: Cast) -> None:  # noqa: N803, ARG001 - an answer that the cast has in use
    t.say("a says one thing, and nobody says more")
    (waited_s,) = _acknowledged(_played(ours, ROOMY, Say(BEGIN_S, "a", "a1"))) or (None,)
    _waited(t, waited_s)
    t.say("a says something every 50 ms, for three seconds")
    history = _played(ours, ROOMY, *STEADY)
    waits_s = _acknowledged(history)
    longest_s = max(waits_s, default=0.0)
    late = Words(f"{longest_s:.2f} s; {len(waits_s)} of {len(STEADY)} acknowledged")
    in_time = len(waits_s) == len(STEADY) and longest_s <= ACK_S + SLACK_S
    t.true("the longest wait", in_time, got=late, expected=f"{ACK_S:g} s", id="timer-restarted")
    batches = len({record.at_s for record in history.of("acknowledged")})
    t.true("frames that bring them", batches <= 15, got=batches, expected="15 at most", id="ack-each")
    _others(t, ours)
    _tight(t, ours)
    holds(t, ours, "acks")
    costs_at_most(t, ours, low_rate=21)


def _waited(t: Transcript, waited_s: float | None) -> None:
    never = Words("never" if waited_s is None else f"after {waited_s:.2f} s")
    came = waited_s is not None and waited_s <= ACK_S + SLACK_S
    t.true("its acknowledgement comes", came, got=never, expected=f"after {ACK_S:g} s", id="acks-never-flushed")
    assert waited_s is not None
    t.true("and has waited for company", waited_s >= ACK_S / 2, got=never, expected=f"after {ACK_S:g} s", id="ack-each")


def _others(t: Transcript, ours: Cast) -> None:
    t.say("a says one thing, then b")
    history = _played(ours, ROOMY, Say(BEGIN_S, "a", "a1"), Say(BEGIN_S + 0.1, "b", "b1"))
    delivered = {record.message: record.at_s for record in history.of("delivered") if record.who == "a"}
    late_s = delivered.get("b1", float("inf")) - BEGIN_S - 0.1
    got = Words(f"after {late_s:.2f} s")
    t.true("what b says is with a", late_s < SLACK_S, got=got, expected="at once", id="others-wait")
    own_s = delivered.get("a1", float("inf")) - BEGIN_S
    t.true("and a's acknowledgement with it", own_s < ACK_S / 2, got=Words(f"after {own_s:.2f} s"), expected="before")


def _tight(t: Transcript, ours: Cast) -> None:
    t.say(f"an outbox of {TIGHT.outbox}, and a message every 20 ms")
    says = tuple(Say(BEGIN_S + 0.02 * turn, "a", f"a{turn}") for turn in range(30))
    declined = len(_played(ours, TIGHT, *says).of("declined"))
    t.equal("messages that the full outbox refuses", declined, 0, id="outbox-fills-up")


def _played(ours: Cast, bounds: Bounds, *says: Say) -> History:
    joins = Join(0.0, "a"), Join(0.0, "b")
    warm = Say(0.0, "a", "warm")
    history = play(replace(ours, bounds=bounds), Schedule(0, joins, (warm, *says), (), 0.001, 0.001))
    if any("NotImplementedError" in record.detail for record in history.of("crashed")):
        raise NotImplementedError
    return history


def _acknowledged(history: History) -> list[float]:
    """How long each acknowledgement took, in seconds."""
    sent = {record.message: record.at_s for record in history.of("sent")}
    return [one.at_s - sent[one.message] for one in history.of("acknowledged") if one.message != "warm"]
