"""Step 5: numbers that nobody sends, and one frame for what waits. Judged in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.doubles import Waiting, ended
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.checks.lab5_overhead.doubles import Line, Packets, Plain
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.refusal import Words
from midspan.sim import Cast

BATCH = 64  # messages in one frame, as the notebook says
LONG_OUTAGE = 200  # messages


@lab.step("Numbers that nobody sends", minutes=25, lines=10, points=3, hints=HINTS["sender"], limit_s=15.0)
def sender(t: Transcript, Sender: Any, ours: Cast) -> None:  # noqa: N803 - the answer is a class
    in_virtual_time(_sends(t, Sender))
    in_virtual_time(_after_an_outage(t, Sender))
    holds(t, ours, "sender")
    costs_at_most(t, ours, load=33)


async def _sends(t: Transcript, make: Any) -> None:
    outbox, line, sender, running = _begun(make, "one", "two", "three")
    await asyncio.sleep(1.0)
    _raised(running)
    t.say("three messages are in the outbox")
    flat = [packet for packets in line.said for packet in packets]
    numbers = [packet for packet in flat if packet[0] == "number"]
    t.equal("numbers that are sent", numbers, [], id="numbers-in-full")
    t.equal("the bodies, in order", flat, _bodies("one", "two", "three"), id="batch-reorders")
    t.equal("frames", len(line.said), 1, id="no-batch")
    said_s = line.now()
    _say(outbox, sender, "four")
    await asyncio.sleep(1.0)
    t.equal("a fourth, a second later, goes alone", line.said[1:], [_bodies("four")])
    waited_s = line.at_s[1] - said_s
    t.true("it waited", waited_s == 0, got=Words(f"{waited_s:g} s"), expected="0 s", id="batch-waits")
    await _is_asked(t, outbox, sender, line)
    await _comes_back(t, outbox, sender, line, running)


async def _is_asked(t: Transcript, outbox: Waiting, sender: Any, line: Line) -> None:
    t.say("somebody waits for the fifth, nobody for the sixth")
    sender.asks = True
    _say(outbox, sender, "five")
    await asyncio.sleep(1.0)
    t.equal("the fifth", line.said[2:], [[*_bodies("five"), ("ask", 0)]], id="ask-forgotten")
    _say(outbox, sender, "six")
    await asyncio.sleep(1.0)
    t.equal("the sixth", line.said[3:], [_bodies("six")], id="ask-kept")


async def _comes_back(t: Transcript, outbox: Waiting, sender: Any, line: Line, running: Any) -> None:
    t.say("four are acknowledged, the link is cut, and a new connection begins")
    outbox.acknowledge(4)
    line.cut()
    _say(outbox, sender, "seven")
    await asyncio.wait([running], timeout=1.0)
    t.equal("when the connection ends, run() ends without an error", ended(running), None)
    again = Line(line.now)
    running = asyncio.ensure_future(sender.run(again, Plain()))
    await asyncio.sleep(1.0)
    _raised(running)
    expected = [[("number", 5), *_bodies("five", "six", "seven")]]
    got = again.said
    t.equal("what is sent on it", got, expected, id="" if got and got[0][:1] == expected[0][:1] else
            "numbers-not-resynchronised")  # fmt: skip
    running.cancel()


async def _after_an_outage(t: Transcript, make: Any) -> None:
    t.say(f"{LONG_OUTAGE} messages have waited for the link")
    bodies = [f"body {number}" for number in range(LONG_OUTAGE)]
    _, line, _, running = _begun(make, *bodies)
    await asyncio.sleep(1.0)
    _raised(running)
    most = max(len(packets) for packets in line.said) if line.said else 0
    t.equal("all are sent, in order", [one for said in line.said for one in said], _bodies(*bodies))
    t.true("in one frame", most <= BATCH, got=most, expected=f"{BATCH} at most", id="batch-unbounded")
    running.cancel()


def _begun(make: Any, *bodies: str) -> tuple[Waiting, Line, Any, asyncio.Future[None]]:
    """A sender at work on a line, with these messages in its outbox."""
    outbox, line = Waiting(), Line(asyncio.get_running_loop().time)
    outbox.put(*bodies)
    sender = make(outbox)
    return outbox, line, sender, asyncio.ensure_future(sender.run(line, Plain()))


def _say(outbox: Waiting, sender: Any, body: str) -> None:
    outbox.put(body)
    sender.more.set()


def _bodies(*bodies: str) -> Packets:
    return [("body", body) for body in bodies]


def _raised(running: asyncio.Future[None]) -> None:
    if running.done() and running.exception() is not None:
        running.result()
