"""From frames to messages: fragments joined (RFC 6455, section 5.4), permessage-deflate undone (RFC 7692).

Compression is undone by the library's own extension, set up from the upgrade that was captured. Its state lives as long
as the connection, one for each direction: a message can only be read by someone who has read all those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from websockets.exceptions import InvalidHeader, NegotiationError, PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode
from websockets.headers import parse_extension

from midspan.records.capture import Side
from midspan.records.frames import CONTROL, Frame
from midspan.records.http import HttpHead
from midspan.records.record import Garbage, count, shown

INFLATED_BYTES = 16 * 2**20  # a message that inflates to more is not shown: a few kilobytes can hold gigabytes
SMALLEST_WINDOW_BITS = 9  # zlib cannot compress with 8; we only decompress, so it does not matter here


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A whole message: `data` is what the application sent, `frames` what carried it."""

    text: bool
    data: bytes
    frames: tuple[Frame, ...]
    compressed: bool

    @property
    def raw(self) -> bytes:
        """The frames as they stood on the wire, without control frames that came in between."""
        return b"".join(frame.raw for frame in self.frames)

    @property
    def remarkable(self) -> bool:
        """True where the message is not just the payload of its only frame."""
        return self.compressed or len(self.frames) > 1

    @property
    def words(self) -> str:
        """The message without its payload."""
        pieces = f" of {count(len(self.frames), 'fragment')}" if len(self.frames) > 1 else ""
        carried = count(sum(len(frame.payload) for frame in self.frames), "byte")
        inflated = f" inflated from {carried}" if self.compressed else ""
        return f"{'text' if self.text else 'binary'} message{pieces}, {count(len(self.data), 'byte')}{inflated}"

    def __str__(self) -> str:
        payload = shown(self.data) if self.text else shown(self.data.hex()).strip('"')
        return f"{self.words}: {payload}" if payload else self.words

    __repr__ = __str__


class Assembler:
    """Joins the frames of one direction. Fed in order; a control frame passes through without a message.

    Args:
        inflate: the extension as `negotiated` gives it, None without compression.
    """

    def __init__(self, inflate: PerMessageDeflate | None = None) -> None:
        self._inflate = inflate
        self._frames: list[Frame] = []
        self._data = b""

    def feed(self, frame: Frame) -> Message | Garbage | None:
        """The message that `frame` completes, None if none; Garbage where it breaks the rules of section 5.4."""
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
    """What reads each side's compressed messages, as the server's answer to the upgrade settled it; None without.

    Args:
        response: the head with status 101 (RFC 7692, section 7.1).
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
