"""WebSocket (RFC 6455): frames from bytes, messages from frames, permessage-deflate (RFC 7692).

The parsers are those of `websockets`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

from websockets.exceptions import InvalidHeader, NegotiationError, PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as LibraryFrame
from websockets.headers import parse_extension

from midspan.errors import Refusal, need
from midspan.protocols.capture import Garbage, Side, as_text, count, shown
from midspan.protocols.http import HttpHead

# Frames, RFC 6455 section 5.
#
# A receiver must refuse wrong frames, but a tap must show them. So a frame with reserved bits, a reserved opcode or a
# control frame that is too long becomes a record, and `Frame.fault` gives the error of the library.


# RFC 6455, section 5.2: opcode -> (short name, text of the specification)
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
    """One frame. `payload` is unmasked; `header` is the 2, 4 or 10 bytes before the masking key."""

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
        """Read the frame at the beginning of `data`. Returns it, and the bytes after it.

        Raises:
            Refusal: `data` is not bytes, or holds no whole frame.
        """
        frame, at = _parse(_checked(data), 0)
        if frame is None:
            raise Refusal("a whole frame", data, "Feed all of its bytes, or use read_frames() for a stream")
        return frame, data[at:]

    @property
    def name(self) -> str:
        """`TEXT`, `PING`, ...; `RESERVED 0x3` for a reserved opcode."""
        return OPCODES[self.opcode][0] if self.opcode in OPCODES else f"RESERVED 0x{self.opcode:X}"

    @property
    def fault(self) -> str:
        """The error that the library's parser gives for this frame alone; "" if none."""
        if self.opcode not in OPCODES:
            return "invalid opcode"
        try:
            LibraryFrame(Opcode(self.opcode), self.payload, self.fin, False, self.rsv2, self.rsv3).check()
        except ProtocolError as error:
            return str(error)
        return ""

    @property
    def carries(self) -> str:
        """The payload in one line: text in quotes, other bytes in hexadecimal; code and reason of a close frame."""
        if self.opcode == Opcode.CLOSE and len(self.payload) >= 2:
            reason = self.payload[2:]
            return f"{int.from_bytes(self.payload[:2], 'big')} {shown(reason)}".rstrip()
        if self.opcode in (Opcode.TEXT, Opcode.CONT) and as_text(self.payload) is not None and not self.rsv1:
            return shown(self.payload)
        return shown(self.payload.hex()).strip('"')

    def words(self, mask: str = "") -> str:
        """The fields before the payload, as text. `mask`: the text for the masking key."""
        flags = [name for name in ("fin", "rsv1", "rsv2", "rsv3") if getattr(self, name)]
        if self.opcode & CONTROL and self.fin:
            flags.remove("fin")  # always set in a control frame (section 5.5)
        size = [] if self.opcode == Opcode.CLOSE else [count(len(self.payload), "byte")]
        return " ".join([self.name, *flags, *([mask] if mask else []), *size])

    def __str__(self) -> str:
        mask = f"mask={self.mask_key.hex()}" if self.masked else ""
        return f"{self.words(mask)} {self.carries}".rstrip()

    __repr__ = __str__


def read_frames(data: bytes) -> tuple[tuple[Frame, ...], bytes]:
    """All whole frames at the beginning of `data`, and the bytes after them."""
    frames: list[Frame] = []
    frame, at = _parse(_checked(data), 0)
    while frame is not None:
        frames.append(frame)
        frame, at = _parse(data, at)
    return tuple(frames), data[at:]


def describe_close(payload: bytes) -> str:
    """The payload of a close frame in the words of the library: `1000 (OK) bye`."""
    try:
        return str(Close.parse(payload))
    except (ProtocolError, UnicodeDecodeError) as error:
        return f"malformed: {error}"


class _UncheckedFrame(LibraryFrame):
    """A frame of the library without its check: a tap shows also wrong frames."""

    def check(self) -> None:
        """Accept all frames. `Frame.fault` does the check."""


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
        # The parser raises for a reserved opcode. So it gets BINARY; the true opcode is in the raw bytes.
        return bytes((first & 0xF0 | Opcode.BINARY, second)) if size and at == start + 2 else piece
        yield  # makes this a generator, which the parser needs

    try:
        seen = _run(_UncheckedFrame.parse(read_exact, mask=masked))
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
    """The result of a parser that reads from memory only, so that it never waits."""
    try:
        next(parser)
    except StopIteration as done:
        return cast("LibraryFrame", done.value)
    raise AssertionError("the parser waits for bytes that it was told do not exist")


