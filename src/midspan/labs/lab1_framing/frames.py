"""Lab 1 and the frames for its checks; steps 1 to 3: the accept key, the mask, a frame in bytes (RFC 6455)."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from typing import Any

from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode
from websockets.utils import apply_mask

from midspan.grading import Lab, Transcript
from midspan.labs.lab1_framing.given import BINARY, CONTINUATION, PING, TEXT
from midspan.protocols.websocket import read_frames

lab = Lab(
    "lab1_framing",
    title="Whole messages only",
    misconceptions={"nothing-returned": "A function that ends without `return` gives None."},
    serves="serve_echo",
)

# Helpers for the checks. `websockets` and `midspan.protocols` write and read the frames, since the package does
# not contain the lab's answers. Wrong frames are in the checks as bytes.


KEY = bytes.fromhex("37fa213d")  # the key of the example in section 5.7
HELLO = bytes.fromhex("818537fa213d7f9f4d5158")  # the example itself: a masked "Hello"


def server_frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """Return a frame as a server sends it."""
    return LibraryFrame(Opcode(opcode), payload, fin).serialize(mask=False)


def client_frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """Return a frame as a client sends it, always with the same key, so that each run shows the same bytes."""
    frame = server_frame(opcode, payload, fin)
    size = len(frame) - len(payload)
    stream = KEY * (len(payload) // 4 + 1)
    hidden = bytes(a ^ b for a, b in zip(payload, stream, strict=False))
    return bytes([frame[0], frame[1] | 0x80]) + frame[2:size] + KEY + hidden


def pieces(data: bytes, size: int) -> list[bytes]:
    """Cut the data into pieces of `size` bytes; the last one may be shorter."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def frames_in_words(data: bytes) -> list[str]:
    """Describe the frames that an answer wrote, one phrase each, without mask keys: `TEXT fin 2 bytes "Hi"`."""
    frames, rest = read_frames(data)
    lines = [f"{frame.words()} {frame.carries}".rstrip() for frame in frames]
    return lines + ([f"{len(rest)} bytes that are no whole frame"] if rest else [])


def outcome(call: Callable[..., Any], *arguments: object) -> Any:
    """Call it and return its value; for the lab's errors "Violation 1002", "Refused 400" or "Closed 1006"."""
    try:
        return call(*arguments)
    except Exception as error:
        name, code = type(error).__name__, getattr(error, "code", getattr(error, "status", None))
        if name in ("Violation", "Refused", "Closed"):
            return f"{name} {code}"
        if isinstance(error, UnicodeDecodeError):  # the most likely of the other errors
            return name
        raise


def value_or_error(call: Callable[..., Any], *arguments: object) -> Any:
    """As `outcome`, but return an exception too: the line that it breaks then says which call raised it."""
    try:
        return outcome(call, *arguments)
    except NotImplementedError:
        raise  # it is to do, not wrong
    except Exception as error:
        return error


def items_and_error(t: Transcript, what: str, call: Callable[..., Any], *arguments: object) -> tuple[list[Any], str]:
    """Read an iterator until it ends or raises one of the lab's errors; return its items, and the error in words."""
    given: list[Any] = []

    def exhaust() -> None:
        iterable = call(*arguments)
        if not isinstance(iterable, Iterable):
            t.fail(what, got=iterable, expected="an iterator: a generator or a list")
        for item in iterable:
            given.append(item)

    return given, outcome(exhaust) or ""


# Steps 1 and 2: the accept key, and the mask (RFC 6455, sections 4.2.2 and 5.3).


EXAMPLE, ANSWER = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
PAIRS = (
    ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
)
MISTAKEN = {  # a wrong result for the example's key -> its misconception
    "hHLtf2V1k8aDQZfNjw3Ia1hCwt0=": "key-without-guid",
    "BXhwxM0SZasKmCD9S4BfpPmCnEw=": "key-decoded",
    "2OZf2Seed9yzIpkj+zvC9KS9Mjw=": "guid-in-front",
    "WJfwerbIozKsJXHxxI0JTO1SQgU=": "guid-in-lower-case",
    "s3pPLMBiTxaQ9kYGzzhZRbK-xOo=": "base64-for-urls",
}
LONG_BYTES = 2**16
SLOW = 4.0  # a loop over the bytes takes 20 to 40 times as long as the XOR of two large numbers


