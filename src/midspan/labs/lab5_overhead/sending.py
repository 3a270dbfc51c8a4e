"""Steps 3 to 5: implicit numbers, counts, and delayed acknowledgements."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import MemoryOutbox, ended, in_virtual_time
from midspan.labs.lab5_overhead.cost import costs_at_most
from midspan.labs.lab5_overhead.searching import ListeningConnection, Packets, PacketWire, lab, search_holds
from midspan.simulation import Bounds, History, Implementation, Join, Say, Schedule, play

# Step 3: numbers that are not sent, and one frame for all waiting messages. Judged in virtual time.


BATCH = 64  # messages in one frame, as the notebook says
LONG_OUTAGE = 200  # messages


@lab.step(
    "Implicit numbers",
    minutes=19,
    lines=10,
    points=3,
    hints=(
        "What does the server count, from which number, and since which moment?",
        "`sent` is 0 at the start of each connection. waiting = self.outbox.after(sent)[:BATCH] gives (number, body) "
        "pairs; only the first can be out of step.",
        'while waiting := self.outbox.after(sent)[:BATCH]: a ("number", n) if waiting[0][0] != sent + 1, the bodies, '
        'an ("ask", 0) if self.asks; then set sent and clear asks, send. After that loop await self.more.wait().',
    ),
    words={
        "numbers-not-resynchronised": (
            'On a new connection the other end counts from 0: send ("number", n) where the next number is another one.'
        ),
        "numbers-in-full": "Both ends can count: send a number only where it is not the next one.",
        "batch-reorders": "Send a batch in the order of the outbox: the numbers follow from that order.",
        "batch-waits": (
            "A batch takes the messages that are there. If it waits for more, it delays the first "
            "message, and at a low rate each message."
        ),
        "batch-unbounded": (
            "After a long outage many messages wait: put at most BATCH of them into one frame, then "
            "send the next frame."
        ),
        "no-batch": "Send messages that wait together in one frame.",
        "ask-kept": (
            "Clear `asks` after the ask is sent: otherwise the sender asks for each later acknowledgement too."
        ),
        "ask-forgotten": (
            "The application waits for this acknowledgement: `asks` is set, so put an ask into the frame."
        ),
    },
    limit_s=15.0,
)
def sender(t: Transcript, Sender: Any, ours: Implementation) -> None:  # noqa: N803 - the answer is a class
    in_virtual_time(_sends(t, Sender))
    in_virtual_time(_after_an_outage(t, Sender))
    search_holds(t, ours, "sender")
    costs_at_most(t, ours, load=(2, 7))


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


async def _is_asked(t: Transcript, outbox: MemoryOutbox, sender: Any, line: ListeningConnection) -> None:
    t.say("the application waits for the fifth, not for the sixth")
    sender.asks = True
    _say(outbox, sender, "five")
    await asyncio.sleep(1.0)
    t.equal("the fifth", line.said[2:], [[*_bodies("five"), ("ask", 0)]], id="ask-forgotten")
    _say(outbox, sender, "six")
    await asyncio.sleep(1.0)
    t.equal("the sixth", line.said[3:], [_bodies("six")], id="ask-kept")


async def _comes_back(
    t: Transcript, outbox: MemoryOutbox, sender: Any, line: ListeningConnection, running: Any
) -> None:
    t.say("four are acknowledged, the link is cut, and a new connection begins")
    outbox.acknowledge(4)
    line.cut()
    _say(outbox, sender, "seven")
    await asyncio.wait([running], timeout=1.0)
    t.equal("when the connection ends, run() ends without an error", ended(running), None)
    again = ListeningConnection(line.now)
    running = asyncio.ensure_future(sender.run(again, PacketWire()))
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


def _begun(make: Any, *bodies: str) -> tuple[MemoryOutbox, ListeningConnection, Any, asyncio.Future[None]]:
    """Start a sender on a connection, with these messages in its outbox."""
    outbox, line = MemoryOutbox(), ListeningConnection(asyncio.get_running_loop().time)
    outbox.put(*bodies)
    sender = make(outbox)
    return outbox, line, sender, asyncio.ensure_future(sender.run(line, PacketWire()))


def _say(outbox: MemoryOutbox, sender: Any, body: str) -> None:
    outbox.put(body)
    sender.more.set()


def _bodies(*bodies: str) -> Packets:
    return [("body", body) for body in bodies]


def _raised(running: asyncio.Future[None]) -> None:
    if running.done() and running.exception() is not None:
        running.result()


ONE, TWO, THREE = ("a1", "a", 1), ("a2", "a", 2), ("a3", "a", 3)
OTHER = ("b1", "b", 7)


@lab.step(
    "Do not send a body back to its sender",
    minutes=15,
    lines=8,
    points=3,
    hints=(
        "Go through the entries once, and count while they are the receiver's own.",
        'Before an entry of another client, and at the end, the count becomes ("mine", own), unless it is 0.',
        "own: sender == who and number > safe. Then own += 1; else append the count if there is one, then the body, "
        "and set own to 0.",
    ),
    words={
        "own-in-full": "The sender has the body: it needs the place of the entry, not the body.",
        "acknowledged-by-welcome": (
            "A message that the welcome acknowledged is no longer in the outbox: send its entry in full."
        ),
        "run-overtakes": (
            "The log has one order: put a count where its entries are, between the entries of other clients."
        ),
    },
    limit_s=15.0,
)
def runs(t: Transcript, runs: Any, ours: Implementation) -> None:
    t.say('runs(entries, "a", 0): nothing was acknowledged before')
    t.equal("no entry", runs([], "a", 0), [])
    t.equal("one of another client", _runs(runs, [OTHER], 0), [("body", "b1")])
    t.equal("one of a's own", _runs(runs, [ONE], 0), [("mine", 1)], id="own-in-full")
    t.equal("three of its own", _runs(runs, [ONE, TWO, THREE], 0), [("mine", 3)])
    between = [("mine", 1), ("body", "b1"), ("mine", 2)]
    t.equal("another's between its own", _runs(runs, [ONE, OTHER, TWO, THREE], 0), between, id="run-overtakes")
    behind = [("body", "b1"), ("mine", 1)]
    t.equal("another's before it", _runs(runs, [OTHER, ONE], 0), behind, id="run-overtakes")
    t.say('runs(entries, "a", 2): the welcome has acknowledged up to 2')
    expected = [("body", "a1"), ("body", "a2"), ("mine", 1)]
    t.equal("the same three", _runs(runs, [ONE, TWO, THREE], 2), expected, id="acknowledged-by-welcome")
    search_holds(t, ours, "runs")
    costs_at_most(t, ours, waited_for=(1, 11), load=(1, 4))


def _runs(runs: Any, entries: list[tuple[str, str, int]], safe: int) -> object:
    made = runs(entries, "a", safe)
    return [tuple(packet) for packet in made] if isinstance(made, list) else made


# Step 5: an acknowledgement waits for other packets to share a frame. Whole sessions are judged, in virtual time.


ACK_S = 0.5  # as the notebook says
SLACK_S = 0.05  # for a write of the store, and both directions of the link
BEGIN_S = 1.0  # all clients are connected
STEADY = tuple(Say(BEGIN_S + 0.05 * turn, "a", f"a{turn}") for turn in range(60))
ROOMY = Bounds(outbox=128, replay=128)
TIGHT = Bounds(outbox=8)


@lab.step(
    "Acknowledgements that share a frame",
    minutes=15,
    lines=8,
    points=3,
    hints=(
        "Two questions for each entry: may it wait? Does a timer run already?",
        "self.soon() for an entry that may not wait. self.loop.call_later(ACK_S, self.rings) for "
        "one that may, if self.timer is None. Do not restart a timer that runs.",
        "added: own = ...; self.owed += own; if not own or self.owed >= self.most: self.soon(); elif self.timer is "
        "None: start it. rings: self.timer = None, then self.flush().",
    ),
    words={
        "acks-never-flushed": (
            "An acknowledgement may wait for the next frame, but no longer than ACK_S: then it is sent alone."
        ),
        "timer-restarted": "A timer that each event restarts never ends while there are events.",
        "ack-each": ("An acknowledgement that is sent at once costs a frame, and a segment around it, for each event."),
        "others-wait": ("An entry of another client is the message itself, not an acknowledgement: send it soon()."),
        "outbox-fills-up": (
            "At a high rate the client's outbox fills up within ACK_S: send when `most` acknowledgements are owed."
        ),
        "ack-before-durable": "Acknowledge a message only when it is in the log.",
    },
    limit_s=15.0,
)
def acks(t: Transcript, Feed: Any, ours: Implementation) -> None:  # noqa: N803, ARG001 - an answer that the implementation has in use
    t.say("a says one thing, and no client says more")
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
    search_holds(t, ours, "acks")
    costs_at_most(t, ours, low_rate=(1, 8))


def _waited(t: Transcript, waited_s: float | None) -> None:
    never = Words("never" if waited_s is None else f"after {waited_s:.2f} s")
    came = waited_s is not None and waited_s <= ACK_S + SLACK_S
    t.true("its acknowledgement comes", came, got=never, expected=f"after {ACK_S:g} s", id="acks-never-flushed")
    assert waited_s is not None
    t.true(
        "and has waited for the next frame",
        waited_s >= ACK_S / 2,
        got=never,
        expected=f"after {ACK_S:g} s",
        id="ack-each",
    )


def _others(t: Transcript, ours: Implementation) -> None:
    t.say("a says one thing, then b")
    history = _played(ours, ROOMY, Say(BEGIN_S, "a", "a1"), Say(BEGIN_S + 0.1, "b", "b1"))
    delivered = {record.message: record.at_s for record in history.of("delivered") if record.who == "a"}
    late_s = delivered.get("b1", float("inf")) - BEGIN_S - 0.1
    got = Words(f"after {late_s:.2f} s")
    t.true("what b says is with a", late_s < SLACK_S, got=got, expected="at once", id="others-wait")
    own_s = delivered.get("a1", float("inf")) - BEGIN_S
    t.true("and a's acknowledgement with it", own_s < ACK_S / 2, got=Words(f"after {own_s:.2f} s"), expected="before")


def _tight(t: Transcript, ours: Implementation) -> None:
    t.say(f"an outbox of {TIGHT.outbox}, and a message every 20 ms")
    says = tuple(Say(BEGIN_S + 0.02 * turn, "a", f"a{turn}") for turn in range(30))
    declined = len(_played(ours, TIGHT, *says).of("declined"))
    t.equal("messages that the full outbox refuses", declined, 0, id="outbox-fills-up")


def _played(ours: Implementation, bounds: Bounds, *says: Say) -> History:
    joins = Join(0.0, "a"), Join(0.0, "b")
    warm = Say(0.0, "a", "warm")
    history = play(replace(ours, bounds=bounds), Schedule(0, joins, (warm, *says), (), 0.001, 0.001))
    if any("NotImplementedError" in record.detail for record in history.of("crashed")):
        raise NotImplementedError
    return history


def _acknowledged(history: History) -> list[float]:
    """Return the seconds that each acknowledgement took."""
    sent = {record.message: record.at_s for record in history.of("sent")}
    return [one.at_s - sent[one.message] for one in history.of("acknowledged") if one.message != "warm"]
