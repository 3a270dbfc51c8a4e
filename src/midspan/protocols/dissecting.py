"""Read a whole capture: `dissect` gives an exchange.

A connection begins with HTTP. Requests and responses alternate, until a response has the status 101. After it both
directions are WebSocket frames. The target of the request tells what a frame or a body carries (`carrying_of`).

Each direction is read as one stream. A record gets the time of its last byte. So the same bytes give the same records,
however they are divided into chunks.

`sample` gives recorded captures of real conversations, for pictures and tests without a server.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import accumulate
from urllib.parse import parse_qs, urlsplit

from midspan.errors import Refusal, checked, need
from midspan.protocols.capture import SIDES, Capture, Chunk, Garbage, Partial, Record, Side, TcpEvent
from midspan.protocols.engineio import EnginePacket, read_engine_packet, read_polling_payload
from midspan.protocols.exchange import Exchange, Sighting
from midspan.protocols.http import HttpBody, HttpHead, read_http
from midspan.protocols.socketio import Reunion, SocketPacket, read_socket_packet
from midspan.protocols.websocket import Assembler, Message, negotiated, read_frames

# What a connection carries above WebSocket or HTTP: Engine.IO and Socket.IO, or nothing.


SOCKETIO_PATH = "/socket.io"
ENGINEIO_PATH = "/engine.io"  # Engine.IO without Socket.IO


@dataclass
class Carrying:
    """Reads the records inside messages and bodies, for one session.

    Attributes:
        engineio: whether the payloads are Engine.IO packets.
        socketio: whether these carry Socket.IO packets.
        reunions: for each direction, the packet that waits for attachments.
    """

    engineio: bool = False
    socketio: bool = False
    reunions: dict[Side, Reunion] = field(default_factory=lambda: {"client": Reunion(), "server": Reunion()})

    def in_message(self, message: Message, sender: Side) -> tuple[Record, ...]:
        """The records inside a WebSocket message."""
        if not self.engineio:
            return ()
        try:
            payload = message.data.decode() if message.text else message.data
            return self._in_packet(read_engine_packet(payload), sender)
        except (Refusal, UnicodeDecodeError) as error:
            return (Garbage("an Engine.IO packet", _why(error), message.data),)

    def in_body(self, body: HttpBody, sender: Side) -> tuple[Record, ...]:
        """The records inside the body of a polling request or response: each packet, followed by the records in it."""
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


def carrying_of(target: str) -> Carrying:
    """What a connection with this target carries: Socket.IO for `/socket.io/?EIO=4...`, otherwise nothing."""
    path, query = _split(target)
    engineio = "EIO" in query or SOCKETIO_PATH in path
    return Carrying(engineio, engineio and ENGINEIO_PATH not in path)


def session_of(target: str) -> str:
    """The session id in the target of a request; "" if there is none yet."""
    return _split(target)[1].get("sid", [""])[0]


def _split(target: str) -> tuple[str, dict[str, list[str]]]:
    try:
        parts = urlsplit(target)
    except ValueError:  # such as "//[": a wrong target must not end the parser
        return target, {}
    return parts.path, parse_qs(parts.query)


def _why(error: Exception) -> str:
    return f"expected {error.expected}" if isinstance(error, Refusal) else "not UTF-8"


# From chunks to records.


LIKE_HTTP = re.compile(rb"[A-Z]+ [/*h]|HTTP/")
SWITCHING_PROTOCOLS = 101


def dissect(capture: Capture) -> Exchange:
    """Read a capture. Returns its records in order.

    Incomplete bytes at the end become `Partial`, and bytes that do not follow the protocol become `Garbage`. The begin
    and the end of a TCP connection are records too. TLS records without plaintext (handshake, alerts) give no record.

    Raises:
        Refusal: `capture` is no Capture.
    """
    need(isinstance(capture, Capture), "a Capture", capture, "Pass tap.capture, or Capture(chunks)")
    chunks = capture.before + capture.chunks
    sessions: dict[str, Carrying] = {}
    seen: list[tuple[int, int, Sighting]] = []  # index of its last chunk, order in the connection, sighting
    for connection in sorted({chunk.connection for chunk in chunks}):
        seen += _Connection(connection, chunks, sessions).read()
    seen.sort(key=lambda placed: placed[:2])
    return Exchange(tuple(sighting for at, _, sighting in seen if at >= len(capture.before)))


class _Stream:
    """One direction of a connection: its bytes, and the chunk of each byte."""

    def __init__(self, sender: Side, chunks: list[tuple[int, Chunk]]) -> None:
        self.sender = sender
        self.chunks = [(index, chunk) for index, chunk in chunks if chunk.data]
        self.ends = list(accumulate(len(chunk.data) for _, chunk in self.chunks))
        self.ended = any(chunk.kind != "data" for _, chunk in chunks)
        self.data = b"".join(chunk.data for _, chunk in self.chunks)
        self.at = self._first = 0

    @property
    def rest(self) -> bytes:
        return self.data[self.at :]

    def take(self, size: int) -> list[tuple[int, Chunk]]:
        """Read the next `size` bytes. Returns their chunks, each with its index in the capture."""
        begin, self.at = self.at, self.at + size
        while self._first < len(self.ends) - 1 and self.ends[self._first] <= begin:
            self._first += 1
        last = self._first
        while self.ends[last] < self.at:
            last += 1
        return self.chunks[self._first : last + 1]


class _Connection:
    """Reads one TCP connection from its first byte to its last."""

    def __init__(self, number: int, chunks: tuple[Chunk, ...], sessions: dict[str, Carrying]) -> None:
        self.number, self.sessions = number, sessions
        self.mine = [(index, chunk) for index, chunk in enumerate(chunks) if chunk.connection == number]
        sent: dict[Side, list[tuple[int, Chunk]]] = defaultdict(list)
        for index, chunk in self.mine:
            sent[chunk.sender].append((index, chunk))
        self.streams = {side: _Stream(side, [p for p in sent[side] if p[1].kind != "opened"]) for side in SIDES}
        self.seen: list[tuple[int, int, Sighting]] = []

    def read(self) -> list[tuple[int, int, Sighting]]:
        """All sightings of the connection, each with its index and order."""
        for index, chunk in self.mine:
            if chunk.kind != "data":
                event = TcpEvent(chunk.kind)
                self._place(index, Sighting(self.number, chunk.sender, chunk.at_s, event, carried=(chunk,)))
        if self._begins_inside():
            self._websocket(None, Carrying())
        else:
            self._http()
        return self.seen

    def _begins_inside(self) -> bool:
        """Whether the capture begins inside an open WebSocket: without "opened", and not like HTTP."""
        opened = any(chunk.kind == "opened" for _, chunk in self.mine)
        return not opened and not any(LIKE_HTTP.match(stream.data) for stream in self.streams.values())

    def _http(self) -> None:
        client, server = self.streams["client"], self.streams["server"]
        while client.rest or server.rest:
            request = self._message(client, None)
            response = self._message(server, request or _ANY)
            while response and response.status < 200 and response.status != SWITCHING_PROTOCOLS:
                response = self._message(server, request or _ANY)
            if request and response and response.status == SWITCHING_PROTOCOLS:
                return self._websocket(response, self._session(request.target))
        return None

    def _message(self, stream: _Stream, request: HttpHead | None) -> HttpHead | None:
        """Read one HTTP message and add its sighting. Returns its head; None if there is no message."""
        if not stream.rest:
            return None
        try:
            message = read_http(stream.rest, request, ended=stream.ended)
        except Refusal as refusal:
            self._take(stream, len(stream.rest), Garbage("HTTP", refusal.do, stream.rest))
            return None
        if message is None:
            self._take(stream, len(stream.rest), Partial("HTTP head", stream.rest))
            return None
        target = message.head.target or (request.target if request else "")
        inside: tuple[Record, ...] = ()
        if message.body and message.complete:
            spoken = message.head.status in (0, 200)  # the body of an error is no payload
            carrying = self._session(target) if spoken else Carrying()
            inside = (message.body, *carrying.in_body(message.body, stream.sender))
        elif not message.complete:
            inside = (Partial("body", message.body.raw if message.body else b""),)
        self._take(stream, len(stream.rest) - len(message.rest), message.head, inside)
        return message.head

    def _websocket(self, response: HttpHead | None, carrying: Carrying) -> None:
        inflate = negotiated(response) if response else None
        for side, stream in self.streams.items():
            assembler = Assembler(inflate[side] if inflate else None)
            frames, rest = read_frames(stream.rest)
            for frame in frames:
                found = assembler.feed(frame)
                if isinstance(found, Message):
                    whole = (found,) if found.remarkable else ()
                    self._take(stream, len(frame.raw), frame, whole + carrying.in_message(found, side), found)
                else:
                    self._take(stream, len(frame.raw), frame, (found,) if found else ())
            if rest:
                self._take(stream, len(rest), Partial("frame", rest))

    def _session(self, target: str) -> Carrying:
        """The `Carrying` of the request's session. Attachments of one session may come on several connections."""
        key = f"{session_of(target) or self.number} {target.partition('?')[0]}"
        return self.sessions.setdefault(key, carrying_of(target))

    def _take(
        self,
        stream: _Stream,
        size: int,
        record: Record,
        inside: tuple[Record, ...] = (),
        message: Message | None = None,
    ) -> None:
        brought = stream.take(size)
        index, last = brought[-1]
        carried = tuple(chunk for _, chunk in brought)
        self._place(index, Sighting(self.number, stream.sender, last.at_s, record, inside, message, carried))

    def _place(self, index: int, sighting: Sighting) -> None:
        self.seen.append((index, len(self.seen), sighting))


