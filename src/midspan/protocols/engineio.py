"""Engine.IO, protocol version 4: packets, and the payloads of HTTP long-polling with several packets.

`engineio.packet` decodes. The table of types is that of the specification.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engineio import packet as library

from midspan.errors import Refusal, need
from midspan.protocols.capture import Garbage, count, shortened, shown

# A packet is one digit (the type), then data. A binary message on a WebSocket has no digit.


Transport = Literal["websocket", "polling"]

# Engine.IO protocol, 4th version, "Protocol": id -> (type, usage)
PACKET_TYPES: dict[int, tuple[str, str]] = {
    0: ("open", "Used during the handshake."),
    1: ("close", "Used to indicate that a transport can be closed."),
    2: ("ping", "Used in the heartbeat mechanism."),
    3: ("pong", "Used in the heartbeat mechanism."),
    4: ("message", "Used to send a payload to the other side."),
    5: ("upgrade", "Used during the upgrade process."),
    6: ("noop", "Used during the upgrade process."),
}
Packet: Any = library.Packet  # python-engineio has no type hints


@dataclass(frozen=True, slots=True, repr=False)
class EnginePacket:
    """One packet. `data` is text, or bytes for a binary message; `raw` is the packet on the transport."""

    type: int
    data: str | bytes
    raw: bytes
    transport: Transport

    @property
    def name(self) -> str:
        """The type's name in the specification: `open`, `message`, ..."""
        return PACKET_TYPES[self.type][0]

    @property
    def header(self) -> bytes:
        """The bytes of the type: a digit, `b` before base64 in polling, empty in a binary frame."""
        return self.raw[: 0 if self.transport == "websocket" and isinstance(self.data, bytes) else 1]

    @property
    def words(self) -> str:
        """The packet without its data."""
        if isinstance(self.data, bytes):
            return f"b message, {count(len(self.data), 'byte')} in base64" if self.header else "message, binary"
        return f"{self.type} {self.name}"

    def __str__(self) -> str:
        if not isinstance(self.data, bytes) and self.data[:1] in "{[":  # JSON is more readable without quotes
            return f"{self.words} {shortened(self.data, 160)}".rstrip()
        said = shown(self.data) if isinstance(self.data, str) else shown(self.data.hex()).strip('"')
        return f"{self.words} {said}".rstrip()

    __repr__ = __str__


def read_engine_packet(payload: str | bytes, transport: Transport = "websocket") -> EnginePacket:
    """Read one packet: from the text or bytes of a WebSocket message, or from one piece of a polling payload.

    Raises:
        Refusal: it is no Engine.IO packet.
    """
    need(transport in get_args(Transport), "a transport, 'websocket' or 'polling'", transport, "Name one of them")
    need(isinstance(payload, (str, bytes)), "the payload of a message", payload, "Pass its text or its bytes")
    raw = payload.encode() if isinstance(payload, str) else payload
    if isinstance(payload, bytes):
        return EnginePacket(library.MESSAGE, payload, raw, transport)
    types = f"a packet that begins with its type, {min(PACKET_TYPES)} to {max(PACKET_TYPES)}"
    try:
        seen = Packet(encoded_packet=payload)
    except (ValueError, binascii.Error) as error:
        raise Refusal(types, payload, "Engine.IO v4 knows no other packet") from error
    need(seen.packet_type in PACKET_TYPES, types, payload, "Engine.IO v4 knows no other packet")
    data = seen.data if isinstance(seen.data, bytes) else payload[1:]
    return EnginePacket(seen.packet_type, data, raw, transport)


# Payloads of HTTP long-polling: several packets in one body.
#
# Engine.IO protocol, "Packet encoding", "HTTP long-polling": packets are joined with the record separator 0x1E; bytes
# are written in base64 after the letter `b`.


SEPARATOR = b"\x1e"
OK = b"ok"  # the server's answer to a POST; it is no packet. python-engineio writes "OK"


def read_polling_payload(body: bytes) -> tuple[EnginePacket | Garbage, ...]:
    """The packets of one body in order. A piece that is no packet becomes `Garbage`; an empty body or `ok` has none."""
    need(isinstance(body, bytes), "the body of a polling request or response", body, "Pass HttpBody.data")
    return tuple(_piece(piece) for piece in body.split(SEPARATOR)) if body and body.lower() != OK else ()


def _piece(piece: bytes) -> EnginePacket | Garbage:
    try:
        return read_engine_packet(piece.decode(), "polling")
    except Refusal as refusal:
        return Garbage("an Engine.IO packet", f"expected {refusal.expected}", piece)
    except UnicodeDecodeError:
        return Garbage("an Engine.IO packet", "not UTF-8", piece)
