"""Step 4: bytes in, frames out, however they are cut (RFC 6455, sections 5.1, 5.2, 5.4, 5.5)."""

from __future__ import annotations

import time
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HELLO,
    PING,
    TEXT,
    Frame,
    drain,
    masked,
    pieces,
    plain,
)  # fmt: skip

MIXED = (
    masked(TEXT, b"Hel", False)
    + masked(PING, b"p")
    + masked(CONTINUATION, b"lo")
    + masked(BINARY, bytes(300))
    + masked(TEXT)
)
IN_IT = [
    Frame(TEXT, b"Hel", False),
    Frame(PING, b"p"),
    Frame(CONTINUATION, b"lo"),
    Frame(BINARY, bytes(300)),
    Frame(TEXT, b""),
]
LIMIT = 1000
FEW, MANY = 400, 12000  # frames in one piece: 80 KB and 2.5 MB
LARGEST_RATIO = 3.5  # 1 for linear work; 8 and more when each frame copies what waits behind it

# What is wrong, from the first byte of the frame on; section; what it is; misconception. A frame of a client.
VIOLATIONS = [
    ("c1", "5.2", "RSV1 is set", "reserved-accepted"),
    ("a1", "5.2", "RSV2 is set", "reserved-accepted"),
    ("91", "5.2", "RSV3 is set", "reserved-accepted"),
    ("83", "5.2", "opcode 3 is reserved", "reserved-accepted"),
    ("8f", "5.2", "opcode 15 is reserved", "reserved-accepted"),
    ("0b", "5.2", "opcode 11 is reserved", "reserved-accepted"),
    ("09 80", "5.5", "a ping in fragments", "control-unlimited"),
    ("08 80", "5.5", "a close in fragments", "control-unlimited"),
    ("89 fe", "5.5", "a ping of more than 125 bytes", "control-unlimited"),
    ("81 05", "5.1", "a text frame that is not masked", "unmasked-accepted"),
    ("89 00", "5.1", "an empty ping that is not masked", "unmasked-accepted"),
    ("82 fe 00 7d", "5.2", "125 bytes in a 16-bit length", "non-minimal-accepted"),
    ("82 ff 00 00 00 00 00 00 ff ff", "5.2", "65535 bytes in a 64-bit length", "non-minimal-accepted"),
    ("82 ff 80 00 00 00 00 00 00 01", "5.2", "a 64-bit length with its top bit set", "non-minimal-accepted"),
]


@lab.step(
    "Bytes in, frames out",
    minutes=40,
    lines=48,
    points=4,
    hints=HINTS["frame_parser"],
    limit_s=6.0,  # who does it the slow way shall read so, on a machine too that is half as fast
)
def frame_parser(t: Transcript, FrameParser: Any) -> None:  # noqa: N803 - the answer is a class
    _whole(t, FrameParser)
    _cut(t, FrameParser)
    _as_it_arrives(t, FrameParser)
    _violations(t, FrameParser)
    _limits(t, FrameParser)
    _linear(t, FrameParser)


def _feed(t: Transcript, parser: Any, data: bytes) -> tuple[list[Any], str]:
    return drain(t, "feed gives frames", parser.feed, data)


def _whole(t: Transcript, parser: Any) -> None:
    t.say(f"a server is fed the example of section 5.7: {HELLO.hex(' ')}")
    t.equal("it hands on one frame", _feed(t, parser("server"), HELLO)[0], [Frame(TEXT, b"Hello")])
    t.say(f"five frames in one piece, {len(MIXED)} bytes")
    got = _feed(t, parser("server"), MIXED)[0]
    if len(got) == 1:
        t.fail("five frames come out", got=got, expected="five frames", id="first-frame-only")
    t.equal(
        "the same five come out",
        got,
        IN_IT,
        id="fin-not-read" if [f[:2] for f in got] == [f[:2] for f in IN_IT] else "",
    )
    for size in (126, 65536):
        t.equal(
            f"{size} bytes", _feed(t, parser("server"), masked(BINARY, bytes(size)))[0], [Frame(BINARY, bytes(size))]
        )
    t.equal(
        "a client is fed an unmasked frame",
        _feed(t, parser("client"), plain(TEXT, b"Hello"))[0],
        [Frame(TEXT, b"Hello")],
    )


