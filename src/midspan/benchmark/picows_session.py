"""A session on picows in place of `websockets`: what is left to the limit, when the library below is written in Cython.

An extra, for those who have installed picows. A session asks little of a connection: receive, send, ping, close, and
how much waits in the buffer. That much is here, with `serve` and `broadcast` under the names that they have in
`websockets`, so that the session itself stays as it is. Left out: fragments, and what else no contender sends.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from websockets.exceptions import ConnectionClosedOK

Message = str | bytes
Handler = Callable[["Connection"], Awaitable[None]]


class Connection(WSListener):  # type: ignore[misc]
    """What a session needs of `websockets.asyncio.connection.Connection`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._heard: deque[Message] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._pongs: dict[bytes, asyncio.Future[float]] = {}
        self._ended = False
        self._error: Exception | None = None
        self.at_once: Callable[[bytes], bool] | None = None  # as that of `net.servers.Direct`

    # What the session calls

    async def recv(self) -> Message:
        """The next message; raises `ConnectionClosed` at the end, as `websockets` does."""
        while not self._heard:
            if self._ended:
                raise ConnectionClosedOK(None, None)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            if self._error is not None:
                raise self._error
        return self._heard.popleft()

    async def __aiter__(self) -> AsyncIterator[Message]:
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def send(self, message: Message) -> None:
        """Write a message."""
        self.write(message)

    def write(self, message: Message) -> None:
        """Write a message, now; nothing to somebody who has gone."""
        if self._ended:
            return
        if isinstance(message, str):
            self._ws.send(WSMsgType.TEXT, message.encode())
        else:
            self._ws.send(WSMsgType.BINARY, message)

    async def ping(self) -> Awaitable[float]:
        """Ping; what comes back is done when the pong is there."""
        words = str(len(self._pongs)).encode()
        pong = self._pongs[words] = asyncio.get_running_loop().create_future()
        self._ws.send_ping(words)
        return pong

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye."""
        self._ws.send_close(WSCloseCode(code) if code in set(WSCloseCode) else code, reason.encode())
        self._ws.disconnect()

    # What picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        """A connection stands: its handler begins."""
        self._ws, self.transport = transport, transport.underlying_transport
        self._task = asyncio.ensure_future(self._handler(self))

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        """A frame is here."""
        if frame.msg_type == WSMsgType.TEXT:
            self._take(frame.get_payload_as_utf8_text())
        elif frame.msg_type == WSMsgType.BINARY:
            self._take_or_handle(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG and (pong := self._pongs.pop(frame.get_payload_as_bytes(), None)):
            pong.set_result(0.0)
        elif frame.msg_type == WSMsgType.CLOSE:
            self._ws.disconnect()

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """The connection has ended."""
        self._ended = True
        self._wake()

    def _take_or_handle(self, data: bytes) -> None:
        is_next = self._waiter is not None and not self._waiter.done()
        try:
            handled = is_next and self.at_once is not None and self.at_once(data)
        except Exception as error:  # it is raised where the task waits in `recv`
            self._error, handled = error, False
        if not handled:
            self._take(data)

    def _take(self, message: Message) -> None:
        self._heard.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def serve(
    handler: Handler, host: str, port: int, *, ssl: ssl.SSLContext | None = None, **_options: Any
) -> asyncio.Server:
    """Serve as `websockets.serve` does; its options are passed over."""
    server: asyncio.Server = await ws_create_server(lambda _request: Connection(handler), host, port, ssl=ssl)
    return server


def broadcast(connections: Iterable[Connection], message: Message) -> None:
    """Write to all, without waiting, as `websockets.broadcast` does."""
    for connection in connections:
        connection.write(message)
