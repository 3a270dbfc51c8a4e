"""Step 14: a large message does not make a heartbeat late (RFC 6455, section 5.4). Judged in bytes, not in seconds."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import BINARY, CLOSE, CONTINUATION, KEY, PING, TEXT, masked, outcome, said
from midspan.records.frames import read_frames

SIZE, FRAGMENT = 1000, 100
HEADER = 14  # bytes of the longest frame header, key included
MOST_TAKES = 50  # of what these messages can need; an answer that never ends is stopped here


@lab.step(
    "A heartbeat is never late",
    minutes=10,
    lines=14,
    points=3,
    hints=HINTS["patient_connection"],
)
def patient_connection(t: Transcript, PatientConnection: Any) -> None:  # noqa: N803 - the answer is a class
    _fragments(t, PatientConnection)
    _pings(t, PatientConnection)
    _order(t, PatientConnection)
    _closes(t, PatientConnection)


def _end(make: Any, role: str = "server") -> Any:
    return make(role, 2**20, lambda size: KEY[:size], fragment_size=FRAGMENT)


def _takes(one: Any) -> list[bytes]:
    """All that it has to say, one entry a take."""
    return [data for _, data in zip(range(MOST_TAKES), iter(one.take, b""), strict=False)]


def _fragments(t: Transcript, make: Any) -> None:
    t.say(f"a text of {SIZE} bytes, in fragments of {FRAGMENT}")
    one = _end(make)
    one.send("x" * SIZE)
    taken = _takes(one)
    longest = max(map(len, taken), default=0)
    t.true(
        "each take is one fragment at most",
        longest <= FRAGMENT + HEADER,
        got=f"{longest} bytes",
        expected=f"at most {FRAGMENT} bytes and a header",
        id="whole-message-first",
    )
    frames, rest = read_frames(b"".join(taken))
    t.equal("together they are whole frames", rest, b"")
    t.equal("their payloads are the message", b"".join(frame.payload for frame in frames), b"x" * SIZE)
    opcodes = [(frame.opcode, frame.fin) for frame in frames]
    middle = [(CONTINUATION, False)] * (len(frames) - 2)
    t.equal("opcodes and FIN", opcodes, [(TEXT, False), *middle, (CONTINUATION, True)], id="fragment-opcode")
    for message in ("", b"", "x", b"xy"):
        one.send(message)
        frames, _ = read_frames(b"".join(_takes(one)))
        kind = TEXT if isinstance(message, str) else BINARY
        t.equal(
            f"{type(message).__name__} of length {len(message)} is one frame",
            [(f.opcode, f.fin) for f in frames],
            [(kind, True)],
            id="fragment-opcode",
        )
    client = _end(make, "client")
    client.send(b"x" * SIZE)
    frames, _ = read_frames(b"".join(_takes(client)))
    t.true(
        "a client masks each fragment",
        all(f.masked for f in frames),
        got=[f.masked for f in frames],
        expected="all masked",
        id="client-does-not-mask",
    )


def _pings(t: Transcript, make: Any) -> None:
    for before in (0, 1, 5):
        t.say(f"a message of {SIZE} bytes; {before} of its fragments are taken; then a ping is due")
        one = _end(make)
        one.send(bytes(SIZE))
        for _ in range(before):
            one.take()
        one.ping(b"now")
        ahead = 0
        for data in _takes(one):
            if data[:1] == b"\x89":
                break
            ahead += len(data)
        t.equal("bytes of the message in front of the ping", ahead, 0, id="control-waits-in-line")
    t.say("a pong that is due in the middle of a message")
    one = _end(make)
    one.send(bytes(SIZE))
    one.take()
    t.equal("a ping is heard", list(one.receive(masked(PING, b"p"))), [])
    t.equal("its pong goes out at once", said(one.take())[:1], ["PONG 1 byte 70"], id="control-waits-in-line")


def _order(t: Transcript, make: Any) -> None:
    t.say("two long messages, a ping in the first")
    one = _end(make)
    one.send("a" * 3 * FRAGMENT)
    one.send("b" * 3 * FRAGMENT)
    first = one.take()
    one.ping()
    frames, _ = read_frames(first + b"".join(_takes(one)))
    letters = "".join(chr(frame.payload[0]) for frame in frames if frame.opcode != PING)
    t.equal(
        "the second begins when the first has ended",
        letters.lstrip("a"),
        "b" * letters.count("b"),
        id="fragments-mixed",
    )
    t.equal("nothing is missing", sum(len(f.payload) for f in frames), 6 * FRAGMENT)


def _closes(t: Transcript, make: Any) -> None:
    t.say("we send, then close")
    one = _end(make)
    one.send("x" * 2 * FRAGMENT)
    one.close(1000, "enough")
    one.close(1001)
    t.equal("to send now", outcome(one.send, "late"), "Closed 1006", id="data-after-close")
    frames, _ = read_frames(b"".join(_takes(one)))
    got = [str(frame) if frame.opcode == CLOSE else "data" for frame in frames]
    t.equal("the close comes last", got[-1:], ['CLOSE 1000 "enough"'], id="close-overtakes")
    size = sum(len(frame.payload) for frame in frames if frame.opcode != CLOSE)
    t.equal("behind all that was sent", size, 2 * FRAGMENT, id="close-overtakes")
    t.equal("once", got.count(got[-1]), 1, id="second-close")
    for data, expected, what in (
        (masked(CLOSE, b"\x03\xe9"), "CLOSE 1001", "the peer closes"),
        (b"\x83", "CLOSE 1002", "the peer breaks a rule"),
    ):
        t.say(f"{what} while a long message goes out")
        one = _end(make)
        one.send(bytes(SIZE))
        one.close()
        one.take()
        t.equal("nothing is heard", list(one.receive(data)), [])
        lines = said(b"".join(_takes(one)))
        t.equal(
            "the close goes out, and nothing else",
            [" ".join(line.split()[:2]) for line in lines],
            [expected],
            id="answer-waits",
        )
