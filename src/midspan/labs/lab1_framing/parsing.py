"""Steps 4b to 4d: from bytes that are cut anywhere to frames (RFC 6455 sections 5.1, 5.2, 5.4 and 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import (
    HELLO,
    client_frame,
    cpu_seconds,
    items_and_error,
    lab,
    outcome,
    pieces,
    server_frame,
    value_or_error,
)
from midspan.labs.lab1_framing.given import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame
from midspan.labs.lab1_framing.headers import BAD_LENGTHS, LIMIT

# Step 4b: whole frames, however their bytes are cut (section 5.2).


MIXED_BYTES = (
    client_frame(TEXT, b"Hel", False)
    + client_frame(PING, b"p")
    + client_frame(CONTINUATION, b"lo")
    + client_frame(BINARY, bytes(300))
    + client_frame(TEXT)
)
MIXED_FRAMES = [
    Frame(TEXT, b"Hel", False),
    Frame(PING, b"p"),
    Frame(CONTINUATION, b"lo"),
    Frame(BINARY, bytes(300)),
    Frame(TEXT, b""),
]


@lab.step(
    "Whole frames from any pieces",
    minutes=13,
    lines=7,
    points=2,
    hints=(
        "Look at `next_string` of the worked example: is all of it here? If so, copy it, take it out of the buffer, "
        "return it.",
        "read_header(self.buffer, self.max_size) gives the header or None. The frame ends at header.size + "
        "header.length.",
        "payload = bytes(self.buffer[header.size : end]); then del self.buffer[:end]; then return "
        "Frame(header.opcode, mask(payload, header.key) if header.key else payload, header.fin).",
    ),
    words={
        "one-recv-one-frame": (
            "One read does not return one frame: TCP keeps the order of the bytes, but not the borders between writes."
        ),
        "first-frame-only": "One read can return several frames: return each of them.",
        "frame-left-in-buffer": (
            "When a frame is returned, delete it and its header from the buffer: the next frame begins after them."
        ),
        "limit-not-given": (
            "`read_header` takes the limit as its second argument: without `self.max_size` it accepts frames up to its "
            "own default."
        ),
        "payload-not-bytes": "A slice of a `bytearray` is a `bytearray` again: `bytes(...)` makes a payload of it.",
        "payload-still-masked": "Unmask a frame before you return it: its header has the key.",
    },
)
def whole_frames(t: Transcript, WholeFrames: Any) -> None:  # noqa: N803 - the answer is a class
    _one_piece(t, WholeFrames)
    _cut(t, WholeFrames, joined=False)
    _limits(t, WholeFrames, "limit-not-given")


def _feed(t: Transcript, parser: Any, data: bytes) -> tuple[list[Any], str]:
    """Feed the parser; stop one that hands on the same bytes again and again: each frame has at least two."""

    def frames() -> Iterator[Any]:
        for count, frame in enumerate(parser.feed(data)):
            if count > len(data):
                t.fail("feed comes to an end", got="a frame again and again", expected="each frame once",
                       id="frame-left-in-buffer")  # fmt: skip
            yield frame

    return items_and_error(t, "feed gives frames", frames)


def _one_piece(t: Transcript, parser: Any) -> None:
    t.say(f"a server is fed the example of section 5.7: {HELLO.hex(' ')}")
    got, _ = _feed(t, parser("server"), HELLO)
    still = got == [Frame(TEXT, HELLO[6:])]
    t.equal("it hands on one frame", got, [Frame(TEXT, b"Hello")], id="payload-still-masked" if still else "")
    t.say(f"five frames in one piece, {len(MIXED_BYTES)} bytes")
    got, _ = _feed(t, parser("server"), MIXED_BYTES)
    if len(got) == 1:
        t.fail("five frames come out", got=got, expected="five frames", id="first-frame-only")
    id = "fin-not-read" if [f[:2] for f in got] == [f[:2] for f in MIXED_FRAMES] else "frame-left-in-buffer"
    _same_frames(t, "the same five come out", got, MIXED_FRAMES, id)
    for size in (126, 65536):
        got, _ = _feed(t, parser("server"), client_frame(BINARY, bytes(size)))
        t.equal(f"{size} bytes", got, [Frame(BINARY, bytes(size))])
    got, _ = _feed(t, parser("client"), server_frame(TEXT, b"Hello"))
    t.equal("a client is fed an unmasked frame", got, [Frame(TEXT, b"Hello")])
    t.true("its payload is bytes", isinstance(got[0][1], bytes), got=type(got[0][1]).__name__, expected="bytes",
           id="payload-not-bytes")  # fmt: skip


def _cut(t: Transcript, parser: Any, joined: bool) -> None:
    for size, words in ((1, "one byte at a time"), (3, "by three"), (7, "by seven"), (100, "by a hundred")):
        t.say(f"the same {len(MIXED_BYTES)} bytes {words}")
        one, got, ended = parser("server"), [], ""
        for piece in pieces(MIXED_BYTES, size):
            more, ended = _feed(t, one, piece)
            got += more
            if ended:
                break
        t.equal("no frame is refused", ended, "", id="one-recv-one-frame")
        if joined:
            _same_frames(t, "joined, the same five frames", _whole_frames(got), MIXED_FRAMES, _why_cut(got))
        else:
            _same_frames(t, "the same five frames", got, MIXED_FRAMES, "one-recv-one-frame")


def _same_frames(t: Transcript, what: str, got: list[Any], expected: list[Frame], id: str) -> None:
    """The line holds if both are equal; else it shows their numbers, or the first frame that differs."""
    if len(got) != len(expected):
        t.equal(f"{what}: how many", len(got), len(expected), id=id)
    for at, (one, right) in enumerate(zip(got, expected, strict=True), 1):
        if one != right:
            t.equal(f"{what}: number {at} of {len(expected)}", one, right, id=id)
    t.equal(what, got, expected, id=id)


def _why_cut(got: list[Any]) -> str:
    """Name the misconception: a wrong payload of the right length was unmasked at a wrong offset."""
    sizes = [len(frame[1]) for frame in _whole_frames(got)]
    return "mask-offset" if sizes == [len(frame.payload) for frame in MIXED_FRAMES] else "one-recv-one-frame"


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


# Step 4c: what the first two bytes may not say (sections 5.1, 5.2 and 5.5).


# first one or two bytes of a client's frame; section of the RFC; what is wrong with them; misconception
BAD_STARTS = [
    ("c1", "5.2", "RSV1 is set", "reserved-accepted"),
    ("a1", "5.2", "RSV2 is set", "reserved-accepted"),
    ("91", "5.2", "RSV3 is set", "reserved-accepted"),
    ("83", "5.2", "opcode 3 is reserved", "reserved-accepted"),
    ("8f", "5.2", "opcode 15 is reserved", "reserved-accepted"),
    ("0b", "5.2", "opcode 11 is reserved", "reserved-accepted"),
    ("09", "5.5", "a ping in fragments", "control-unlimited"),
    ("08", "5.5", "a close in fragments", "control-unlimited"),
    ("89 fe", "5.5", "a ping of more than 125 bytes", "control-unlimited"),
    ("81 05", "5.1", "a text frame that is not masked", "unmasked-accepted"),
    ("89 00", "5.1", "an empty ping that is not masked", "unmasked-accepted"),
]
GOOD_STARTS = ("81", "81 85", "01 80", "82 fe", "82 ff", "80 85", "00 85", "88 80", "89 fd", "8a 85")


@lab.step(
    "What a frame may not begin with",
    minutes=25,
    lines=14,
    points=2,
    hints=(
        "Three rules need the first byte alone: reserved bits, reserved opcodes, control frames without FIN. Two need "
        "the second byte too: the mask, and the length of a control frame.",
        "start[0] & 0x70 is not 0 when a reserved bit is set. Control frames are those with opcode >= CLOSE. The "
        "opcodes that exist are CONTINUATION, TEXT, BINARY, CLOSE, PING and PONG.",
        'First `if not start: return`; then three ifs with raise Violation(1002, "why"); then `if len(start) < 2: '
        'return`; then the mask bit must be set exactly when role == "server", and a control frame must not have a '
        "length above 125.",
    ),
    words={
        "unmasked-accepted": (
            "A client masks every frame, control frames and empty ones too; a server refuses any that is not."
        ),
        "masked-accepted": "A server never masks; a client refuses a frame that is masked.",
        "reserved-accepted": (
            "Reserved bits and opcodes have no meaning without an extension: they fail the connection."
        ),
        "control-unlimited": "A control frame is never fragmented and carries at most 125 bytes.",
        "refused-without-reason": "This is a good beginning of a frame: no rule forbids it.",
        "empty-start": ("The buffer may be empty when `begin` of step 4d calls it. Without a byte no rule is broken."),
        "waits-for-second-byte": "The first byte alone breaks the rule: do not wait for the second one.",
    },
)
def check_start(t: Transcript, check_start: Callable[[bytes, str], None]) -> None:
    t.say("a server, and what a client's frame may begin with")
    with t.folded(f"{len(GOOD_STARTS)} good beginnings are not refused"):
        for start in GOOD_STARTS:
            got = outcome(check_start, bytes.fromhex(start), "server")
            t.equal(f"{start} is not refused", got, None, id="refused-without-reason")
    t.say("while no byte of it is here")
    t.equal("b'' is not refused", value_or_error(check_start, b"", "server"), None, id="empty-start")
    t.say("and what it may not begin with")
    for start, section, what, id in BAD_STARTS:
        got = outcome(check_start, bytes.fromhex(start), "server")
        late = len(start) == 2 and got is None and outcome(check_start, bytes.fromhex(start + "80"), "server")
        t.equal(f"{start} (section {section}): {what}", got, "Violation 1002",
                id="waits-for-second-byte" if late == "Violation 1002" else id)  # fmt: skip
    t.say("a client, and a frame of a server")
    for opcode in (TEXT, CLOSE):
        got = outcome(check_start, client_frame(opcode)[:2], "client")
        what = f"{client_frame(opcode)[:2].hex(' ')} (section 5.1): a server that masks"
        t.equal(what, got, "Violation 1002", id="masked-accepted")
    for frame in (server_frame(TEXT, b"Hello"), server_frame(PONG)):
        got = outcome(check_start, bytearray(frame[:2]), "client")
        t.equal(f"{frame[:2].hex(' ')} is not refused", got, None, id="refused-without-reason")


# Step 4d: control frames whole, data frames as they arrive (sections 5.4 and 5.5).


FEW, MANY = 400, 12000  # frames in one piece: 80 KB and 2.5 MB
LARGEST_RATIO = 3.5  # 1 for linear work; 8 or more when each frame copies all bytes after it


@lab.step(
    "Frames as they arrive",
    minutes=27,
    lines=15,
    points=3,
    hints=(
        "There are two states. Between two frames: is the header complete? `begin` answers that. "
        "Inside a frame: how much of the payload has arrived, and is that enough for this kind "
        "of frame?",
        "`begin` has set opcode, rest and offset. A piece is at most `rest` bytes; mask(piece, key, offset) unmasks "
        "it. Then offset grows, rest shrinks, and at rest == 0 the frame is over: header = None.",
        "Return None when the buffer is empty, or between frames when begin() is False, or for a control frame of "
        "which not all is here. Else the piece is self.buffer[: self.rest]; the frame is Frame(self.opcode, piece, "
        "self.header.fin and not self.rest, self.rest), and the next piece of it is a CONTINUATION.",
    ),
    words={
        "waits-for-whole-frame": (
            "Return a data frame in parts, as they arrive: text must fail at its first bad byte, and "
            "a frame can be as long as the limit."
        ),
        "control-in-pieces": (
            "A control frame is short, and has a meaning only when it is complete: wait for all of it."
        ),
        "piece-is-no-continuation": (
            "The first piece of a data frame has the frame's opcode; each later piece is a CONTINUATION."
        ),
        "fin-on-every-piece": "Only the last piece of a frame can end the message: the other pieces have no FIN.",
        "violation-hides-frames": ("Frames before a violation are good frames: return them before you raise it."),
        "quadratic-buffer": (
            "The time grows with the square of the number of bytes: each frame copies, or reads "
            "again, all bytes that come after it."
        ),
    },
    limit_s=6.0,  # a slow answer must fail with its own words, also on a machine of half the speed
)
def frame_parser(t: Transcript, FrameParser: Any) -> None:  # noqa: N803 - the answer is a class
    _one_piece(t, FrameParser)
    _cut(t, FrameParser, joined=True)
    _as_it_arrives(t, FrameParser)
    _violations_behind_a_frame(t, FrameParser)
    _limits(t, FrameParser, "limit-after-payload")
    _linear(t, FrameParser)


def _as_it_arrives(t: Transcript, parser: Any) -> None:
    one, data = parser("server"), client_frame(BINARY, b"abcdefgh")
    t.say("the first 9 bytes of a frame: its header, and 3 bytes of its 8")
    got, _ = _feed(t, one, data[:9])
    id = "fin-on-every-piece" if got == [Frame(BINARY, b"abc", True, 5)] else "waits-for-whole-frame"
    t.equal("they are handed on", got, [Frame(BINARY, b"abc", False, 5)], id=id)
    got, _ = _feed(t, one, data[9:])
    id = "piece-is-no-continuation" if got == [Frame(BINARY, b"defgh")] else "waits-for-whole-frame"
    t.equal("the rest is a continuation", got, [Frame(CONTINUATION, b"defgh")], id=id)
    one, data = parser("server"), client_frame(PING, b"abcdefgh")
    t.say("the same with a ping")
    t.equal("control frames are handed on whole", _feed(t, one, data[:9])[0], [], id="control-in-pieces")
    t.equal("once they are", _feed(t, one, data[9:])[0], [Frame(PING, b"abcdefgh")], id="control-in-pieces")


def _violations_behind_a_frame(t: Transcript, parser: Any) -> None:
    for start, what in (("83", "a reserved opcode"), ("81 05", "a frame that is not masked"), BAD_LENGTHS[0]):
        t.say(f"Hello, then {start}")
        got, ended = _feed(t, parser("server"), HELLO + bytes.fromhex(start))
        t.equal(what, ended, "Violation 1002")
        t.equal("Hello was handed on before", got, [Frame(TEXT, b"Hello")], id="violation-hides-frames")


def _limits(t: Transcript, parser: Any, id: str) -> None:
    t.say(f"frames of at most {LIMIT} bytes are accepted")
    got, _ = _feed(t, parser("server", LIMIT), client_frame(BINARY, bytes(LIMIT)))
    t.equal("one of that length", _whole_frames(got), [Frame(BINARY, bytes(LIMIT))])
    _, ended = _feed(t, parser("server", LIMIT), bytes.fromhex("82fe03e9"))
    t.true("the first 4 bytes of a longer one", ended == "Violation 1009", got=ended or None, expected="Violation 1009",
           id=id)  # fmt: skip


def _linear(t: Transcript, parser: Any) -> None:
    few, many = (min(_seconds_a_frame(parser("server"), count) for _ in range(2)) for count in (FEW, MANY))
    t.true("a frame takes no longer when many more wait behind it", many < few * LARGEST_RATIO, got="much longer",
           expected="about the same time", id="quadratic-buffer")  # fmt: skip


def _seconds_a_frame(parser: Any, count: int) -> float:
    data = client_frame(BINARY, bytes(200)) * count
    return cpu_seconds(lambda: [None for _ in parser.feed(data)]) / count
