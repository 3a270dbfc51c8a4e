"""Steps 12 and 13: serve and connect, over TLS, against raw bytes and against `websockets` (sections 4 and 7.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect as library_connect
from websockets.asyncio.server import ServerConnection

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.opening import ACCEPT, SAMPLE_KEY
from midspan.checks.lab1_framing.sockets import BYE, SHORT_S, soon
from midspan.checks.lab1_framing.wire import HELLO, said
from midspan.wires.certs import HOST, Authority
from midspan.wires.servers import raw_server

ASK = (
    f"GET / HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
REFUSED_S = 0.4  # enough for a handshake; who takes the refusal for an answer waits as long for a close, twice
NO_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
)


@lab.step(
    "Serve",
    minutes=20,
    lines=29,
    points=3,
    hints=HINTS["serve"],
)
async def serve(t: Transcript, serve: Any, echo: Any) -> None:
    await _refusals(t, serve, echo)
    await _handlers(t, serve)
    authority = Authority()
    t.say("over TLS, a client of `websockets`")
    async with await serve(echo, tls=authority.server) as server:
        async with library_connect(f"wss://{HOST}:{server.port}/", ssl=authority.client, compression=None) as client:
            for message in ("Hi", b"\x00\xff", "", "grüß" * 1000, bytes(2**18)):
                await client.send(message)
                what = f"{type(message).__name__} of length {len(message)} comes back"
                t.equal(what, await soon(t, "an answer", client.recv()), message)
            await soon(t, "a ping is answered", await client.ping(), id="no-flush-in-recv")
        t.equal("the close is answered with its code", client.close_code, 1000, id="close-not-answered")
        async with library_connect(f"wss://{HOST}:{server.port}/", ssl=authority.client) as client:
            server.close()
            await soon(t, "the server goes: the client is told", client.wait_closed(), id="handler-ends-open")
            t.equal("with 1001, going away", client.close_code, 1001)


async def _answer(t: Transcript, server: Any, data: bytes, end: bool = False, id: str = "tcp-left-open") -> bytes:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        writer.write(data)
        if end:
            writer.write_eof()
        return await soon(t, "TCP ends", reader.read(), id=id)
    finally:
        writer.transport.abort()


async def _refusals(t: Transcript, serve: Any, echo: Any) -> None:
    async with await serve(echo) as server:
        t.say("a handshake, a frame and a close in one piece")
        head, _, rest = (await _answer(t, server, ASK + HELLO + BYE, id="rest-dropped")).partition(b"\r\n\r\n")
        t.true("the handshake is answered", ACCEPT.encode() in head, got=head, expected="101 with the accept key")
        t.equal("so are the frames", said(rest), ['TEXT fin 5 bytes "Hello"', "CLOSE 1000"], id="rest-dropped")
        for change, status in (
            (ASK.replace(b" 13\r", b" 8\r"), 426),
            (ASK.replace(b"GET", b"POST"), 405),
            (b"Hello?\r\n\r\n", 400),
        ):
            t.say(f"a request that is refused with {status}")
            got = await _answer(t, server, change)
            t.equal("the response", got[:12], b"HTTP/1.1 %d" % status, id="refusal-not-sent")
        t.say("half of a request, and then the end")
        t.equal(
            "the response", (await _answer(t, server, ASK[:20], end=True))[:12], b"HTTP/1.1 400", id="refusal-not-sent"
        )
    async with await serve(echo, timeout_s=SHORT_S) as server:
        t.say("half of a request, and then nothing")
        await _answer(t, server, ASK[:20])


async def _handlers(t: Transcript, serve: Any) -> None:
    async def leaves(socket: Any) -> None:
        await socket.send("bye")

    async with await serve(leaves) as server:
        t.say("a handler that sends a message and returns")
        _, _, rest = (await _answer(t, server, ASK + BYE)).partition(b"\r\n\r\n")
        t.equal(
            "the message, then a close", said(rest), ['TEXT fin 3 bytes "bye"', "CLOSE 1000"], id="handler-ends-open"
        )


@lab.step(
    "Connect",
    minutes=10,
    lines=15,
    points=2,
    hints=HINTS["connect"],
)
async def connect(t: Transcript, connect: Any) -> None:
    authority, asked = Authority(), []

    async def handler(connection: ServerConnection) -> None:
        request = connection.request
        asked.append(request.path if request else "")
        async for message in connection:
            await connection.send(message)

    t.say("over TLS, a server of `websockets`")
    async with raw_server(handler, authority.server) as served:
        async with connect(f"{served.url}/chat?room=a", tls=authority.client) as socket:
            for message in ("Hi", b"\x00\xff", "", "grüß" * 1000, bytes(2**18)):
                await soon(t, "a message goes out", socket.send(message))
                what = f"{type(message).__name__} of length {len(message)} comes back"
                t.equal(what, await soon(t, "an answer", socket.recv()), message)
        t.equal("the server was asked for", asked, ["/chat?room=a"])
        t.equal("the close was answered", socket.connection.close_code, 1000, id="close-not-answered")
    for answer, status in ((b"HTTP/1.1 403 Forbidden\r\n\r\n", 403), (NO_ACCEPT, 101)):
        t.say(f"a server that answers {status}{' with a wrong Accept' if status == 101 else ''}")
        async with _says(answer) as port:
            with t.raising("connect raises Refused", Exception, where=_is_refused(status), id="accept-not-checked"):
                async with connect(f"ws://{HOST}:{port}/", timeout_s=REFUSED_S):
                    pass


def _is_refused(status: int) -> Callable[[Exception], bool]:
    return lambda error: getattr(error, "status", None) == status


@asynccontextmanager
async def _says(answer: bytes) -> AsyncIterator[int]:
    """A server that says the same to everyone."""

    writers: list[asyncio.StreamWriter] = []

    def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer)

    server = await asyncio.start_server(speak, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