# Messages: fragments are joined (RFC 6455, section 5.4), and permessage-deflate is undone (RFC 7692).
#
# The library's extension decompresses, with the parameters of the captured upgrade. It has a state for each direction
# of a connection, so a message can be read only after all messages before it.


INFLATED_BYTES = 16 * 2**20  # the most for one message: a few kilobytes can inflate to gigabytes
SMALLEST_WINDOW_BITS = 9  # zlib cannot compress with 8; to decompress, a larger window works too


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A whole message. `data` is what the application sent; `frames` are the frames that carried it."""

    text: bool
    data: bytes
    frames: tuple[Frame, ...]
    compressed: bool

    @property
    def raw(self) -> bytes:
        """The bytes of its frames on the wire, without control frames between them."""
        return b"".join(frame.raw for frame in self.frames)

    @property
    def remarkable(self) -> bool:
        """Whether the message differs from the payload of one frame: it is compressed or fragmented."""
        return self.compressed or len(self.frames) > 1

    @property
    def words(self) -> str:
        """The message as text, without its payload."""
        pieces = f" of {count(len(self.frames), 'fragment')}" if len(self.frames) > 1 else ""
        carried = count(sum(len(frame.payload) for frame in self.frames), "byte")
        inflated = f" inflated from {carried}" if self.compressed else ""
        return f"{'text' if self.text else 'binary'} message{pieces}, {count(len(self.data), 'byte')}{inflated}"

    def __str__(self) -> str:
        payload = shown(self.data) if self.text else shown(self.data.hex()).strip('"')
        return f"{self.words}: {payload}" if payload else self.words

    __repr__ = __str__


class Assembler:
    """Joins the frames of one direction to messages. `feed` takes the frames in order.

    Args:
        inflate: the extension that `negotiated` gives; None without compression.
    """

    def __init__(self, inflate: PerMessageDeflate | None = None) -> None:
        self._inflate = inflate
        self._frames: list[Frame] = []
        self._data = b""

    def feed(self, frame: Frame) -> Message | Garbage | None:
        """The message that `frame` completes; None if none or a control frame; Garbage if it breaks section 5.4."""
        if frame.opcode & CONTROL:
            return None
        begins = frame.opcode != Opcode.CONT
        if begins == bool(self._frames):
            self._forget()
            why = "a new message inside a fragmented one" if begins else "a continuation of nothing"
            return Garbage("a whole message", why, frame.payload)
        try:
            self._data += self._inflated(frame)
        except (ProtocolError, PayloadTooBig) as error:
            self._forget()
            return Garbage("a compressed message", str(error), frame.payload)
        self._frames.append(frame)
        return self._finish() if frame.fin else None

    def _inflated(self, frame: Frame) -> bytes:
        if self._inflate is None or frame.opcode not in list(Opcode):
            return frame.payload
        seen = LibraryFrame(Opcode(frame.opcode), frame.payload, frame.fin, frame.rsv1, frame.rsv2, frame.rsv3)
        return bytes(self._inflate.decode(seen, max_size=INFLATED_BYTES).data)

    def _finish(self) -> Message:
        first = self._frames[0]
        compressed = first.rsv1 and self._inflate is not None
        message = Message(first.opcode == Opcode.TEXT, self._data, tuple(self._frames), compressed)
        self._forget()
        return message

    def _forget(self) -> None:
        self._frames, self._data = [], b""


def negotiated(response: HttpHead) -> dict[Side, PerMessageDeflate] | None:
    """The extensions that decompress the messages of each side; None if no compression was agreed.

    Args:
        response: the head with status 101, which has the agreed parameters (RFC 7692, section 7.1).
    """
    try:
        extensions = parse_extension(response.header("Sec-WebSocket-Extensions"))
        parameters = dict(extensions)[PerMessageDeflate.name]
        from_server = ClientPerMessageDeflateFactory().process_response_params(parameters, [])
    except (KeyError, NegotiationError, InvalidHeader):
        return None
    from_client = PerMessageDeflate(
        from_server.local_no_context_takeover,
        from_server.remote_no_context_takeover,
        from_server.local_max_window_bits,
        max(SMALLEST_WINDOW_BITS, from_server.remote_max_window_bits),
    )
    return {"client": from_client, "server": from_server}
