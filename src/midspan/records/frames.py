"""WebSocket frames, RFC 6455 section 5: read by the library's own parser, shown as one wire line each.

The tap must show what is wrong too, so this reader is lenient where a peer has to be strict: reserved bits, reserved
opcodes and oversized control frames become records, with the library's complaint in `.fault`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Opcode
from websockets.frames import Frame as LibraryFrame

from midspan.arguments import checked
from midspan.records.record import as_text, count, shown
from midspan.refusal import Refusal, need

# RFC 6455, section 5.2: opcode -> (our short name, the words of the specification)
OPCODES: dict[int, tuple[str, str]] = {
    0x0: ("CONTINUATION", "denotes a continuation frame"),
    0x1: ("TEXT", "denotes a text frame"),
    0x2: ("BINARY", "denotes a binary frame"),
    0x8: ("CLOSE", "denotes a connection close"),
    0x9: ("PING", "denotes a ping"),
    0xA: ("PONG", "denotes a pong"),
}
CONTROL = 0x8  # section 5.5: control frames are identified by opcodes whose most significant bit is 1


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One frame: `payload` unmasked, `header` the 2, 4 or 10 bytes in front of the masking key, `raw` all of it."""

    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    opcode: int
    masked: bool
    mask_key: bytes
    payload: bytes
    header: bytes
    raw: bytes

    @classmethod
    def parse(cls, data: bytes) -> tuple[Frame, bytes]:
        """The frame at the beginning of `data`, and the bytes after it.

        Raises:
            Refusal: `data` is not bytes, or holds no whole frame.
        """
        frame, at = _parse(_checked(data), 0)
        if frame is None:
            raise Refusal("a whole frame", data, "Feed all of its bytes, or use read_frames() for a stream")
        return frame, data[at:]

    @property
    def name(self) -> str:
        """`TEXT`, `PING`, ...; `RESERVED 0x3` for an opcode that the specification keeps for later."""
        return OPCODES[self.opcode][0] if self.opcode in OPCODES else f"RESERVED 0x{self.opcode:X}"

    @property
    def fault(self) -> str:
        """What the library's parser objects to in this frame taken alone, "" if nothing."""
        if self.opcode not in OPCODES:
            return "invalid opcode"
        try:
            LibraryFrame(Opcode(self.opcode), self.payload, self.fin, False, self.rsv2, self.rsv3).check()
        except ProtocolError as error:
            return str(error)
        return ""

    @property
    def carries(self) -> str:
        """The payload in a line: text in quotes, other bytes in hexadecimal, a close frame's code and reason."""
        if self.opcode == Opcode.CLOSE and len(self.payload) >= 2:
            reason = self.payload[2:]
            return f"{int.from_bytes(self.payload[:2], 'big')} {shown(reason)}".rstrip()
        if self.opcode in (Opcode.TEXT, Opcode.CONT) and as_text(self.payload) is not None and not self.rsv1:
            return shown(self.payload)
        return shown(self.payload.hex()).strip('"')

    def words(self, mask: str = "") -> str:
        """Everything in front of the payload; `mask` stands for the masking key."""
        flags = [name for name in ("fin", "rsv1", "rsv2", "rsv3") if getattr(self, name)]
        if self.opcode & CONTROL and self.fin:
            flags.remove("fin")  # a control frame is never fragmented (section 5.5)
        size = [] if self.opcode == Opcode.CLOSE else [count(len(self.payload), "byte")]
        return " ".join([self.name, *flags, *([mask] if mask else []), *size])

    def __str__(self) -> str:
        mask = f"mask={self.mask_key.hex()}" if self.masked else ""
        return f"{self.words(mask)} {self.carries}".rstrip()

    __repr__ = __str__


def read_frames(data: bytes) -> tuple[tuple[Frame, ...], bytes]:
    """All whole frames at the beginning of `data`, and the bytes of one that is not whole yet."""
    frames: list[Frame] = []
    frame, at = _parse(_checked(data), 0)
    while frame is not None:
        frames.append(frame)
        frame, at = _parse(data, at)
    return tuple(frames), data[at:]


@checked
def describe_close(payload: bytes) -> str:
    """A close frame's payload in the library's words: `1000 (OK) bye`."""
    try:
        return str(Close.parse(payload))
    except (ProtocolError, UnicodeDecodeError) as error:
        return f"malformed: {error}"


class _Lenient(LibraryFrame):
    """The library's frame without its verdict: a tap shows what a peer must refuse."""

    def check(self) -> None:
        """Accept anything; `Frame.fault` asks again."""


def _parse(data: bytes, at: int) -> tuple[Frame | None, int]:
    if len(data) - at < 2:
        return None, at
    first, second = data[at], data[at + 1]
    start, masked = at, bool(second & 0x80)

    def read_exact(size: int) -> Generator[None, None, bytes]:
        nonlocal at
        if len(data) - at < size:
            raise EOFError
        piece, at = data[at : at + size], at + size
        # The parser gives up on a reserved opcode; we lend it a known one and keep the true one.
        return bytes((first & 0xF0 | Opcode.BINARY, second)) if size and at == start + 2 else piece
        yield  # what makes this a generator, as the parser expects

    try:
        seen = _run(_Lenient.parse(read_exact, mask=masked))
    except EOFError:
        return None, start
    return _frame(seen, data[start:at], masked), at


def _frame(seen: LibraryFrame, raw: bytes, masked: bool) -> Frame:
    payload = bytes(seen.data)
    key_at = len(raw) - len(payload) - (4 if masked else 0)
    opcode, key = raw[0] & 0x0F, raw[key_at : key_at + 4] if masked else b""
    return Frame(seen.fin, seen.rsv1, seen.rsv2, seen.rsv3, opcode, masked, key, payload, raw[:key_at], raw)


def _checked(data: bytes) -> bytes:
    need(isinstance(data, bytes), "bytes of a WebSocket stream", data, "Pass bytes; for text, .encode() it first")
    return data


def _run(parser: Generator[None, None, LibraryFrame]) -> LibraryFrame:
    """The result of a parser that never has to wait: it reads from memory, or runs out of bytes."""
    try:
        next(parser)
    except StopIteration as done:
        return cast("LibraryFrame", done.value)
    raise AssertionError("the parser waits for bytes that it was told do not exist")
