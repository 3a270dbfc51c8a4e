"""The clients of a measurement: what they send to each kind of server, with asyncio or on one blocking socket."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from midspan.net.receivers import PONG, MessageData, Reader, masked_frame, upgrade_request
from midspan.net.tcp import WireCount, wire_count

# A dialect defines what a client sends so that a server acknowledges an event. Each kind of server has its dialect.
#
# `load_process` uses the same code for TCP, TLS and RFC 6455 with every contender; only the messages differ. Each
# connection has a dialect object of its own. To measure another protocol, write another class with these members:
#
#     path        the path of the upgrade request
#     ready       whether events may be sent yet
#     acked       how many events were acknowledged so far
#     delivered   how many messages of other clients arrived
#     first()     -> what to send when the connection is open
#     events(n)   -> what to send for `n` events `typing_start` of one turn of the loop, when the application waits for
#                    their acknowledgements
#     quietly(n)  -> the same when it does not wait: the protocol may delay the acknowledgements
#     tell()      -> the message that the server sends to all clients (fan-out)
#     hear(m)     -> handles a received message and counts it; returns what to send in answer


EVENT, DATA = "typing_start", {"room": "general", "user": "ana"}


class Dialect(Protocol):
    """The interface of a dialect; the comment above explains its members."""

    websocket: ClassVar[bool]  # False: bytes on a bare TCP connection
    path: str  # of the upgrade request
    ready: bool
    acked: int
    delivered: int

    def opening(self) -> list[MessageData]: ...
    def events(self, count: int) -> list[MessageData]: ...
    def unawaited_events(self, count: int) -> list[MessageData]: ...
    def fan_out_message(self) -> MessageData: ...
    def receive(self, message: MessageData, /) -> list[MessageData]: ...


def message_bytes(dialect: Dialect, message: MessageData) -> bytes:
    """Return a message as it goes on the connection: in one frame, or as bare bytes where there are no frames."""
    if dialect.websocket:
        return masked_frame(message)
    return message.encode() if isinstance(message, str) else message


class Echo:
    """Sends the text of the event, which comes back unchanged: the cost of a WebSocket library alone."""

    websocket: ClassVar[bool] = True
    text: ClassVar[str] = json.dumps([EVENT, DATA], separators=(",", ":"))

    def __init__(self) -> None:
        self.path, self.ready, self.acked, self.delivered = "/", True, 0, 0

    def opening(self) -> list[MessageData]:
        return []

    def events(self, count: int) -> list[MessageData]:
        return [self.text] * count

    def unawaited_events(self, count: int) -> list[MessageData]:
        return self.events(count)

    def fan_out_message(self) -> MessageData:
        return self.text

    def receive(self, _message: MessageData) -> list[MessageData]:
        self.acked += 1
        return []


class TcpEcho(Echo):
    """Sends the same bytes on a bare TCP connection: the lower limit. An echo may come in pieces: it counts bytes."""

    websocket = False

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def events(self, count: int) -> list[MessageData]:
        return [self.text.encode()] * count

    def receive(self, message: MessageData) -> list[MessageData]:
        self._bytes += len(message)
        self.acked = self._bytes // len(self.text)
        return []


class Envelope(Echo):
    """Sends an envelope in JSON, `["typing_start",{...},7]`; `{"ack":7}` acknowledges it."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def events(self, count: int) -> list[MessageData]:
        first, self._number = self._number, self._number + count
        return [f"{self.text[:-1]},{number}]" for number in range(first, self._number)]

    def fan_out_message(self) -> MessageData:
        return '["say",{"text":"hello, everybody"}]'

    def receive(self, message: MessageData) -> list[MessageData]:
        if message[:6] in ('{"ack"', b'{"ack"'):
            self.acked += 1
        else:
            self.delivered += 1
        return []


class SocketIo(Envelope):
    """Socket.IO v5 over Engine.IO v4, on WebSocket alone: `427["typing_start",{...}]`, acknowledged by `437[...]`."""

    def __init__(self) -> None:
        super().__init__()
        self.path, self.ready = "/socket.io/?EIO=4&transport=websocket", False

    def opening(self) -> list[MessageData]:
        return ["40"]  # CONNECT to the main namespace

    def events(self, count: int) -> list[MessageData]:
        first, self._number = self._number, self._number + count
        return [f"42{number}{self.text}" for number in range(first, self._number)]

    def fan_out_message(self) -> MessageData:
        return '42["say",{"text":"hello, everybody"}]'

    def receive(self, message: MessageData) -> list[MessageData]:
        kind = message[:2]
        if kind == "43":
            self.acked += 1
        elif kind == "42":
            self.delivered += 1
        elif kind == "40":
            self.ready = True
        return ["3"] if message == "2" else []  # Engine.IO: ping and pong


# The client that measures every contender: one connection, with the same short code for all.
#
# Its cost is part of each round trip, and equal for all. It is no part of the server's CPU time.