@lab.step(
    "The accept key",
    minutes=5,
    lines=2,
    points=1,
    hints=(
        "Three steps, in this order: append the GUID to the key, hash the result, write the digest as text.",
        "hashlib.sha1(...).digest() takes and gives bytes; base64.b64encode too. key.encode() makes bytes of "
        "the header's text.",
        'digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest(), then base64, '
        "then .decode().",
    ),
    words={
        "bytes-not-text": "The bytes are right, but a header is text: `.decode()` makes text of them.",
        "key-without-guid": ("The key alone is not enough: append the GUID of section 1.3 to it before you hash."),
        "hex-not-base64": (
            "The digest is sent as base64 of its 20 raw bytes: not as hex, and not as base64 of the hex text."
        ),
        "key-decoded": "The key is hashed as the text that stands in the header. It is not decoded first.",
        "guid-in-front": "The key comes first, the GUID is joined to its end.",
        "guid-in-lower-case": "The GUID is hashed as section 1.3 writes it, in capitals.",
        "base64-for-urls": "Base64 has two alphabets: headers take the one with + and /, URLs the one with - and _.",
    },
)
def accept_key(t: Transcript, accept_key: Callable[[str], str]) -> None:
    t.say(f"the example of RFC 6455, section 1.3: Sec-WebSocket-Key: {EXAMPLE}")
    got: Any = accept_key(EXAMPLE)
    id = "nothing-returned" if got is None else "bytes-not-text" if got == ANSWER.encode() else ""
    t.true("the answer is text", isinstance(got, str), got=got, expected="str, as the header's value is", id=id)
    if len(got) != 28 or not got.endswith("="):
        t.fail("it is base64 of 20 bytes", got=got, expected="28 characters, the last one `=`", id="hex-not-base64")
    t.equal("the example's answer", got, ANSWER, id=MISTAKEN.get(got, ""))
    for key, answer in PAIRS:
        t.equal(f"for {key}", accept_key(key), answer)


@lab.step(
    "The mask",
    minutes=15,
    lines=4,
    points=1,
    hints=(
        "Section 5.3 has one line: octet i of the result is octet i of the data XOR octet (i modulo 4) of the key.",
        "Rotate the key so that it begins at offset % 4, then repeat it until it is as long as "
        "the data. Integers have ^ too.",
        "stream = (key[start:] + key[:start]) repeated, and cut to the length of the data. Then "
        'int.from_bytes(..., "big") of both, ^ between them, and .to_bytes(len(data), "big"): the length keeps leading '
        "zeros.",
    ),
    words={
        "mask-unchanged": "The data is unchanged: combine each octet with one octet of the key, by `^`.",
        "mask-length": "The result has one octet for each octet of the data.",
        "mask-byte-order": (
            "Two conversions make numbers of bytes, and one makes bytes of a number. All three need "
            "the same byte order."
        ),
        "mask-key-once": (
            "The key has four octets and the data may have more: after the fourth octet use the first again."
        ),
        "mask-first-byte-only": "Octet i is combined with octet i modulo 4 of the key: all four octets are used.",
        "mask-offset": (
            "The key repeats from the first byte of the payload, not of the piece. So a piece from "
            "the middle begins with the octet of the key at its offset."
        ),
        "mask-without-offset": (
            "`mask` takes a third argument, which may be left out: `offset`, the number of bytes that "
            "came before the data."
        ),
        "mask-turned-the-other-way": (
            "The key is rotated in the wrong direction: a piece from byte 1 on begins with byte 1 of the key."
        ),
        "mask-offset-modulo": "The key begins again every four bytes: offset 4 is as offset 0, and 7 as 3.",
        "mask-leading-zeros": "An integer has no leading zero bytes: give the result the length of the data.",
    },
)
def mask(t: Transcript, mask: Callable[..., bytes]) -> None:
    _can_be_called(t, mask)
    t.say('mask(b"Hi", key) with the key 37 fa 21 3d: 48 XOR 37, then 69 XOR fa')
    got = mask(b"Hi", KEY)
    id = "nothing-returned" if got is None else ""
    t.true("the result is bytes", isinstance(got, bytes), got=got, expected="bytes", id=id)
    _masks(t, mask, "two bytes", b"Hi")
    _masks(t, mask, "Hello, the example of section 5.7: one byte more than the key has", b"Hello")
    again = mask(mask(b"Hello", KEY), KEY)
    t.equal("masked again it is Hello: section 5.3 has one algorithm for both", again, b"Hello")
    _masks(t, mask, "nothing stays nothing", b"")
    _masks(t, mask, "the key masked with itself: all zeros, and still four bytes", KEY)
    t.say('mask(b"i", key, 1): the second byte of Hi by itself, again 69 XOR fa')
    _goes_on(t, mask, b"Hi", 1)
    for offset in (1, 2, 3, 4, 7, 125):
        _goes_on(t, mask, bytes(range(offset + 5)), offset)
    _not_slow(t, mask)