_ANY = HttpHead("GET", "/", 0, "", (), b"")  # in place of a request that was not captured


# Recorded captures of real servers and clients. `python -m midspan.experiments.byte_ledgers` records them again.


FOLDER = files("midspan.protocols") / "recorded"

SAMPLES: dict[str, str] = {
    "raw": "typing_start as JSON on raw wss, a ping, the close handshake",
    "fragments": "one message in three fragments with a ping in between, then a larger message, not compressed",
    "deflate": "the same sentence twice with permessage-deflate: the second time it is much smaller",
    "socketio": "typing_start with an acknowledgement, WebSocket transport only",
    "upgrade": "Socket.IO as it comes: long polling first, then the probe and the upgrade; two namespaces",
    "polling": "Socket.IO on long polling only, with a binary attachment",
    "binary": "an event with two binary attachments, WebSocket transport only",
}


def names() -> tuple[str, ...]:
    """The names of the samples. `SAMPLES` describes them."""
    return tuple(SAMPLES)


@checked
@cache
def sample(name: str) -> Capture:
    """The recorded capture with that name.

    Raises:
        Refusal: there is none.
    """
    need(name in SAMPLES, f"a sample ({', '.join(SAMPLES)})", name, "Choose one of them")
    return Capture.from_json((FOLDER / f"{name}.json").read_text("utf-8"))
