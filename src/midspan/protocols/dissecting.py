"""From chunks to records: how the protocols follow one another on a connection.

`dissect` reads a capture; `carrying_of` says what a connection carries above WebSocket or HTTP; `sample` gives captures
that were recorded once, for pictures and tests that need no server.
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

# What a connection carries above WebSocket or HTTP: Engine.IO and Socket.IO, where the request's target says so.


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


def carrying_of(target: str) -> Carrying:
    """What a request for `target` leads to: `/socket.io/?EIO=4...` Socket.IO, anything else nothing."""
    path, query = _split(target)
    engineio = "EIO" in query or SOCKETIO_PATH in path
    return Carrying(engineio, engineio and ENGINEIO_PATH not in path)


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


# From chunks to records: the one place that knows how the protocols follow one another on a connection.
#
# A connection begins as HTTP. Requests and responses alternate, each read in the light of the other, until a response
# says 101: from there on both directions are WebSocket frames. What a frame or a body carries is decided by the
# target of the request.
#
# Chunk boundaries mean nothing here: each direction is read as one stream, and a record is placed in time where its
# last byte came. So the same bytes give the same records however they were cut.


LIKE_HTTP = re.compile(rb"[A-Z]+ [/*h]|HTTP/")
SWITCHING_PROTOCOLS = 101


def dissect(capture: Capture) -> Exchange:
    """Read everything in a capture.

    Bytes that end in the middle of something become `Partial`, bytes that are nothing known become `Garbage`; TCP's own
    events are records too. TLS records without plaintext (handshake, alerts) are left to `protocols.record`.

    Raises:
        Refusal: `capture` is no Capture.
    """
    need(isinstance(capture, Capture), "a Capture", capture, "Pass tap.capture, or Capture(chunks)")
    chunks = capture.before + capture.chunks
    sessions: dict[str, Carrying] = {}
    seen: list[tuple[int, int, Sighting]] = []  # index of the chunk that completed it, order within the connection
    for connection in sorted({chunk.connection for chunk in chunks}):
        seen += _Connection(connection, chunks, sessions).read()
    seen.sort(key=lambda placed: placed[:2])
    return Exchange(tuple(sighting for at, _, sighting in seen if at >= len(capture.before)))


class _Stream:
    """One direction of a connection: its bytes, and which chunk brought which."""

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
        """The chunks that brought the next `size` bytes, with their places in the capture."""
        begin, self.at = self.at, self.at + size
        while self._first < len(self.ends) - 1 and self.ends[self._first] <= begin:
            self._first += 1
        last = self._first
        while self.ends[last] < self.at:
            last += 1
        return self.chunks[self._first : last + 1]


class _Connection:
    """One TCP connection, read from its first byte to its last."""

    def __init__(self, number: int, chunks: tuple[Chunk, ...], sessions: dict[str, Carrying]) -> None:
        self.number, self.sessions = number, sessions
        self.mine = [(index, chunk) for index, chunk in enumerate(chunks) if chunk.connection == number]
        sent: dict[Side, list[tuple[int, Chunk]]] = defaultdict(list)
        for index, chunk in self.mine:
            sent[chunk.sender].append((index, chunk))
        self.streams = {side: _Stream(side, [p for p in sent[side] if p[1].kind != "opened"]) for side in SIDES}
        self.seen: list[tuple[int, int, Sighting]] = []

    def read(self) -> list[tuple[int, int, Sighting]]:
        """All sightings of the connection, each with its place."""
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
        """The beginning was not captured, and what there is does not look like HTTP: frames of an open WebSocket."""
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
        """Read one HTTP message and place it; None where there is none (any more)."""
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
            spoken = message.head.status in (0, 200)  # a refusal's body is the server's own words, not a payload
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
        """What the request's session carries: attachments of one session may come on several connections."""
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


_ANY = HttpHead("GET", "/", 0, "", (), b"")  # stands for a request that was not captured


# Conversations that were recorded once, with real servers and real clients: for pictures and tests that need no
# bench.
#
# `python -m midspan.experiments.byte_ledgers` records them again.


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
    """The names of the samples; `SAMPLES` says what each one holds."""
    return tuple(SAMPLES)


@checked
@cache
def sample(name: str) -> Capture:
    """The recorded capture of that name.

    Raises:
        Refusal: there is none.
    """
    need(name in SAMPLES, f"a sample ({', '.join(SAMPLES)})", name, "Choose one of them")
    return Capture.from_json((FOLDER / f"{name}.json").read_text("utf-8"))
