"""The cost of an acknowledged event in bytes, counted on the simulated link, so that each run gives the same numbers.

It is compared with python-socketio, whose own encoders write the same event and its acknowledgement. TLS and TCP add
`AROUND_BYTES` to each frame. A frame without an answer within `LONE_ACK_S` costs one more segment of TCP. That is a
model of the network at a low rate; `make bench` counts the same at a socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from typing import Any, NamedTuple

from socketio.packet import ACK, EVENT, Packet

from midspan.errors import Words, checked
from midspan.grading import Transcript
from midspan.labs.lab3_failure.session import session_parts
from midspan.simulation import Bounds, ClientContext, Implementation, Join, Say, Schedule, play
from midspan.simulation.faults import Way
from midspan.simulation.run import Watch

NAME, DATA = "typing_start", {"room": "general", "user": "ana"}
BODY = '["typing_start",{"room":"general","user":"ana"}]'
RECORD_BYTES = 22  # TLS 1.3 (RFC 8446, section 5.2): header 5, content type 1, tag 16
HEADERS_BYTES = 52  # IPv4 20, TCP 20 and its timestamps 12
AROUND_BYTES = RECORD_BYTES + HEADERS_BYTES
LONE_ACK_S = 0.04  # Linux's delayed acknowledgement (TCP_DELACK_MIN)
WARM_S = 1.0  # the connection is open, and the names are known
OUTBOX = 128  # messages that may wait, and entries in memory: enough for half a second under load


class Sent(NamedTuple):
    """One WebSocket frame: its time, its direction, and its size with header and mask."""

    at_s: float
    way: Way
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of one event, averaged over a run.

    Args:
        frames: WebSocket frames in both directions.
        frame_bytes: their bytes, with headers and masks (RFC 6455, section 5.2).
        network_bytes: the same with TLS records, IP and TCP headers, and TCP's own acknowledgements at a low rate.
    """

    frames: float
    frame_bytes: float
    network_bytes: float


@dataclass(frozen=True)
class Situation:
    """How events are sent: `burst` in one turn, every `gap_s`; `asks`: the application waits for acknowledgements."""

    name: str
    gap_s: float
    burst: int
    asks: bool
    events: int


WAITED_FOR = Situation("the sender waits for each", 0.05, 1, True, 200)
LOW_RATE = Situation("one every 50 ms", 0.05, 1, False, 200)
LOAD = Situation("32 in one turn", 0.1, 32, False, 320)
SITUATIONS = (WAITED_FOR, LOW_RATE, LOAD)


@dataclass(frozen=True)
class Costs:
    """The prices of a session and of python-socketio, for each situation. `str()` is the table."""

    ours: dict[str, Price]
    theirs: dict[str, Price]

    def ratio(self, situation: Situation, what: str) -> float:
        """Divide the session's price by python-socketio's; `what` is a field of `Price`."""
        ours, theirs = self.ours[situation.name], self.theirs[situation.name]
        return float(getattr(ours, what) / getattr(theirs, what))

    def __str__(self) -> str:
        head = f"{'an event of ours':26}{'frames':>8}{'bytes in frames':>23}{'on the network':>23}"
        return "\n".join([head, *map(self._row, SITUATIONS), "(x: of what python-socketio takes for the same event)"])

    __repr__ = __str__

    def _row(self, situation: Situation) -> str:
        price = self.ours[situation.name]
        cells = [f"{getattr(price, what):.1f} ({self.ratio(situation, what):.2f}x)" for what in _BYTES]
        return f"{situation.name:26}{price.frames:8.2f}" + "".join(f"{cell:>23}" for cell in cells)


_BYTES = ("frame_bytes", "network_bytes")


@checked
def costs(implementation: Implementation) -> Costs:
    """Play a session without faults in each situation, on this thread, and count what it sends."""
    roomy = replace(implementation, bounds=Bounds(outbox=OUTBOX, replay=OUTBOX))
    ours = {one.name: price(_played(roomy, one), one) for one in SITUATIONS}
    return Costs(ours, {one.name: price(_theirs(one), one) for one in SITUATIONS})


def price(sent: Iterable[Sent], situation: Situation) -> Price:
    """Return the average price of the events of a situation."""
    sent, events = list(sent), situation.events
    size = sum(one.size_bytes for one in sent)
    lone = _lone(sent) if situation.burst == 1 else 0
    network = size + AROUND_BYTES * len(sent) + HEADERS_BYTES * lone
    return Price(len(sent) / events, size / events, network / events)


def _lone(sent: list[Sent]) -> int:
    """Count the frames (in the order of time) that TCP acknowledges alone: no frame goes the other way in time."""
    lone, next_s = 0, {"up": inf, "down": inf}
    for one in reversed(sent):
        answer_s = next_s["down" if one.way == "up" else "up"]
        lone += answer_s - one.at_s >= LONE_ACK_S
        next_s[one.way] = one.at_s
    return lone