def _can_be_called(t: Transcript, mask: Callable[..., bytes]) -> None:
    """Check that it takes two and three arguments; a TypeError from inside a call would say less."""
    shape = inspect.signature(mask)
    for arguments in (("data", "key"), ("data", "key", "offset")):
        try:
            shape.bind(*arguments)
        except TypeError:
            what = f"it can be called as mask({', '.join(arguments)})"
            t.fail(what, got=f"mask{shape}", expected="mask(data, key, offset=0)", id="mask-without-offset")


def _masks(t: Transcript, mask: Callable[..., bytes], what: str, data: bytes) -> None:
    got, right = mask(data, KEY), apply_mask(data, KEY)
    t.equal(what, got, right, id="" if got == right else _why(got, data, right))


def _why(got: object, data: bytes, right: bytes) -> str:
    """Return the misconception that gives this result; "" if we know none."""
    if not isinstance(got, bytes):
        return "nothing-returned" if got is None else ""
    turned = {right[::-1], apply_mask(data[::-1], KEY), apply_mask(data[::-1], KEY)[::-1]}
    cases = {
        "mask-unchanged": got == data,
        "mask-leading-zeros": got == right.lstrip(b"\0"),
        "mask-key-once": got in (right[:4], right[:4] + data[4:]),
        "mask-length": len(got) != len(data),
        "mask-first-byte-only": got == apply_mask(data, KEY[:1] * 4),
        "mask-byte-order": got in turned,
    }
    return next((id for id, is_it in cases.items() if is_it), "")


def _goes_on(t: Transcript, mask: Callable[..., bytes], data: bytes, offset: int) -> None:
    """Check that the piece from `offset` on is masked as it is inside the whole data."""
    piece = data[offset:]
    got, right = mask(piece, KEY, offset), apply_mask(data, KEY)[offset:]
    turn = offset % 4
    cases = {
        "mask-offset-modulo": offset > 3 and got == apply_mask(piece, KEY),
        "mask-offset": got == apply_mask(piece, KEY),
        "mask-turned-the-other-way": got == apply_mask(piece, KEY[-turn:] + KEY[:-turn]),
    }
    id = next((id for id, is_it in cases.items() if is_it), "")
    t.equal(f"the piece from byte {offset} of {len(data)} on", got, right, id=id if got != right else "")


