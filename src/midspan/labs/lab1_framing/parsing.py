"""Steps 4 and 5: frames from any pieces, and messages from fragments (RFC 6455 sections 5.2, 5.4 and 8.1)."""

from __future__ import annotations

import time
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HELLO,
    PING,
    TEXT,
    Frame,
    drain,
    lab,
    masked,
    outcome,
    pieces,
    plain,
)

# Step 4: bytes in, frames out, however they are cut (RFC 6455, sections 5.1, 5.2, 5.4, 5.5).


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
LARGEST_RATIO = 3.5  # 1 for linear work; 8 or more when each frame copies all bytes after it

# frame of a client, from its first byte on; section of the RFC; what is wrong with it; misconception
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
    hints=(
        "Keep what has arrived in a bytearray. Two questions alternate: is the header whole? Then: how much of "
        "the payload is here?",
        "del buffer[:n] gives bytes back in time that does not grow with the buffer. Remember opcode, fin, "
        "key, how much is still to come and how much has been unmasked: that is the offset of the next piece.",
        "feed: append; while the buffer holds anything: read the header if we are between frames (return if it "
        "is not whole); return if a control frame is not whole; take min(rest, buffer), unmask, yield "
        "Frame(opcode, piece, fin and not rest, rest); what follows is a CONTINUATION.",
    ),
    words={
        "one-recv-one-frame": (
            "What one read returns is not a frame: TCP keeps the order of bytes, not the cuts between them."
        ),
        "first-frame-only": "One read can hold several frames; each of them counts.",
        "waits-for-whole-frame": (
            "A data frame is handed on as it arrives: text has to fail at its first bad byte, and a "
            "frame can be as long as the limit."
        ),
        "unmasked-accepted": (
            "A client masks every frame, control frames and empty ones too; a server refuses any that is not."
        ),
        "masked-accepted": "A server never masks; a client refuses a frame that is masked.",
        "fin-not-read": "FIN tells the last frame of a message from one that goes on. It has to be handed on.",
        "reserved-accepted": (
            "Reserved bits and opcodes mean nothing yet: without an extension they fail the connection."
        ),
        "control-unlimited": "A control frame is never fragmented and carries at most 125 bytes.",
        "non-minimal-accepted": (
            "A length is written in the fewest bytes, and a 64-bit length never has its top bit set."
        ),
        "limit-after-payload": "The header alone says that a frame is too long: nobody has to receive it to find out.",
        "violation-hides-frames": (
            "Frames in front of a violation are good frames: they are handed on before it is raised."
        ),
        "quadratic-buffer": (
            "The work grows with the square of the bytes: each frame copies, or looks again at, all that "
            "waits behind it."
        ),
    },
    limit_s=6.0,  # a slow answer must fail with its own words, also on a machine of half the speed
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
        t.equal("joined, the same five frames", _whole_frames(got), IN_IT, id=_why(got))


def _why(got: list[Any]) -> str:
    """Name the misconception: a wrong payload of the right length was unmasked at a wrong offset."""
    sizes = [len(frame[1]) for frame in _whole_frames(got)]
    return "mask-offset" if sizes == [len(frame.payload) for frame in IN_IT] else "one-recv-one-frame"


def _whole_frames(frames: list[Any]) -> list[Frame]:
    """Join frames that were given in parts."""
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
    t.equal("one of that length", _whole_frames(got), [Frame(BINARY, bytes(LIMIT))])
    _, ended = _feed(t, parser("server", LIMIT), bytes.fromhex("82fe03e9"))
    t.equal("the first 4 bytes of a longer one", ended, "Violation 1009", id="limit-after-payload")


def _linear(t: Transcript, parser: Any) -> None:
    """Compare CPU times of this thread, since other processes do not change these."""
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


# Step 5: frames in, messages out (RFC 6455, sections 5.4, 5.6, 8.1).


MESSAGES_LIMIT = 10
KOSME = "κόσμε".encode()

# bytes of a text; how many of them are valid; what is wrong
BAD_TEXT = [
    (b"ab\xffcd", 2, "FF never stands in UTF-8"),
    (b"ab\x80cd", 2, "a continuation byte in front"),
    (b"ab\xc0\x80", 2, "C0 would be an overlong form"),
    (b"ab\xc3\x28", 3, "28 does not continue C3"),
    (b"ab\xe0\x80\x80", 3, "E0 80 is an overlong form"),
    (b"ab\xf4\x90\x80\x80", 3, "F4 90 is above U+10FFFF"),
]


@lab.step(
    "Frames in, messages out",
    minutes=25,
    lines=23,
    points=3,
    hints=(
        "Remember the opcode of the message we are inside of. That alone tells a right sequence from a wrong one.",
        'codecs.getincrementaldecoder("utf-8")() keeps the beginning of a character until the rest comes: '
        "decode(bytes, final=True) says that nothing more will.",
        "Count the bytes that are here, those of this frame and its `rest`. After decode(), getstate()[0] "
        'holds the bytes that wait for more: ED followed by A0 to BF is bad already, and decode(b"", '
        "final=True) raises for it.",
    ),
    words={
        "fin-ignored": "A message is whole when its last frame is: a frame without FIN completes nothing.",
        "utf8-per-fragment": "A character may be cut between two fragments: UTF-8 is decoded over the whole message.",
        "utf8-at-the-end": "Text fails at its first bad byte, not when the message is complete.",
        "utf8-cut-at-the-end": "A message that ends inside a character is not UTF-8.",
        "utf8-surrogate-late": (
            "ED followed by A0 to BF begins a surrogate: bad at its second byte. Python's decoder "
            "waits for the third; getstate() shows what it holds back."
        ),
        "binary-as-text": "Binary is any bytes: only text is UTF-8.",
        "continuation-of-nothing": "A continuation needs a message that has begun and is not finished.",
        "message-inside-message": "Between the fragments of a message no other data frame may stand.",
        "limit-per-fragment": (
            "The limit is for the whole message: its fragments count together, with what is still to come."
        ),
    },
)
def message_assembler(t: Transcript, MessageAssembler: Any) -> None:  # noqa: N803 - the answer is a class
    _sequences(t, MessageAssembler)
    _wrong_sequences(t, MessageAssembler)
    _utf8(t, MessageAssembler)
    _messages_limits(t, MessageAssembler)


