"""Clients of the bench's two servers: on raw WSS, through Socket.IO, and one that writes Socket.IO's packets by hand.

Each is used in `async with`, and its bytes pass the tap:

    async with socketio_client(bench, transports=["websocket"]) as ana:
        await ana.emit("typing_start", {"room": "a"})
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from midspan.errors import checked
from midspan.experiments.bench import Bench

LIMIT_S = 30.0  # for all that a client does while it is open
WEBSOCKET_TARGET = "/socket.io/?EIO=4&transport=websocket"  # Engine.IO's: a WebSocket from the start, no polling
SHOWN = 7  # characters of a first message: enough to recognise it, and no session id among them


@asynccontextmanager
@checked
async def raw_client(bench: Bench) -> AsyncIterator[ClientConnection]:
    """Connect to the raw server, without compression.

    Raises:
        Refusal: not a bench, or one that is closed.
        TimeoutError: still open after thirty seconds.
    """
    async with asyncio.timeout(LIMIT_S), connect(bench.raw.url, ssl=bench.trust, compression=None) as connection:
        yield connection


@asynccontextmanager
@checked
async def socketio_client(bench: Bench, **options: Any) -> AsyncIterator[socketio.AsyncSimpleClient]:
    """Connect python-socketio's client to the Socket.IO server.

    Args:
        bench: an open bench.
        options: passed to the client's `connect` (`transports=["websocket"]`).

    Raises:
        Refusal: not a bench, or one that is closed.
    """
    url = bench.socketio.url
    async with bench.http_session() as session, socketio.AsyncSimpleClient(http_session=session) as client:
        await client.connect(url, **options)
        yield client


@asynccontextmanager
@checked
async def packet_client(bench: Bench) -> AsyncIterator[ClientConnection]:
    """Open a plain WebSocket to the Socket.IO server: the packets are what the caller sends as text.

    Raises:
        Refusal: not a bench, or one that is closed.
        TimeoutError: still open after thirty seconds.
    """
    url = websocket_url(bench.socketio.url)
    async with asyncio.timeout(LIMIT_S), connect(url, ssl=bench.trust, compression=None) as connection:
        yield connection


def websocket_url(url: str) -> str:
    """Return the address of a server's WebSocket; that of a Socket.IO server begins with https."""
    return url if url.startswith("wss") else url.replace("https", "wss") + WEBSOCKET_TARGET


@checked
async def try_handshake(url: str, trust: ssl.SSLContext, **options: Any) -> str | int:
    """Try to open a WebSocket, and close it again.

    Args:
        url: of a raw server (wss) or of a Socket.IO server (https).
        trust: the client's context: `bench.trust`.
        options: passed to `connect` of `websockets` (`origin`, `subprotocols`, `additional_headers`).

    Returns:
        The subprotocol that was agreed; without one the first characters of the server's first message. If the
        server refused, the status of its answer.

    Raises:
        Refusal: an argument does not fit.
        TimeoutError: no answer within thirty seconds.
    """
    try:
        async with asyncio.timeout(LIMIT_S), connect(websocket_url(url), ssl=trust, **options) as connection:
            return connection.subprotocol or str(await connection.recv())[:SHOWN]
    except InvalidStatus as refused:
        return refused.response.status_code
