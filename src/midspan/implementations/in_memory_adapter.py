"""Run the unmodified python-socketio on a simulated connection, with a run's clock and random numbers.

Both sides of the library accept a replaced transport. `socketio.AsyncServer` is an ASGI application, which any caller
can call with a scope and two functions. `socketio.AsyncClient` takes an `http_session`, and calls its `ws_connect`. So
Engine.IO, Socket.IO, heartbeats and reconnection run unchanged.

Polling is missing here, and all that aiohttp adds around a WebSocket. On a real link aiohttp is used.
"""

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
from midspan.simulation.forbidden_io import Patch
from midspan.simulation.implementation import ClientContext

# `python-engineio` and the two reconnecting clients call `time.time()`, `random.random()` and `secrets.token_bytes()`.
# Inside a run they must use the clock and the random numbers of the run; otherwise it could not be replayed.


PATCHED_MODULES = (
    ("engineio.async_socket", "time"),  # last_ping, compared with ping_timeout
    ("engineio.base_socket", "time"),
    ("engineio.base_server", "secrets"),  # the session's id
    ("socketio.async_client", "random"),  # the jitter of a reconnection
    ("websockets.client", "random"),  # the first delay of a reconnection
)


def patched_clock_and_random(seed: int) -> AbstractContextManager[object]:
    """A block in which the libraries of this thread use the clock of its event loop, and random numbers from `seed`."""
    return _patch.block(random.Random(seed))


def _replacements() -> Iterator[tuple[ModuleType, str, Any]]:
    lent = {"time": _PatchedModule(time, time=_now), "random": _PatchedModule(random, random=_random)}
    lent["secrets"] = _PatchedModule(secrets, token_bytes=_token_bytes)
    for name, attribute in PATCHED_MODULES:
        yield import_module(name), attribute, lent[attribute]


_patch: Patch[random.Random] = Patch(_replacements)


class _PatchedModule:
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


# The server and the client session, for any connection with the methods of `websockets`.


QUIET = logging.Logger("socketio on trial", logging.CRITICAL + 1)  # drops log messages: the faults are intended
SCOPE = {
    "type": "websocket",
    "path": "/socket.io/",
    "query_string": b"EIO=4&transport=websocket",
    "headers": [(b"connection", b"upgrade"), (b"upgrade", b"websocket")],
}


async def serve_connection(app: socketio.ASGIApp, connection: Any) -> None:
    """Serve one connection to its end with a Socket.IO server (ASGI specification, "WebSocket")."""
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
    """The `http_session` for `AsyncClient`: with aiohttp on a real link, otherwise on the simulated connection."""
    return InMemorySession(context) if context.trust is None else SocketSession(context.trust)


def _outside_a_loop() -> bool:
    """Whether no loop runs. A client that is garbage-collected then would make a new loop to close its session."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


class SocketSession:
    """A session of aiohttp. It also aborts silent connections, which Engine.IO does not close."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._session = servers.http_session(trust)
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    @property
    def closed(self) -> bool:
        return _outside_a_loop() or self._session.closed

    async def ws_connect(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a connection, and abort the previous one."""
        socket: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(url, **options)
        await self._abort()
        self._socket = socket
        return socket

    async def _abort(self) -> None:
        if self._socket is not None and not self._socket.closed:
            transport = self._socket.get_extra_info("transport")
            if transport is not None:
                transport.abort()
            await self._socket.close()  # returns at once, because the transport is aborted

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._abort()
        await self._session.close()


@contextmanager
def forgotten(client: socketio.AsyncClient) -> Iterator[None]:
    """Remove a killed client from Engine.IO's list of connected clients (for Ctrl-C) at the end of the block."""
    try:
        yield
    finally:
        if client.eio in connected_clients:
            connected_clients.remove(client.eio)


class InMemorySession:
    """The part of an `aiohttp.ClientSession` that `socketio.AsyncClient` uses, on a simulated connection."""

    def __init__(self, context: ClientContext) -> None:
        self._connect = context.connect
        self._connection: Any = None

    @property
    def closed(self) -> bool:
        return _outside_a_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing: connections end with their process."""

    async def ws_connect(self, _url: str, **_options: Any) -> InMemorySocket:
        """Open a connection. Raises what aiohttp raises.

        Engine.IO does not close a silent connection; it only drops the reference to it. aiohttp then closes it when it
        is garbage-collected. So the previous connection is aborted here.
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
    """The part of an `aiohttp.ClientWebSocketResponse` that Engine.IO's client uses."""

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
