"""One end of a simulated connection, with the methods of a connection of `websockets`.

Methods, limits and exceptions are those of `websockets.asyncio.connection.Connection` (version 17), so the same code
runs on both. The simulation also does what may surprise:

- `send` returns before the other end has received anything.
- `close` on a dead link waits for `close_timeout`.
- Messages that arrived before the end of the connection can still be read after it.
- The library of the other end answers a ping even if no task calls `recv` there, until its queue is full.
- `websockets.broadcast` writes at once, also when the buffer is not empty.

As a `net.servers.DirectConnection` does, it offers a message to `at_once` first, if that is set.
Compression, subprotocols, the request, the response and single fragments are missing (an iterable is sent whole).
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Literal, Self

from websockets.exceptions import ConcurrencyError, ConnectionClosedOK
from websockets.frames import Close
from websockets.protocol import State

from midspan.simulation.end import CLOSED, OPEN, End, EndLink, Limits, Pipe, SimFrame

Data = str | bytes
DataLike = str | bytes | bytearray | memoryview
PLAIN = (str, bytes)  # these need no conversion; a tuple is faster here than `str | bytes`


async def whole(message: object) -> Data:
    """The message as one str or bytes: fragments are joined."""
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    if isinstance(message, Mapping):
        raise TypeError("data is a dict-like object")
    if isinstance(message, AsyncIterable):
        parts = [part async for part in message]
    elif isinstance(message, Iterable):
        parts = list(message)
    else:
        raise TypeError("data must be str, bytes, iterable, or async iterable")
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    return b"".join(as_bytes(part) for part in parts)


def as_bytes(data: object) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError("data must be str or bytes-like")


class SimTransport:
    """The part of a transport that code under test uses: abort a connection, ask how much is not yet read."""

    def __init__(self, connection: SimConnection) -> None:
        self._connection = connection

    def abort(self) -> None:
        """Close this end at once, without a close frame. The other end notices it if the link carries anything."""
        self._connection.hang_up()

    def get_write_buffer_size(self) -> int:
        """Bytes of messages that were sent and that the other end has not read. (There is no kernel buffer here.)"""
        return self._connection.into.unread_bytes


class SimProtocol:
    """The part of `connection.protocol` that `websockets.broadcast` uses: it writes a message without waiting."""

    def __init__(self, connection: SimConnection) -> None:
        self._connection = connection

    @property
    def state(self) -> State:
        return self._connection.state

    def send_text(self, data: DataLike) -> None:
        self._connection.link.transmit(self._connection, "text", as_bytes(data))

    def send_binary(self, data: DataLike) -> None:
        self._connection.link.transmit(self._connection, "binary", as_bytes(data))


class Messages:
    """Iterates over the messages of a connection, until it is closed normally."""

    def __init__(self, connection: SimConnection) -> None:
        self._recv = connection.recv

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> Data:
        try:
            return await self._recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None


class SimConnection(End):
    """One end of a connection, with the methods of a connection of `websockets`.

    Args:
        link: to which the connection belongs. It sends each message, and is told when the connection ends.
        side: which end this is.
        into: the pipe that it writes to.
        limits: as passed to `connect` or `serve`.
    """

    subprotocol = None
    send_in_progress = None  # for `broadcast`: here no message is sent in fragments
    logger = logging.getLogger("midspan.simulation.connection")

    def __init__(self, link: EndLink, side: Literal["client", "server"], into: Pipe, limits: Limits) -> None:
        super().__init__(link, side, into, limits)
        self.remote_address = self.local_address = (link.name, 0)
        self._receiving = False
        self._pings_sent = 0
        if limits.ping_interval is not None:
            self._keepalive = self.loop.create_task(self._keep_alive(limits.ping_interval))

    # for the code under test

    @property
    def transport(self) -> SimTransport:
        return SimTransport(self)

    @property
    def protocol(self) -> SimProtocol:
        return SimProtocol(self)

    @property
    def at_once(self) -> Callable[[bytes], bool] | None:
        """Called with a message when it arrives; whether it has handled it. See `net.servers.DirectConnection`."""
        return None if self._at_once is None else self._at_once[1]

    @at_once.setter
    def at_once(self, handle: Callable[[bytes], bool] | None) -> None:
        # It runs in the context of the process that sets it: the tasks that it starts belong to that process.
        self._at_once = None if handle is None else (contextvars.copy_context(), handle)

    def send_data(self) -> None:
        """Do nothing: `protocol` has already sent the message."""

    @property
    def close_code(self) -> int | None:
        """None while the connection is not closed, 1006 when no close frame came (RFC 6455 section 7.1.5)."""
        if self.state is not CLOSED:
            return None
        return 1006 if self._rcvd is None else int(self._rcvd.code)

    @property
    def close_reason(self) -> str | None:
        if self.state is not CLOSED:
            return None
        return "" if self._rcvd is None else self._rcvd.reason

    async def send(
        self, message: DataLike | Iterable[DataLike] | AsyncIterable[DataLike], *, text: bool | None = None
    ) -> None:
        """Send a message: a text frame for str, a binary frame for bytes.

        Returns when the bytes are in the buffer. The other end may never receive them.
        Raises `ConnectionClosed`, or `TypeError` for anything else than str, bytes or an iterable of them.
        """
        data = message if isinstance(message, PLAIN) else await whole(message)
        if self.state is not OPEN:
            await self._check_open()
        is_text = isinstance(data, str)
        encoded = data.encode() if isinstance(data, str) else data
        self.link.transmit(self, "text" if (is_text if text is None else text) else "binary", encoded)
        if self.state is CLOSED:
            raise self._closed()
        if self.into.unread_bytes > self.limits.write_limit:
            await self._drain()

    async def recv(self, decode: bool | None = None) -> Data:
        """The next message. Raises `ConnectionClosed` at the end, `ConcurrencyError` for two readers."""
        if self._receiving:
            raise ConcurrencyError("cannot call recv while another coroutine is already running recv or recv_streaming")
        if not self._queue:
            await self._wait_for_a_message()
        if self._error is not None:
            raise self._error
        opcode, data = self._queue.popleft()
        if self.paused and len(self._queue) <= self.limits.max_queue // 4:
            self.paused = False
            self.peer.into.resume()
        return data.decode() if (opcode == "text" if decode is None else decode) else data

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Do the closing handshake (RFC 6455 section 7). Waits at most `close_timeout` for the other end."""
        if self.state is OPEN:
            self._send_close(Close(code, reason))
        await self.wait_closed()

    async def wait_closed(self) -> None:
        if self.state is not CLOSED:
            waiter = self.loop.create_future()
            self._waiting.append(waiter)
            await waiter

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        """Send a ping. The result is a future that the pong completes with the seconds it took."""
        await self._check_open()
        self._pings_sent += 1
        key = self._pings_sent.to_bytes(4, "big") if data is None else as_bytes(data)
        if key in self._pings:
            raise ConcurrencyError("already waiting for a pong with the same data")
        waiter: asyncio.Future[float] = self.loop.create_future()
        self._pings[key] = waiter, self.loop.now_s
        self.into.write(SimFrame("ping", key))
        return waiter

    async def pong(self, data: DataLike = b"") -> None:
        await self._check_open()
        self.into.write(SimFrame("pong", as_bytes(data)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close(1000 if exc_type is None else 1011)

    def __aiter__(self) -> Messages:
        return Messages(self)

    # inside

    async def _check_open(self) -> None:
        if self.state is not OPEN:
            await self.wait_closed()
            raise self._closed()

    async def _wait_for_a_message(self) -> None:
        self._receiving = True
        try:
            while not self._queue:
                if self.state is CLOSED:
                    raise self._closed()
                self._reader = self.loop.create_future()
                await self._reader
        finally:
            self._receiving = False

    async def _drain(self) -> None:
        while self.into.unread_bytes > self.limits.write_limit // 4 and self.state is not CLOSED:
            self.into.writer_waits = self.loop.create_future()
            await self.into.writer_waits
        if self.state is CLOSED:
            raise self._closed()

    async def _keep_alive(self, interval_s: float) -> None:
        """Send pings, and close the connection when no pong comes, as the library does."""
        while self.state is OPEN:
            await asyncio.sleep(interval_s)
            pong = await self.ping()
            try:
                async with asyncio.timeout(self.limits.ping_timeout):
                    await pong
            except TimeoutError:
                self._send_close(Close(1011, "keepalive ping timeout"))
                if self.side == "server":
                    self.hang_up()
                return