def turns_s(situation: Situation) -> list[float]:
    """Return the times at which the application sends its events."""
    return [WARM_S + turn * situation.gap_s for turn in range(situation.events // situation.burst)]


def _played(implementation: Implementation, situation: Situation) -> list[Sent]:
    """Return what both ends send after a first event, which does not count."""
    sent: list[Sent] = []

    def trace(at_s: float, _records: int, _link: str, way: Way, _number: int, data: bytes, what: str) -> None:
        if what == "left" and at_s >= WARM_S:
            sent.append(Sent(at_s, way, frame_size_bytes(len(data), way)))

    said = (Say(0.0, "a", BODY), *(Say(at_s, "a", BODY) for at_s in turns_s(situation)))
    play(
        _saying(implementation, situation), Schedule(0, (Join(0.0, "a"),), said, (), 0.001, 0.0001), Watch(trace=trace)
    )
    return sent


def _saying(implementation: Implementation, situation: Situation) -> Implementation:
    """Return the same session with an application that sends `burst` events at once, and waits if it `asks`."""

    def client(context: ClientContext) -> Any:
        made: Any = implementation.client(context)
        send = made.send

        def several(body: str) -> None:
            for _ in range(situation.burst):
                send(body, asks=situation.asks)

        made.send = several
        return made

    return replace(implementation, client=client)


@cache
def _theirs(situation: Situation) -> tuple[Sent, ...]:
    """Return python-socketio's frames for the same events: one up and one down for each."""
    sent = []
    said_s = (at_s for at_s in turns_s(situation) for _ in range(situation.burst))
    for number, at_s in enumerate(said_s, start=1):
        event, answer = Packet(EVENT, [NAME, DATA], id=number), Packet(ACK, [], id=number)
        sent.append(Sent(at_s, "up", frame_size_bytes(1 + len(event.encode()), "up")))
        sent.append(Sent(at_s + 0.001, "down", frame_size_bytes(1 + len(answer.encode()), "down")))
    return tuple(sorted(sent))


def frame_size_bytes(size_bytes: int, way: Way) -> int:
    """Return the size of a frame with its header; a client's frame has a mask (RFC 6455, section 5.2)."""
    header = 2 if size_bytes < 126 else 4 if size_bytes < 2**16 else 10
    return size_bytes + header + (4 if way == "up" else 0)


# The budget of a step: the most that an event may cost in the unfinished session. It depends on whether bodies are
# sent in full, since a learner may leave out the step that shortens them.


FULL_BYTES = 50  # of the event's text, with its head
KNOWN_BYTES = 13  # of the same event when its shape is known: two heads and eleven characters

Budget = tuple[int, float]  # how many bodies an event may carry, and how many bytes more


def body_bytes(implementation: Implementation) -> int:
    """Return the bytes that a body may take: `KNOWN_BYTES` in a session that can keep to them, else `FULL_BYTES`."""
    (make,) = session_parts(implementation, ("Wire",)) or (None,)
    wire: Any = make() if callable(make) else None
    sizes = [len(wire.write([("body", BODY)])) for _ in range(2)] if wire else [FULL_BYTES]
    return KNOWN_BYTES if sizes[-1] <= KNOWN_BYTES else FULL_BYTES


def costs_at_most(
    t: Transcript,
    ours: Implementation,
    *,
    waited_for: Budget | None = None,
    low_rate: Budget | None = None,
    load: Budget | None = None,
) -> Costs:
    """Check that the frame bytes of one event keep to the budget of each situation that has one."""
    found, body = costs(ours), body_bytes(ours)
    for situation, budget in ((WAITED_FOR, waited_for), (LOW_RATE, low_rate), (LOAD, load)):
        if budget is not None:
            size, most = found.ours[situation.name].frame_bytes, budget[0] * body + budget[1]
            what = f"budget: an event takes at most {most:g} bytes in frames ({situation.name})"
            t.true(what, size <= most, got=Words(f"{size:.1f} bytes"), expected=f"{most:g} bytes")
    return found


RATIOS = {  # bytes of a body -> the lab's budgets, as parts of python-socketio's bytes, in frames and on the network
    FULL_BYTES: (0.95, 0.75, 0.40),
    KNOWN_BYTES: (0.35, 0.65, 0.40),
}


def costs_less_than_socketio(t: Transcript, ours: Implementation) -> Costs:
    """Check the lab's budgets against python-socketio with the same event."""
    found = costs(ours)
    situations = (WAITED_FOR, "frame_bytes"), (LOW_RATE, "network_bytes"), (LOAD, "network_bytes")
    for (situation, what), most in zip(situations, RATIOS[body_bytes(ours)], strict=True):
        ratio = found.ratio(situation, what)
        words = "in frames" if what == "frame_bytes" else "on the network"
        label = f"budget: at most {most:.2f}x of python-socketio's bytes {words} ({situation.name})"
        t.true(label, ratio <= most, got=Words(f"{ratio:.2f}x"), expected=f"{most:.2f}x")
    return found
