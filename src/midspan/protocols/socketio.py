"""Socket.IO, protocol version 5: packets with type, attachments, namespace, ack id and JSON.

`socketio.packet` decodes. The table of types is that of the specification.

JSON cannot hold bytes. It holds a placeholder, and the bytes follow in a message of their own, an attachment.
`Reunion` adds the attachments to their packet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from socketio import packet as library

from midspan.errors import Refusal, need
from midspan.protocols.capture import count, shortened

# Socket.IO protocol, 5th version, "Exchange protocol": id -> (type, usage)
PACKET_TYPES: dict[int, tuple[str, str]] = {
    0: ("CONNECT", "Used during the connection to a namespace."),
    1: ("DISCONNECT", "Used when disconnecting from a namespace."),
    2: ("EVENT", "Used to send data to the other side."),
    3: ("ACK", "Used to acknowledge an event."),
    4: ("CONNECT_ERROR", "Used during the connection to a namespace."),
    5: ("BINARY_EVENT", "Used to send binary data to the other side."),
    6: ("BINARY_ACK", "Used to acknowledge an event (the response includes binary data)."),
}
Packet: Any = library.Packet  # python-socketio has no type hints
BINARY = (5, 6)
SHOWN_JSON = 120


@dataclass(frozen=True, slots=True, repr=False)
class SocketPacket:
    """One packet.

    Attributes:
        type: 0 to 6.
        namespace: "/" if the packet names none.
        ack_id: None if the packet neither asks for an acknowledgement nor is one.
        data: the decoded JSON, with placeholders for bytes; None if there is no JSON.
        expected_attachments: how many attachments follow.
        attachments: those that have come so far.
        raw: the text of the packet.
    """

    type: int
    namespace: str
    ack_id: int | None
    data: Any
    expected_attachments: int
    attachments: tuple[bytes, ...]
    raw: bytes

    @property
    def name(self) -> str:
        """The type's name in the specification: `EVENT`, `ACK`, ..."""
        return PACKET_TYPES[self.type][0]

    @property
    def complete(self) -> bool:
        """Whether all attachments have come."""
        return len(self.attachments) == self.expected_attachments

    @property
    def message(self) -> Any:
        """The data with its bytes put back in place of the placeholders.

        Raises:
            Refusal: attachments are missing, or a placeholder points at none.
        """
        what = f"{self.expected_attachments} attachments"
        need(self.complete, what, len(self.attachments), "Wait for the binary messages that follow the packet")
        try:
            return Packet.reconstruct_binary(self.data, self.attachments)
        except (IndexError, TypeError) as error:
            raise Refusal(
                "placeholders numbered from 0", self.data, "The sender wrote one that points at none"
            ) from error

    def parts(self) -> tuple[tuple[str, bytes], ...]:
        """The fields of the packet as (name, bytes), in order. Joined, they are `raw`."""
        at, parts = 1, [("Socket.IO", self.raw[:1])]
        lengths = {
            "attachments": self.raw.find(b"-") if self.type in BINARY else 0,
            "namespace": _until_comma(self.raw[self.raw.find(b"/") :]) if self.namespace != "/" else 0,
            "ack id": 0 if self.ack_id is None else len(str(self.ack_id)),
        }
        for name, length in lengths.items():
            if length > 0:
                parts.append((name, self.raw[at : at + length]))
                at += length
        return (*parts, ("JSON", self.raw[at:])) if self.raw[at:] else tuple(parts)

    def __str__(self) -> str:
        binary = [count(self.expected_attachments, "attachment")] if self.expected_attachments else []
        namespace = [self.namespace] if self.namespace != "/" else []
        ack = [] if self.ack_id is None else [f"#{self.ack_id}"]
        text = dict(self.parts()).get("JSON", b"").decode()
        data = [shortened(text, SHOWN_JSON)] if text else []
        return " ".join([str(self.type), self.name, *binary, *namespace, *ack, *data])

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """A binary message that belongs to an earlier packet. `number` is that of its placeholder, from 0."""

    number: int
    packet: SocketPacket
    raw: bytes

    def __str__(self) -> str:
        of = f"attachment {self.number + 1} of {self.packet.expected_attachments}"
        return f"{of}: {shortened(self.raw.hex(), 40) or 'empty'}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class Reunited:
    """A binary packet with all its attachments, as the application gets it."""

    packet: SocketPacket

    @property
    def raw(self) -> bytes:
        """The text of the packet. Its attachments are separate records."""
        return self.packet.raw

    def __str__(self) -> str:
        said = json.dumps(self.packet.message, default=lambda b: f"<{count(len(b), 'byte')}>", separators=(",", ":"))
        return f"complete {self.packet.name} {shortened(said, SHOWN_JSON)}"

    __repr__ = __str__


class Reunion:
    """Adds the binary messages of one direction to the packet that announced them."""

    def __init__(self) -> None:
        self._waiting: SocketPacket | None = None

    def packet(self, packet: SocketPacket) -> None:
        """A packet has come. The next binary messages are its attachments."""
        self._waiting = None if packet.complete else packet

    def binary(self, data: bytes) -> tuple[Attachment] | tuple[Attachment, Reunited] | None:
        """A binary message has come: its attachment, and the packet if it is complete now; None if none is expected."""
        if self._waiting is None:
            return None
        number = len(self._waiting.attachments)
        self._waiting = packet = replace(self._waiting, attachments=(*self._waiting.attachments, data))
        attachment = Attachment(number, packet, data)
        if not packet.complete:
            return (attachment,)
        self._waiting = None
        return attachment, Reunited(packet)


def read_socket_packet(text: str) -> SocketPacket:
    """Read one packet from the data of an Engine.IO message. Its attachments follow separately.

    Raises:
        Refusal: it is no Socket.IO packet.
    """
    need(isinstance(text, str), "the text of an Engine.IO message", text, "Pass EnginePacket.data, if that is text")
    types = f"a packet that begins with its type, {min(PACKET_TYPES)} to {max(PACKET_TYPES)}"
    need(
        text[:1].isascii() and text[:1].isdigit() and int(text[0]) in PACKET_TYPES,
        types,
        text,
        "Socket.IO v5 knows no other",
    )
    seen = Packet()
    try:
        attachments = seen.decode(text)
        json.dumps(seen.data)  # raises RecursionError for very deep nesting here, and not later in `str()`
    except (ValueError, RecursionError) as error:
        raise Refusal("namespace, ack id and JSON after the type", text, f"python-socketio says: {error}") from error
    namespace = seen.namespace or "/"
    return SocketPacket(int(text[0]), namespace, seen.id, seen.data, attachments, (), text.encode())


def _until_comma(text: bytes) -> int:
    """Length of a namespace, with the comma after it. A packet without data may have no comma."""
    return text.find(b",") + 1 or len(text)
