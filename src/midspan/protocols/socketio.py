"""Socket.IO packets, version 5 of the protocol: type, attachments, namespace, ack id, JSON.

Decoded by `socketio.packet`; the specification's table of types is the table here.

Bytes cannot stand in JSON: a placeholder stands there, and the bytes follow as messages of their own (attachments).
`Reunion` brings the two together again.
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
        namespace: "/" where none is named.
        ack_id: None where no acknowledgement is asked for or given.
        data: the decoded JSON, None where there is none; bytes are still placeholders.
        expected_attachments: how many binary messages follow.
        attachments: those that have come.
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
        """The packet's bytes cut into its fields, in order, joined again they are `raw`."""
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
    """A binary message that belongs to an earlier packet; `number` counts from 0, as the placeholders do."""

    number: int
    packet: SocketPacket
    raw: bytes

    def __str__(self) -> str:
        of = f"attachment {self.number + 1} of {self.packet.expected_attachments}"
        return f"{of}: {shortened(self.raw.hex(), 40) or 'empty'}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class Reunited:
    """A binary packet whose last attachment has come: what the application gets."""

    packet: SocketPacket

    @property
    def raw(self) -> bytes:
        """The packet's text; its attachments are records of their own."""
        return self.packet.raw

    def __str__(self) -> str:
        said = json.dumps(self.packet.message, default=lambda b: f"<{count(len(b), 'byte')}>", separators=(",", ":"))
        return f"complete {self.packet.name} {shortened(said, SHOWN_JSON)}"

    __repr__ = __str__


class Reunion:
    """Gives the binary messages of one direction back to the packet that announced them."""

    def __init__(self) -> None:
        self._waiting: SocketPacket | None = None

    def packet(self, packet: SocketPacket) -> None:
        """A packet has come; the next binary messages are its own."""
        self._waiting = None if packet.complete else packet

    def binary(self, data: bytes) -> tuple[Attachment] | tuple[Attachment, Reunited] | None:
        """A binary message has come: its attachment, with the packet once that is complete; None if nobody waits."""
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
    """One packet from the data of an Engine.IO message; its attachments follow separately.

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
        json.dumps(seen.data)  # RecursionError on hostile nesting belongs here, not where the record is shown
    except (ValueError, RecursionError) as error:
        raise Refusal("namespace, ack id and JSON after the type", text, f"python-socketio says: {error}") from error
    namespace = seen.namespace or "/"
    return SocketPacket(int(text[0]), namespace, seen.id, seen.data, attachments, (), text.encode())


def _until_comma(text: bytes) -> int:
    """Length of a namespace with the comma that ends it; a packet without data may leave the comma out."""
    return text.find(b",") + 1 or len(text)