def _cut(t: Transcript, parser: Any) -> None:
    for size, words in ((1, "one byte at a time"), (3, "by three"), (7, "by seven"), (100, "by a hundred")):
        t.say(f"the same {len(MIXED)} bytes {words}")
        one, got, ended = parser("server"), [], ""
        for piece in pieces(MIXED, size):
            more, ended = _feed(t, one, piece)
            got += more
            if ended:
                break
        t.equal("no frame is refused", ended, "", id="one-recv-one-frame")
        t.equal("joined, the same five frames", joined(got), IN_IT, id=_why(got))


def _why(got: list[Any]) -> str:
    """A wrong payload of the right length was unmasked from the wrong place."""
    sizes = [len(frame[1]) for frame in joined(got)]
    return "mask-offset" if sizes == [len(frame.payload) for frame in IN_IT] else "one-recv-one-frame"


def joined(frames: list[Any]) -> list[Frame]:
    """Frames that were handed on in parts, whole again."""
    out: list[Frame] = []
    for frame in frames:
        if out and out[-1].rest:
            begun = out.pop()
            out.append(Frame(begun.opcode, begun.payload + frame[1], *frame[2:]))
        else:
            out.append(Frame(*frame))
    return out


def _as_it_arrives(t: Transcript, parser: Any) -> None:
    one, data = parser("server"), masked(BINARY, b"abcdefgh")
    t.say("the first 9 bytes of a frame: its header, and 3 bytes of its 8")
    t.equal(
        "they are handed on", _feed(t, one, data[:9])[0], [Frame(BINARY, b"abc", False, 5)], id="waits-for-whole-frame"
    )
    t.equal(
        "the rest is a continuation",
        _feed(t, one, data[9:])[0],
        [Frame(CONTINUATION, b"defgh")],
        id="waits-for-whole-frame",
    )
    one, data = parser("server"), masked(PING, b"abcdefgh")
    t.say("the same with a ping")
    t.equal("control frames are handed on whole", _feed(t, one, data[:9])[0], [])
    t.equal("once they are", _feed(t, one, data[9:])[0], [Frame(PING, b"abcdefgh")])


def _violations(t: Transcript, parser: Any) -> None:
    for start, section, what, id in VIOLATIONS:
        t.say(f"Hello, then {start} (section {section})")
        got, ended = _feed(t, parser("server"), HELLO + bytes.fromhex(start))
        t.equal(what, ended, "Violation 1002", id=id)
        t.equal("Hello was handed on before", got, [Frame(TEXT, b"Hello")], id="violation-hides-frames")
    for opcode in (TEXT, CLOSE):
        t.say(f"a client is fed {masked(opcode).hex(' ')} (section 5.1)")
        _, ended = _feed(t, parser("client"), masked(opcode))
        t.equal("a frame that a server masked", ended, "Violation 1002", id="masked-accepted")


def _limits(t: Transcript, parser: Any) -> None:
    t.say(f"frames of at most {LIMIT} bytes are taken")
    got, _ = _feed(t, parser("server", LIMIT), masked(BINARY, bytes(LIMIT)))
    t.equal("one of that length", joined(got), [Frame(BINARY, bytes(LIMIT))])
    _, ended = _feed(t, parser("server", LIMIT), bytes.fromhex("82fe03e9"))
    t.equal("the first 4 bytes of a longer one", ended, "Violation 1009", id="limit-after-payload")


def _linear(t: Transcript, parser: Any) -> None:
    """Measured as a ratio of this thread's own time, which another process cannot change."""
    few, many = (min(_seconds_a_frame(parser("server"), count) for _ in range(2)) for count in (FEW, MANY))
    t.true(
        "a frame takes no longer when many more wait behind it",
        many < few * LARGEST_RATIO,
        got="much longer",
        expected="about the same time",
        id="quadratic-buffer",
    )


def _seconds_a_frame(parser: Any, count: int) -> float:
    data = masked(BINARY, bytes(200)) * count
    began = time.thread_time()
    for _ in parser.feed(data):
        pass
    return (time.thread_time() - began) / count
