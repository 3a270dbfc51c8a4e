"""Step 1: a session on a good day. It works while nothing goes wrong, and a run in which nothing does is vacuous."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.doubles import Line, Waiting, ended, spoken
from midspan.checks.lab3_failure.hints import HINTS
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.refusal import Words
from midspan.sim import PREDICATES, Cast, judge, play, simple


@lab.step("A session on a good day", minutes=10, lines=7, points=1, hints=HINTS["sender"], limit_s=8.0)
def sender(t: Transcript, Sender: Any, ours: Cast) -> None:  # noqa: N803 - the answer is a class
    in_virtual_time(_sends(t, Sender))
    t.say("a and b say two messages each, and nothing goes wrong")
    verdicts = judge(play(ours, simple(4, gap_s=0.1)))
    if "NotImplementedError" in verdicts["no_crash"].reason:
        raise NotImplementedError
    for name in ("no_crash", "no_loss", "no_duplicate", "order", "liveness"):
        verdict = verdicts[name]
        wrong = verdict.outcome == "violated"
        t.true(str(PREDICATES[name]), not wrong, got=Words(verdict.reason), expected="no violation")
    t.note(f"The verdict on no_loss is {verdicts['no_loss'].outcome}: {verdicts['no_loss'].reason}")


async def _sends(t: Transcript, make: Any) -> None:
    t.say("two messages are in the outbox, a third comes later")
    outbox, line = Waiting(), Line()
    outbox.put("one", "two")
    sender = make(outbox)
    running = await spoken(sender, line)
    t.equal("the two are sent, in order", line.said, [["say", 1, "one"], ["say", 2, "two"]])
    t.true(
        "the sender waits for more", not running.done(), got="run() has returned", expected="waiting", id="sender-stops"
    )
    outbox.put("three")
    sender.more.set()
    await asyncio.sleep(1.0)
    ended(running)
    t.equal("then the third, once", line.said[2:], [["say", 3, "three"]], id=_third(line.said))
    line.cut()
    outbox.put("four")
    sender.more.set()
    await asyncio.wait([running], timeout=1.0)
    t.equal("when the connection ends, run() ends without an error", ended(running), None, id="sender-raises")
    running.cancel()


def _third(said: list[Any]) -> str:
    return "sender-repeats" if len(said) > 3 else "sender-stops"