def _add(t: Transcript, one: Any, frame: Frame, expected: object, id: str = "", because: str = "") -> None:
    fin = "fin" if frame.fin else "no fin"
    rest = f", {frame.rest} to come" if frame.rest else ""
    names = {TEXT: "TEXT", BINARY: "BINARY", CONTINUATION: "CONTINUATION"}
    what = f"{names[frame.opcode]} {fin} [{frame.payload.hex(' ')}]{rest}"
    t.equal(what, outcome(one.add, frame), expected, id=id, because=because)


def _sequences(t: Transcript, make: Any) -> None:
    one = make()
    t.say("section 5.6: whole messages; text is str, binary is bytes, an empty one is a message too")
    _add(t, one, Frame(TEXT, b"Hi"), "Hi")
    _add(t, one, Frame(BINARY, b"\xff\xfe"), b"\xff\xfe", "binary-as-text")
    _add(t, one, Frame(TEXT, b""), "")
    t.say("section 5.4: in fragments, twice")
    for _ in range(2):
        _add(t, one, Frame(TEXT, b"Hel", False), None, "fin-ignored")
        _add(t, one, Frame(CONTINUATION, b"", False), None, "fin-ignored")
        _add(t, one, Frame(CONTINUATION, b"lo"), "Hello", "fin-ignored")
    _add(t, one, Frame(BINARY, b"\xce", False), None, "binary-as-text")
    _add(t, one, Frame(CONTINUATION, b"\xce"), b"\xce\xce", "binary-as-text")


def _wrong_sequences(t: Transcript, make: Any) -> None:
    t.say("section 5.4: what may not follow")
    for fin in (True, False):
        _add(t, make(), Frame(CONTINUATION, b"x", fin), "Violation 1002", "continuation-of-nothing")
    one = make()
    one.add(Frame(TEXT, b"whole"))
    t.say("after a whole message")
    _add(t, one, Frame(CONTINUATION, b"x"), "Violation 1002", "continuation-of-nothing")
    for opcode in (TEXT, BINARY):
        one = make()
        one.add(Frame(TEXT, b"begun", False))
        t.say("inside a message")
        _add(t, one, Frame(opcode, b"x"), "Violation 1002", "message-inside-message")


def _utf8(t: Transcript, make: Any) -> None:
    t.say("section 8.1: κόσμε, one byte a fragment")
    one = make()
    for at, octet in enumerate(KOSME[:-1]):
        _add(t, one, Frame(CONTINUATION if at else TEXT, bytes([octet]), False), None, "utf8-per-fragment")
    _add(t, one, Frame(CONTINUATION, KOSME[-1:]), "κόσμε", "utf8-per-fragment")
    for data, good, why in BAD_TEXT:
        t.say(f"{why}: [{data.hex(' ')}] is bad at byte {good + 1}, and the message is far from complete")
        one = make()
        _add(t, one, Frame(TEXT, data[:good], False, 100), None, "utf8-per-fragment")
        _add(t, one, Frame(CONTINUATION, data[good : good + 1], False, 99), "Violation 1007", "utf8-at-the-end")
    t.say("ED A0 begins a surrogate: bad at its second byte")
    _add(t, make(), Frame(TEXT, b"\xed\xa0", False), "Violation 1007", "utf8-surrogate-late")
    _add(t, make(), Frame(TEXT, b"\xed\x9f", False), None, because="ED 9F begins a Korean syllable: that is UTF-8.")
    t.say("the message ends inside a character")
    _add(t, make(), Frame(TEXT, b"a\xce"), "Violation 1007", "utf8-cut-at-the-end")
    one = make()
    one.add(Frame(TEXT, b"\xce", False))
    _add(t, one, Frame(CONTINUATION, b""), "Violation 1007", "utf8-cut-at-the-end")


def _messages_limits(t: Transcript, make: Any) -> None:
    t.say(f"messages of at most {MESSAGES_LIMIT} bytes are taken")
    _add(t, make(MESSAGES_LIMIT), Frame(TEXT, b"x" * MESSAGES_LIMIT), "x" * MESSAGES_LIMIT)
    _add(t, make(MESSAGES_LIMIT), Frame(BINARY, b"x" * (MESSAGES_LIMIT + 1)), "Violation 1009", "limit-per-fragment")
    one = make(MESSAGES_LIMIT)
    _add(t, one, Frame(BINARY, b"x" * 6, False), None)
    _add(
        t,
        one,
        Frame(CONTINUATION, b"", False, 5),
        "Violation 1009",
        "limit-per-fragment",
        "Count what is still to come.",
    )