class Peer(asyncio.Protocol):
    """One connection to the server that is measured.

    Attributes:
        upgraded: done when the connection is open (RFC 6455: after the 101).
        on_news: called after each read that contained messages, and at the end of the connection.
        frame_bytes: bytes sent and received in frames since the upgrade, with headers and masks.
        gone: whether the connection has ended.
    """

    transport: asyncio.Transport

    def __init__(self, dialect: Dialect, host: str, path: str) -> None:
        self.dialect = dialect
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_news: Callable[[], None] | None = None
        self.frame_bytes, self.gone = 0, False
        self._host, self._path, self._head, self._reader = host, path, b"", Reader()

    # called by the load

    def send(self, message: MessageData) -> None:
        """Send one message, in one frame and in one write, as libraries do."""
        data = message_bytes(self.dialect, message)
        self.frame_bytes += len(data)
        self.transport.write(data)

    def say(self, count: int) -> None:
        """Send `count` events, as the application does in one turn of its loop."""
        for message in self.dialect.events(count):
            self.send(message)

    def wire(self) -> WireCount | None:
        """Return what the system's TCP has counted so far; None where it does not tell."""
        return wire_count(self.transport.get_extra_info("socket"))

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.dialect.websocket:
            transport.write(upgrade_request(self._host, self._path))
        else:
            self.upgraded.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Give each complete message to the dialect, then call `on_news`."""
        if not self.dialect.websocket:
            self.frame_bytes += len(data)
            self.dialect.receive(data)
        elif self.upgraded.done():
            self._hear(data)
        else:
            self._upgrade(data)
        if self.on_news is not None:
            self.on_news()

    def connection_lost(self, error: Exception | None) -> None:
        """The server has ended the connection, or we have."""
        self.gone = True
        if not self.upgraded.done():
            self.upgraded.set_exception(error or ConnectionResetError("it ended before the upgrade"))
        elif self.on_news is not None:
            self.on_news()

    def _hear(self, data: bytes) -> None:
        self.frame_bytes += len(data)
        for message in self._reader.feed(data):
            for answer in self.dialect.receive(message):
                self.send(answer)
        while self._reader.pings:
            self.transport.write(masked_frame(self._reader.pings.pop(0), PONG))
        if self._reader.closed:
            self.transport.abort()  # the server does not wait for our close frame

    def _upgrade(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        status = head.split(b"\r\n", 1)[0].decode(errors="replace")
        if " 101 " not in f"{status} ":
            self.upgraded.set_exception(ConnectionRefusedError(f"the upgrade was answered with {status!r}"))
            self.transport.abort()
            return
        self.upgraded.set_result(None)
        for message in self.dialect.opening():
            self.send(message)
        self._hear(rest)


WITHIN_S = 20.0
READ_BYTES = 65536
WARM_UP = 4  # a quarter more round trips at the start do not count


def round_trips_s(url: str, dialect: Dialect, trust_pem: str, turns: int, together: int) -> list[float]:
    """Send `together` events, wait until all are acknowledged, and repeat. Return the seconds of each turn, sorted.

    Raises:
        OSError: the server does not answer, or ends the connection.
    """
    took_s = []
    with _connected(url, dialect, trust_pem) as client:
        for _ in range(turns + turns // WARM_UP):
            until, began_s = dialect.acked + together, time.perf_counter()
            for message in dialect.events(together):
                client.send(message)
            while dialect.acked < until:
                client.read_available()
            took_s.append(time.perf_counter() - began_s)
    return sorted(took_s[-turns:])


class LatencyClient:
    """One connection on a blocking socket."""

    def __init__(self, sock: socket.socket, dialect: Dialect) -> None:
        self._sock, self._dialect, self._reader = sock, dialect, Reader()

    def send(self, message: MessageData) -> None:
        """Send one message in one write."""
        self._sock.sendall(message_bytes(self._dialect, message))

    def read_available(self) -> None:
        """Wait for data, and give it to `heard`."""
        self.heard(self._read())

    def heard(self, data: bytes) -> None:
        """Give received messages to the dialect, and send its answers."""
        for message in self._reader.feed(data) if self._dialect.websocket else (data,):
            for answer in self._dialect.receive(message):
                self.send(answer)

    def open(self, host: str, path: str) -> None:
        """Upgrade the connection, and send what the dialect sends first."""
        if self._dialect.websocket:
            self._sock.sendall(upgrade_request(host, path))
            head = b""
            while b"\r\n\r\n" not in head:
                head += self._read()
            for message in self._dialect.opening():
                self.send(message)
            self.heard(head.partition(b"\r\n\r\n")[2])
        while not self._dialect.ready:
            self.read_available()

    def _read(self) -> bytes:
        data = self._sock.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the server ended the connection")
        return data


@contextmanager
def _connected(url: str, dialect: Any, trust_pem: str) -> Iterator[LatencyClient]:
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 0)
    with socket.create_connection((host, port), WITHIN_S) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with _wrapped(plain, host, trust_pem) as sock:
            client = LatencyClient(sock, dialect)
            client.open(f"{host}:{port}", path_of(url, dialect))
            yield client


def _wrapped(plain: socket.socket, host: str, trust_pem: str) -> socket.socket:
    if not trust_pem:
        return plain
    return ssl.create_default_context(cadata=trust_pem).wrap_socket(plain, server_hostname=host)


def path_of(url: str, dialect: Dialect) -> str:
    """Return the path of the upgrade request: the path of the address, or the dialect's if the address has none."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return parts.path + query if parts.path.strip("/") else dialect.path
