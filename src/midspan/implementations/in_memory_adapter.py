"""python-socketio, unmodified, on a simulated connection, with a run's clock and random numbers."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Self

import aiohttp
import socketio
from aiohttp import WSMessage, WSMsgType
from engineio.base_client import connected_clients
from websockets.exceptions import ConnectionClosed

from midspan.net import servers
from midspan.simulation.implementation import ClientContext
from midspan.simulation.patching import Patch

# `python-engineio` and the two reconnecting clients call `time.time()`, `random.random()` and `secrets.token_bytes()`.
# Inside a run these must be the run's own, or it could not be replayed.


PATCHED_MODULES = (
    ("engineio.async_socket", "time"),  # last_ping, compared with ping_timeout
    ("engineio.base_socket", "time"),
    ("engineio.base_server", "secrets"),  # the session's id
    ("socketio.async_client", "random"),  # the jitter of a reconnection
    ("websockets.client", "random"),  # the first delay of a reconnection
)


def patched_clock_and_random(seed: int) -> AbstractContextManager[object]:
    """A block in which this thread's libraries take the time from its event loop, and random numbers from `seed`."""
    return _patch.block(random.Random(seed))


def _replacements() -> Iterator[tuple[ModuleType, str, Any]]:
    lent = {"time": _Lent(time, time=_now), "random": _Lent(random, random=_random)}
    lent["secrets"] = _Lent(secrets, token_bytes=_token_bytes)
    for name, attribute in PATCHED_MODULES:
        yield import_module(name), attribute, lent[attribute]


_patch: Patch[random.Random] = Patch(_replacements)


class _Lent:
    """A module with some of its functions replaced."""

    def __init__(self, module: ModuleType, **replaced: Any) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _now() -> float:
    return time.time() if _patch.here is None else asyncio.get_running_loop().time()


def _random() -> float:
    return (_patch.here or random).random()


def _token_bytes(count: int) -> bytes:
    run = _patch.here
    return secrets.token_bytes(count) if run is None else run.randbytes(count)


# python-socketio, unmodified, on any connection that has the methods of `websockets`.
#
# Both libraries leave a door open. `socketio.AsyncServer` is an ASGI application: it is called with a scope and two
# functions, whoever calls it. `socketio.AsyncClient` takes an `http_session`, of which it wants `ws_connect`. We come
# in by these doors, so that everything behind them runs as it is: Engine.IO, Socket.IO, heartbeats, reconnection.
#
# Left out: polling, and what aiohttp adds around a WebSocket. On the real link aiohttp is there.


QUIET = logging.Logger("socketio on trial", logging.CRITICAL + 1)  # nobody reads what they say of faults that we cause
SCOPE = {
    "type": "websocket",
    "path": "/socket.io/",
    "query_string": b"EIO=4&transport=websocket",
    "headers": [(b"connection", b"upgrade"), (b"upgrade", b"websocket")],
}


async def serve_connection(app: socketio.ASGIApp, connection: Any) -> None:
    """Let a Socket.IO server speak over one connection, to its end (ASGI specification, "WebSocket")."""
    opened = False

    async def receive() -> dict[str, Any]:
        nonlocal opened
        if not opened:
            opened = True
            return {"type": "websocket.connect"}
        try:
            data = await connection.recv()
        except ConnectionClosed:
            return {"type": "websocket.disconnect"}
        return {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            await connection.send(event["bytes"] if event["text"] is None else event["text"])
        elif event["type"] == "websocket.close":
            await connection.close()

    await app(SCOPE, receive, send)


def client_http_session(context: ClientContext) -> SocketSession | InMemorySession:
    """What to pass as `http_session`: on a real link one of aiohttp's, which trusts the server; else ours."""
    return InMemorySession(context) if context.trust is None else SocketSession(context.trust)


def _outside_a_loop() -> bool:
    """Is nobody at work? A client that is collected then would make itself a loop, to close its session in."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


class SocketSession:
    """aiohttp's session, and a hand for what Engine.IO does not close: a connection that has gone silent."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._session = servers.http_session(trust)
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    @property
    def closed(self) -> bool:
        return _outside_a_loop() or self._session.closed

    async def ws_connect(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a connection, and let go of the one before."""
        socket: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(url, **options)
        await self._let_go()
        self._socket = socket
        return socket

    async def _let_go(self) -> None:
        if self._socket is not None and not self._socket.closed:
            transport = self._socket.get_extra_info("transport")
            if transport is not None:
                transport.abort()
            await self._socket.close()  # at once: there is nobody to say goodbye to

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._let_go()
        await self._session.close()


@contextmanager
def forgotten(client: socketio.AsyncClient) -> Iterator[None]:
    """At the end of the block Engine.IO forgets this client. (It lists who is connected, for Ctrl-C; we kill some.)"""
    try:
        yield
    finally:
        if client.eio in connected_clients:
            connected_clients.remove(client.eio)


class InMemorySession:
    """What `socketio.AsyncClient` needs of an `aiohttp.ClientSession`."""

    def __init__(self, context: ClientContext) -> None:
        self._connect = context.connect
        self._connection: Any = None

    @property
    def closed(self) -> bool:
        return _outside_a_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close: connections end with their process."""

    async def ws_connect(self, _url: str, **_options: Any) -> InMemorySocket:
        """Open a connection; raises what aiohttp raises.

        Engine.IO does not close a connection that has gone silent, it forgets it for the next one; aiohttp then closes
        what nobody refers to any more. So do we.
        """
        try:
            connection = await self._connect()
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("Connection timeout to host") from error
        except OSError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        if self._connection is not None:
            self._connection.transport.abort()
        self._connection = connection
        return InMemorySocket(connection)


class InMemorySocket:
    """What Engine.IO's client needs of an `aiohttp.ClientWebSocketResponse`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def receive(self) -> WSMessage:
        """The next message; at the end one of type CLOSED, without data."""
        try:
            data = await self._connection.recv()
        except ConnectionClosed:
            return WSMessage(WSMsgType.CLOSED, None, None)
        return WSMessage(WSMsgType.TEXT if isinstance(data, str) else WSMsgType.BINARY, data, None)

    async def send_str(self, data: str) -> None:
        await self._send(data)

    async def send_bytes(self, data: bytes) -> None:
        await self._send(data)

    async def _send(self, data: str | bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport") from error

    async def close(self) -> None:
        await self._connection.close()
