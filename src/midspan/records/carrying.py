"""What a connection carries above WebSocket or HTTP: Engine.IO and Socket.IO, where the request's target says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from midspan.arguments import checked
from midspan.records.capture import Side
from midspan.records.engineio import EnginePacket, read_engine_packet
from midspan.records.http import HttpBody
from midspan.records.messages import Message
from midspan.records.polling import read_polling_payload
from midspan.records.record import Garbage, Record
from midspan.records.socketio import Reunion, SocketPacket, read_socket_packet
from midspan.refusal import Refusal

SOCKETIO_PATH = "/socket.io"
ENGINEIO_PATH = "/engine.io"  # Engine.IO alone: what it carries is the application's own


@dataclass
class Carrying:
    """Reads what stands inside messages and bodies, for one session; attachments are waited for in each direction.

    Attributes:
        engineio: the payloads are Engine.IO packets.
        socketio: and those carry Socket.IO packets.
    """

    engineio: bool = False
    socketio: bool = False
    reunions: dict[Side, Reunion] = field(default_factory=lambda: {"client": Reunion(), "server": Reunion()})

    def in_message(self, message: Message, sender: Side) -> tuple[Record, ...]:
        """What a WebSocket message carries."""
        if not self.engineio:
            return ()
        try:
            payload = message.data.decode() if message.text else message.data
            return self._in_packet(read_engine_packet(payload), sender)
        except (Refusal, UnicodeDecodeError) as error:
            return (Garbage("an Engine.IO packet", _why(error), message.data),)

    def in_body(self, body: HttpBody, sender: Side) -> tuple[Record, ...]:
        """What the body of a polling request or response carries: every packet, followed by what is inside it."""
        if not self.engineio:
            return ()
        packets = read_polling_payload(body.data)
        inside = ((p,) if isinstance(p, Garbage) else self._in_packet(p, sender) for p in packets)
        return tuple(record for records in inside for record in records)

    def _in_packet(self, packet: EnginePacket, sender: Side) -> tuple[Record, ...]:
        if not self.socketio or packet.name != "message":
            return (packet,)
        if isinstance(packet.data, bytes):
            return (packet, *(self.reunions[sender].binary(packet.data) or ()))
        try:
            inside: SocketPacket = read_socket_packet(packet.data)
        except Refusal as refusal:
            return (packet, Garbage("a Socket.IO packet", _why(refusal), packet.data.encode()))
        self.reunions[sender].packet(inside)
        return (packet, inside)


@checked
def carrying_of(target: str) -> Carrying:
    """What a request for `target` leads to: `/socket.io/?EIO=4...` Socket.IO, anything else nothing."""
    path, query = _split(target)
    engineio = "EIO" in query or SOCKETIO_PATH in path
    return Carrying(engineio, engineio and ENGINEIO_PATH not in path)


@checked
def session_of(target: str) -> str:
    """The session that a request belongs to by its own word, "" before there is one."""
    return _split(target)[1].get("sid", [""])[0]


def _split(target: str) -> tuple[str, dict[str, list[str]]]:
    try:
        parts = urlsplit(target)
    except ValueError:  # "//[" and the like: a hostile target is no reason to fail
        return target, {}
    return parts.path, parse_qs(parts.query)


def _why(error: Exception) -> str:
    return f"expected {error.expected}" if isinstance(error, Refusal) else "not UTF-8"
