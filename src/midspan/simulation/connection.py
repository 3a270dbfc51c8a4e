"""One end of a simulated connection: what a connection of `websockets` gives, without a wire."""

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

# What `send` takes: a message, or its parts.


Data = str | bytes
DataLike = str | bytes | bytearray | memoryview
PLAIN = (str, bytes)  # what needs no conversion; a tuple, since `str | bytes` would be built anew on each send


async def whole(message: object) -> Data:
    """The fragments of a message, put together; a message as it is otherwise."""
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


# One end of a simulated connection: what `websockets` gives, without a wire.
#
# Methods, limits and exceptions are those of `websockets.asyncio.connection.Connection` (version 17), so that the
# same code runs on both. What it does that surprises is kept: `send` returns before the other end has anything;
# `close` on a dead link waits for `close_timeout`; messages that arrived before the end are still read after it; a
# ping is answered by the other end's library even if nobody calls `recv` there, until its queue is full.
# `websockets.broadcast` works as it is: it writes at once, whatever waits in the buffer already. As a connection of
# the class `net.servers.Direct` it offers a message to `at_once`, where the code under test has set that.
#
# Left out: compression, subprotocols, the request and the response, fragments as such (an iterable is sent whole).


class SimTransport:
    """What `connection.transport` is used for: to let go of a connection that does not answer, to see what waits."""

    def __init__(self, connection: SimConnection) -> None:
        self._connection = connection

    def abort(self) -> None:
        """Close without a word: this end is closed at once; the other learns of it if the link lets it."""
        self._connection.hang_up()

    def get_write_buffer_size(self) -> int:
        """Bytes of messages that were sent and are not read yet: no kernel stands between us and the other end."""
        return self._connection.into.unread_bytes


class SimProtocol:
    """What `websockets.broadcast` uses of `connection.protocol`: it writes a message without waiting for anything."""

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
    """The messages of a connection, until it is closed normally."""

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
    """One end of a connection.

    Args:
        link: whose connection it is; asked before each message, told when the connection ends.
        side: which end this is.
        into: the pipe it writes to.
        limits: as passed to `connect` or `serve`.
    """

    subprotocol = None
    send_in_progress = None  # of a fragmented message, which `broadcast` does not break into: here it is sent whole
    logger = logging.getLogger("midspan.simulation.connection")

    def __init__(self, link: EndLink, side: Literal["client", "server"], into: Pipe, limits: Limits) -> None:
        super().__init__(link, side, into, limits)
        self.remote_address = self.local_address = (link.name, 0)
        self._receiving = False
        self._pings_sent = 0
        if limits.ping_interval is not None:
            self._keepalive = self.loop.create_task(self._keep_alive(limits.ping_interval))

    # what an application calls

    @property
    def transport(self) -> SimTransport:
        return SimTransport(self)

    @property
    def protocol(self) -> SimProtocol:
        return SimProtocol(self)

    @property
    def at_once(self) -> Callable[[bytes], bool] | None:
        """Handles a message in the call that brings it, if it says so; see `net.servers`."""
        return None if self._at_once is None else self._at_once[1]

    @at_once.setter
    def at_once(self, handle: Callable[[bytes], bool] | None) -> None:
        # It runs as a part of the process that has set it: what it begins ends with that process.
        self._at_once = None if handle is None else (contextvars.copy_context(), handle)

    def send_data(self) -> None:
        """Nothing is left to write: `protocol` has put it on its way."""

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

        Returns as soon as the bytes are in the buffer: the other end may never get them.
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
        """The closing handshake (RFC 6455 section 7): waits for the other end, for `close_timeout` at most."""
        if self.state is OPEN:
            self._say_close(Close(code, reason))
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
        """What the library does by itself: ping, and fail the connection when no pong comes."""
        while self.state is OPEN:
            await asyncio.sleep(interval_s)
            pong = await self.ping()
            try:
                async with asyncio.timeout(self.limits.ping_timeout):
                    await pong
            except TimeoutError:
                self._say_close(Close(1011, "keepalive ping timeout"))
                if self.side == "server":
                    self.hang_up()
                return
