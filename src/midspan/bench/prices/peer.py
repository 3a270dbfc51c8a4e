"""The thin client that every contender is measured with: one connection, the same few lines for all.

What it costs is part of each round trip, and the same for all; the server's processor time knows nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from midspan.bench.prices.dialects import Dialect, written
from midspan.wires.tcp_count import WireCount, wire_count
from midspan.wires.thin import PONG, Message, Reader, frame, upgrade


class Peer(asyncio.Protocol):
    """One connection to the server that is measured.

    Attributes:
        upgraded: done as soon as the connection stands (RFC 6455: after the 101).
        on_news: called after each read with messages in it, and at the end.
        frame_bytes: how much it has sent and received in frames since the upgrade, headers and masks included.
        gone: whether the connection has ended.
    """

    transport: asyncio.Transport

    def __init__(self, dialect: Dialect, host: str, path: str) -> None:
        self.dialect = dialect
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_news: Callable[[], None] | None = None
        self.frame_bytes, self.gone = 0, False
        self._host, self._path, self._head, self._reader = host, path, b"", Reader()

    # What the load asks for

    def send(self, message: Message) -> None:
        """One message, in one frame, in a write of its own, as libraries do it."""
        data = written(self.dialect, message)
        self.frame_bytes += len(data)
        self.transport.write(data)

    def say(self, count: int) -> None:
        """What the application says `count` times in one turn of its loop."""
        for message in self.dialect.events(count):
            self.send(message)

    def wire(self) -> WireCount | None:
        """What its kernel has counted so far."""
        return wire_count(self.transport.get_extra_info("socket"))

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.dialect.websocket:
            transport.write(upgrade(self._host, self._path))
        else:
            self.upgraded.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Let the dialect hear all messages that are whole, then tell the load."""
        if not self.dialect.websocket:
            self.frame_bytes += len(data)
            self.dialect.hear(data)
        elif self.upgraded.done():
            self._hear(data)
        else:
            self._upgrade(data)
        if self.on_news is not None:
            self.on_news()

    def connection_lost(self, error: Exception | None) -> None:
        """The server, or we, have ended it."""
        self.gone = True
        if not self.upgraded.done():
            self.upgraded.set_exception(error or ConnectionResetError("it ended before the upgrade"))
        elif self.on_news is not None:
            self.on_news()

    def _hear(self, data: bytes) -> None:
        self.frame_bytes += len(data)
        for message in self._reader.feed(data):
            for answer in self.dialect.hear(message):
                self.send(answer)
        while self._reader.pings:
            self.transport.write(frame(self._reader.pings.pop(0), PONG))
        if self._reader.closed:
            self.transport.abort()  # nobody waits for our goodbye

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
        for message in self.dialect.first():
            self.send(message)
        self._hear(rest)
