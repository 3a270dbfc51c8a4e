"""Step 3: a frame on the wire (RFC 6455, section 5.2)."""

from __future__ import annotations

from collections.abc import Callable

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import BINARY, CONTINUATION, HELLO, KEY, PING, TEXT, masked, plain

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
    minutes=15,
    lines=9,
    points=2,
    hints=HINTS["encode_frame"],
)
def encode_frame(t: Transcript, encode_frame: Callable[..., bytes]) -> None:
    t.say("the examples of section 5.7")
    got = encode_frame(TEXT, b"Hello")
    t.true("the result is bytes", isinstance(got, bytes), got=got, expected="bytes")
    t.equal("a single unmasked text frame", got, plain(TEXT, b"Hello"))
    t.equal(
        "Hel, the first of two", encode_frame(TEXT, b"Hel", False), plain(TEXT, b"Hel", False), id="fin-not-written"
    )
    t.equal("lo, the last", encode_frame(CONTINUATION, b"lo"), plain(CONTINUATION, b"lo"))
    t.equal("an unmasked ping", encode_frame(PING, b"Hello"), plain(PING, b"Hello"))
    t.say("section 5.2: the length in the fewest bytes")
    for size, (header, id) in SIZES.items():
        _length(t, encode_frame(BINARY, bytes(size)), size, bytes.fromhex(header), id)
    t.say("section 5.3: masked with the key 37 fa 21 3d")
    got = encode_frame(TEXT, b"Hello", True, KEY)
    t.equal("the mask bit stands in front of the length", got[:2], HELLO[:2], id="mask-bit-missing")
    t.equal("a single masked text frame", got, HELLO)
    t.equal("an empty one has a key too", encode_frame(PING, b"", True, KEY), masked(PING))
    for size in (126, 65536):
        frame = encode_frame(BINARY, bytes(size), True, KEY)
        t.equal(f"{size} bytes, masked", frame, masked(BINARY, bytes(size)), id="key-before-length")
    t.equal("a key of zeros is a key", encode_frame(TEXT, b"Hi", True, bytes(4)), bytes.fromhex("8182 00000000 4869"))


def _length(t: Transcript, frame: bytes, size: int, header: bytes, id: str) -> None:
    got = frame[: max(len(frame) - size, 0)]
    if got[:2] == header[:2] and got[2:] == header[2:][::-1] and got != header:
        id = "length-little-endian"
    if size > 65535 and len(got) == 6:
        id = "length-127-four-bytes"
    t.equal(f"{size} bytes: the header", got, header, id=id)
