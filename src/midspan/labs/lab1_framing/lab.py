"""Lab 1, and what its checks feed and read: a library's frames, and outcomes in comparable words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode

from midspan.grading import Lab, Transcript
from midspan.protocols.websocket import read_frames

lab = Lab(
    "lab1_framing",
    title="Whole messages only",
    misconceptions={"nothing-returned": "A function that ends without `return` gives None."},
    serves="serve_echo",
)

# What the checks of lab 1 feed and read: frames from a library's writer, and what an answer did in comparable words.
#
# The frames are made and read by `websockets` and by `midspan.protocols`: the package does not carry the lab's
# answers. Wrong frames stand in the checks as bytes.


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = bytes.fromhex("37fa213d")  # of the example in section 5.7
HELLO = bytes.fromhex("818537fa213d7f9f4d5158")  # the example itself: a masked "Hello"


class Frame(NamedTuple):
    """As the notebook defines it."""

    opcode: int
    payload: bytes
    fin: bool = True
    rest: int = 0


def plain(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    return LibraryFrame(Opcode(opcode), payload, fin).serialize(mask=False)


def masked(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """A frame as a client sends it, always with the same key, so that each run shows the same bytes."""
    frame = plain(opcode, payload, fin)
    size = len(frame) - len(payload)
    stream = KEY * (len(payload) // 4 + 1)
    hidden = bytes(a ^ b for a, b in zip(payload, stream, strict=False))
    return bytes([frame[0], frame[1] | 0x80]) + frame[2:size] + KEY + hidden


def pieces(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of `size` bytes, the last one shorter."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def said(data: bytes) -> list[str]:
    """The frames that an answer has written, one phrase each, without mask keys: `TEXT fin 2 bytes "Hi"`."""
    frames, rest = read_frames(data)
    lines = [f"{frame.words()} {frame.carries}".rstrip() for frame in frames]
    return lines + ([f"{len(rest)} bytes that are no whole frame"] if rest else [])


def outcome(call: Callable[..., Any], *arguments: object) -> Any:
    """What `call(*arguments)` returns; "Violation 1002", "Refused 400", "Closed 1006" for the lab's errors."""
    try:
        return call(*arguments)
    except Exception as error:
        name, code = type(error).__name__, getattr(error, "code", getattr(error, "status", None))
        if name in ("Violation", "Refused", "Closed"):
            return f"{name} {code}"
        if isinstance(error, UnicodeDecodeError):  # the likeliest of the others: say it where it happens
            return name
        raise


def drain(t: Transcript, what: str, call: Callable[..., Any], *arguments: object) -> tuple[list[Any], str]:
    """All that an iterator gives before it ends or raises one of the lab's errors, and that error in words."""
    given: list[Any] = []

    def exhaust() -> None:
        iterable = call(*arguments)
        if not isinstance(iterable, Iterable):
            t.fail(what, got=iterable, expected="an iterator: a generator or a list")
        for item in iterable:
            given.append(item)

    return given, outcome(exhaust) or ""
