"""A server, a tap before it, and a client that speaks through it, one way or another: between real libraries.

Whoever says a message gets control back when all that belongs to it has crossed the tap.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import socketio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

from midspan.bench.said import HELLO, SEPARATORS, Said, Way
from midspan.records.capture import Capture
from midspan.records.dissect import dissect
from midspan.wires.certs import HOST, Authority
from midspan.wires.http import http_session
from midspan.wires.servers import raw_server, socketio_server
from midspan.wires.tap import Tap, tap

LOOK_EVERY_S = 0.002

Say = Callable[[Said, bool], Awaitable[None]]  # returns when all that belongs to the message has crossed the tap


@asynccontextmanager
async def conversation(way: Way, authority: Authority, tls: bool, deflate: bool) -> AsyncIterator[tuple[Tap, Say]]:
    """A server, a tap before it, and a client that is connected through the tap."""
    speak = _socketio if way.protocol == "Socket.IO" else _raw
    async with speak(way, authority if tls else None, deflate) as (seen, say):
        yield seen, say


@asynccontextmanager
async def _raw(way: Way, authority: Authority | None, deflate: bool) -> AsyncIterator[tuple[Tap, Say]]:
    """`websockets` at both ends."""
    server_tls, client_tls = _contexts(authority)
    options: dict[str, Any] = {"compression": "deflate" if deflate else None, "ping_interval": None, "max_size": None}
    received: asyncio.Queue[str | bytes] = asyncio.Queue()
    numbers = iter(range(1, 10**6))

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            received.put_nowait(message)
            if number := _number(message):
                await connection.send(json.dumps({"ack": number}, separators=SEPARATORS))

    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(raw_server(handler, server_tls, **options))
        seen = await stack.enter_async_context(tap(served.port, authority))
        address = f"{'wss' if client_tls else 'ws'}://{HOST}:{seen.port}"
        client = await stack.enter_async_context(connect(address, ssl=client_tls, **options))

        async def say(said: Said, acknowledged: bool) -> None:
            raw = way.protocol == "raw" and said is not HELLO
            plain = said.data if isinstance(said.data, bytes) else said.payload.decode()
            await client.send(plain if raw else said.enveloped(next(numbers) if acknowledged else None))
            await received.get()
            if acknowledged:
                await client.recv()

        yield seen, say


def _number(message: str | bytes) -> int:
    """The number in an envelope that asks for an acknowledgement; 0 where there is none."""
    head = message.partition(b"\n")[0] if isinstance(message, bytes) else message
    try:
        envelope = json.loads(head)
    except ValueError:  # raw bytes, which are no envelope
        return 0
    return envelope[-1] if isinstance(envelope, list) and isinstance(envelope[-1], int) else 0


@asynccontextmanager
async def _socketio(way: Way, authority: Authority | None, deflate: bool) -> AsyncIterator[tuple[Tap, Say]]:
    """python-socketio at both ends, on one transport."""
    server_tls, client_tls = _contexts(authority)
    received: asyncio.Queue[Any] = asyncio.Queue()

    def register(sio: socketio.AsyncServer) -> None:
        async def any_event(_event: str, _sid: str, *data: Any) -> None:
            received.put_nowait(data)

        sio.on("*", any_event)

    async with AsyncExitStack() as stack:
        serving = socketio_server(register, server_tls, http_compression=deflate)
        served = await stack.enter_async_context(serving)
        seen = await stack.enter_async_context(tap(served.port, authority))
        http = await stack.enter_async_context(http_session(client_tls))
        options = {"websocket_extra_options": {"compress": 15 if deflate else 0}}
        client = socketio.AsyncClient(http_session=http, reconnection=False, **options)
        transports = None if way.transport == "upgrade" else [way.transport]
        await client.connect(f"http{'s' if client_tls else ''}://{HOST}:{seen.port}", transports=transports)
        stack.push_async_callback(_leave, client)

        async def say(said: Said, acknowledged: bool) -> None:
            ask: Any = client.call if acknowledged else client.emit
            await ask(said.event, said.data)
            await received.get()
            while way.transport == "polling" and not _at_rest(seen.capture):  # noqa: ASYNC110 (a tap tells nobody)
                await asyncio.sleep(LOOK_EVERY_S)

        yield seen, say


def _contexts(authority: Authority | None) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """The server's and the client's; without an authority there is no TLS."""
    return (authority.server, authority.client) if authority else (None, None)


async def _leave(client: socketio.AsyncClient) -> None:
    """Disconnect and let nothing go on: a client that polls would open one more connection to say so, and wait."""
    tasks = [client.eio.read_loop_task, client.eio.write_loop_task]
    await client.eio.disconnect(abort=True)
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _at_rest(capture: Capture) -> bool:
    """Whether each request but one has its answer: the one that waits for the server's next packet."""
    heads = dissect(Capture(capture.before + capture.chunks)).heads()
    requests = [head for head in heads if head.method]
    return len(requests) - (len(heads) - len(requests)) == 1
