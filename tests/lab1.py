"""What the tests of lab 1 share: the reference's answers, and frames built and read without them.

Nothing here uses the learner's codec, so that an error in it cannot hide in the test's own frames.
"""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from midspan.grading.notebooks import Answers, read_reference
from tests.course import ROOT

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = bytes.fromhex("37fa213d")  # the key of the RFC's own example, section 5.7
ACCEPT = (b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # section 1.3


@functools.cache
def reference() -> Any:
    """The namespace of the solved notebook: all its setup and exercise cells, run in order."""
    _, parts = read_reference(ROOT / "solutions" / "lab1_framing.ipynb", "lab1_framing")
    answers = Answers("lab1_reference")
    with contextlib.suppress(StopIteration):  # none of these cells awaits, so that this works inside a loop too
        answers.run(cell for part in parts.values() for cell in part.cells).send(None)
    return answers


class Sent(NamedTuple):
    """A frame that an end has sent."""

    opcode: int
    payload: bytes
    fin: bool = True


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, masked: bool = True, field: int = 0
) -> bytes:
    """A frame as it stands on the wire; `field` forces a length field of 16 or 64 bits."""
    size = len(payload)
    field = field or (7 if size < 126 else 16 if size < 65536 else 64)
    short = {7: size, 16: 126, 64: 127}[field]
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | short])
    head += {7: b"", 16: struct.pack("!H", size & 0xFFFF), 64: struct.pack("!Q", size)}[field]
    return head + (KEY + xor(payload) if masked else payload)


def xor(payload: bytes, key: bytes = KEY) -> bytes:
    """Masking as section 5.3 writes it: octet i with octet i modulo 4 of the key."""
    return bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """The payload of a close frame."""
    return struct.pack("!H", code) + reason


def sent(data: bytes) -> Iterator[Sent]:
    """The frames in these bytes, masked or not, all of them whole."""
    while data:
        short, start = data[1] & 127, 2
        if short >= 126:
            start = 4 if short == 126 else 10
        size = int.from_bytes(data[2:start], "big") if short >= 126 else short
        key, start = (data[start : start + 4], start + 4) if data[1] & 128 else (b"\0\0\0\0", start)
        payload, rest = data[start : start + size], data[start + size :]
        assert len(payload) == size, "the frame is cut off"
        yield Sent(data[0] & 15, xor(payload, key), data[0] >= 128)
        data = rest


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The same bytes whole, byte by byte, and cut by three; long ones, which take their time, in larger pieces."""
    yield [data]
    for size in (1, 3) if len(data) < 5000 else (997, 65536):
        yield [data[i : i + size] for i in range(0, len(data), size)]