def _not_slow(t: Transcript, mask: Callable[..., bytes]) -> None:
    """A loop over the bytes is right, so it passes; but the learner should know its cost."""
    data = bytes(LONG_BYTES)
    theirs = min(cpu_seconds(lambda: mask(data, KEY)) for _ in range(3))
    loop = min(cpu_seconds(lambda: bytes(octet ^ KEY[i % 4] for i, octet in enumerate(data))) for _ in range(2))
    t.equal("64 KiB of zeros give the key again and again", mask(data, KEY), KEY * (LONG_BYTES // 4))
    if theirs * SLOW > loop:
        t.note("Right, and as slow as a loop over the bytes: two large numbers and one ^ take a twentieth of the time.")


def cpu_seconds(call: Callable[[], object]) -> float:
    """Return the seconds of this thread on a processor: other processes do not change them."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


# Step 3: a frame on the wire (RFC 6455, section 5.2).


SIZES = {  # payload bytes -> (header in hex, misconception)
    0: ("82 00", ""),
    125: ("82 7d", "length-126-boundary"),
    126: ("82 7e 00 7e", "length-126-boundary"),
    127: ("82 7e 00 7f", "length-126-boundary"),
    256: ("82 7e 01 00", "length-little-endian"),
    65535: ("82 7e ff ff", "length-64k-boundary"),
    65536: ("82 7f 00 00 00 00 00 01 00 00", "length-64k-boundary"),
}


@lab.step(
    "A frame on the wire",
    minutes=16,
    lines=9,
    points=2,
    hints=(
        "Draw section 5.2's figure as bytes: FIN and opcode; mask bit and length; 0, 2 or 8 bytes of length; 0 "
        "or 4 bytes of key; payload.",
        'struct.pack("!BBH", first, second, size) writes one byte, one byte and 16 bits, in network byte '
        'order; "Q" is 64 bits.',
        "first = opcode | 0x80 if fin; second = (0x80 if key is not None else 0) | (size, 126 or 127), for "
        "size < 126, < 65536, and above.",
    ),
    words={
        "length-126-boundary": ("Seven bits hold lengths up to 125: 126 and 127 announce longer fields."),
        "length-64k-boundary": "65,535 is the longest length that fits into 16 bits; 65,536 needs the 64-bit field.",
        "length-little-endian": "Lengths on the wire are in network byte order: the most significant byte comes first.",
        "length-127-four-bytes": "The mark 127 announces eight bytes of length, not four.",
        "fin-not-written": "The highest bit of the first byte is FIN: set on the last frame of a message only.",
        "mask-bit-missing": "A masked frame says so in the highest bit of its second byte, in front of the length.",
        "key-before-length": "The mask key stands behind the length, extended or not, and in front of the payload.",
    },
)
def encode_frame(t: Transcript, encode_frame: Callable[..., bytes]) -> None:
    t.say('the examples of section 5.7; the first is encode_frame(TEXT, b"Hello")')
    got = encode_frame(TEXT, b"Hello")
    t.true("the result is bytes", isinstance(got, bytes), got=got, expected="bytes")
    t.equal("a single unmasked text frame", got, server_frame(TEXT, b"Hello"))
    got = value_or_error(encode_frame, TEXT, b"Hel", False)
    t.equal("Hel, the first of two", got, server_frame(TEXT, b"Hel", False), id=_unless_raised(got, "fin-not-written"))
    t.equal("lo, the last", value_or_error(encode_frame, CONTINUATION, b"lo"), server_frame(CONTINUATION, b"lo"))
    t.equal("an unmasked ping", value_or_error(encode_frame, PING, b"Hello"), server_frame(PING, b"Hello"))
    t.say("section 5.2: the length in the fewest bytes")
    for size, (header, id) in SIZES.items():
        _length(t, value_or_error(encode_frame, BINARY, bytes(size)), size, bytes.fromhex(header), id)
    t.say('section 5.3: masked with the key 37 fa 21 3d; the first is encode_frame(TEXT, b"Hello", True, key)')
    got = encode_frame(TEXT, b"Hello", True, KEY)
    t.equal("the mask bit stands in front of the length", got[:2], HELLO[:2], id="mask-bit-missing")
    t.equal("a single masked text frame", got, HELLO)
    t.equal("an empty one has a key too", value_or_error(encode_frame, PING, b"", True, KEY), client_frame(PING))
    for size in (126, 65536):
        got, right = value_or_error(encode_frame, BINARY, bytes(size), True, KEY), client_frame(BINARY, bytes(size))
        t.equal(f"{size} bytes, masked", got, right, id=_unless_raised(got, "key-before-length"))
    got = value_or_error(encode_frame, TEXT, b"Hi", True, bytes(4))
    t.equal("a key of zeros is a key", got, bytes.fromhex("8182 00000000 4869"))


def _unless_raised(got: Any, id: str) -> str:
    """Return the misconception, unless the answer raised: an exception says what is wrong."""
    return "" if isinstance(got, Exception) else id


def _length(t: Transcript, frame: Any, size: int, header: bytes, id: str) -> None:
    if isinstance(frame, Exception):
        t.equal(f"{size} bytes: the header", frame, header, id=id)
    got = frame[: max(len(frame) - size, 0)]
    if got[:2] == header[:2] and got[2:] == header[2:][::-1] and got != header:
        id = "length-little-endian"
    if size > 65535 and len(got) == 6:
        id = "length-127-four-bytes"
    t.equal(f"{size} bytes: the header", got, header, id=id)
