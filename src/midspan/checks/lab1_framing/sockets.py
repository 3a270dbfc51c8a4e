"""Step 11: a connection on a stream of bytes, and how both ends of TCP end (RFC 6455, sections 7.1 and 7.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import CLOSE, HELLO, PING, TEXT, masked, plain, said
from midspan.wires.certs import HOST

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BYE = masked(CLOSE, b"\x03\xe8")
WITHIN_S = 1.0  # for one thing that an answer owes us; it takes a few milliseconds
LONG_S = 60.0  # a timeout that must not be what ends the waiting
SHORT_S = 0.03  # the timeout that we hand to an answer where it has to expire


def soon(t: Transcript, what: str, awaitable: Awaitable[T], id: str = "") -> Awaitable[T]:
    """As long as a machine that is busy with other things may need, and shorter than the step's limit."""
    return t.soon(what, awaitable, within_s=WITHIN_S, id=id)


@asynccontextmanager
async def _pair() -> AsyncIterator[tuple[Streams, Streams]]:
    """Both ends of one TCP connection on loopback."""
    met: asyncio.Queue[Streams] = asyncio.Queue()
    server = await asyncio.start_server(lambda *streams: met.put_nowait(streams), HOST, 0)
    theirs = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
    ours = await met.get()
    try:
        yield ours, theirs
    finally:
        for _, writer in (ours, theirs):
            writer.transport.abort()
        server.close()
        await server.wait_closed()


async def _closed(socket: Any) -> str:
    """What `recv` raises when there is nothing more to hear."""
    try:
        return f"the message {await socket.recv()!r}"
    except Exception as error:
        if type(error).__name__ != "Closed":
            raise
        return f"Closed {getattr(error, 'code', None)}"


@lab.step(
    "A connection on a stream",
    minutes=20,
    lines=41,
    points=3,
    hints=HINTS["socket"],
)
async def socket(t: Transcript, Socket: Any, Connection: Any) -> None:  # noqa: N803 - the answers are classes
    await _reads(t, Socket, Connection)
    await _ends(t, Socket, Connection)
    await _server_closes(t, Socket, Connection)
    await _client_closes(t, Socket, Connection)


async def _reads(t: Transcript, make: Any, connection: Any) -> None:
    async with _pair() as (ours, (reader, writer)):
        t.say("two messages and half of a third behind the handshake; then the rest, and two more")
        socket = make(connection("server"), *ours, arrived=HELLO * 2 + HELLO[:7], timeout_s=SHORT_S)
        writer.write(HELLO[7:] + HELLO * 2)
        for _ in range(5):
            t.equal(
                "recv gives", await soon(t, "a message", socket.recv(), id="recv-is-read"), "Hello", id="recv-is-read"
            )
        t.say("a ping, while nobody sends anything")
        waiting = asyncio.ensure_future(socket.recv())
        writer.write(masked(PING, b"p"))
        pong = await soon(t, "its pong", reader.readexactly(3), id="no-flush-in-recv")
        t.equal("as bytes", pong, b"\x8a\x01p", id="pong-without-payload")
        writer.write(HELLO)
        t.equal("recv goes on waiting", await soon(t, "the next message", waiting), "Hello")
        t.say("we send")
        await socket.send("Hi")
        t.equal("the bytes", await soon(t, "they are written", reader.readexactly(4)), plain(TEXT, b"Hi"))


async def _ends(t: Transcript, make: Any, connection: Any) -> None:
    for data, expected, what in (
        (b"", "Closed 1006", "TCP ends without a close"),
        (HELLO[:4], "Closed 1006", "TCP ends inside a frame"),
        (BYE, "Closed 1000", "the peer closes with 1000"),
    ):
        async with _pair() as (ours, (_, writer)):
            t.say(what)
            socket = make(connection("server"), *ours, timeout_s=SHORT_S)
            writer.write(data)
            writer.write_eof()
            t.equal("recv raises", await soon(t, "recv ends", _closed(socket)), expected, id="eof-is-1000")


async def _server_closes(t: Transcript, make: Any, connection: Any) -> None:
    async with _pair() as (ours, (reader, writer)):
        t.say("section 7.1.1: a server closes; the client answers, and still keeps its TCP open")
        closing = asyncio.ensure_future(make(connection("server"), *ours, timeout_s=LONG_S).close(1001))
        t.equal("our close", said(await soon(t, "is written", reader.readexactly(4))), ["CLOSE 1001"])
        writer.write(BYE)
        t.equal(
            "TCP ends behind it",
            await soon(t, "the end of TCP", reader.read(), id="tcp-left-open"),
            b"",
            id="tcp-left-open",
        )
        writer.close()
        await soon(t, "close() returns when the client has ended TCP too", closing, id="waits-for-ever")
    async with _pair() as (ours, (reader, _)):
        t.say("a client that never answers")
        await soon(
            t, "close() returns", make(connection("server"), *ours, timeout_s=SHORT_S).close(), id="waits-for-ever"
        )
        await soon(t, "TCP has ended", reader.read(), id="tcp-left-open")


async def _client_closes(t: Transcript, make: Any, connection: Any) -> None:
    async with _pair() as (ours, (reader, writer)):
        t.say("a client closes; the server answers and ends TCP")
        closing = asyncio.ensure_future(make(connection("client"), *ours, timeout_s=LONG_S).close())
        t.equal("our close", said(await soon(t, "is written", reader.readexactly(8))), ["CLOSE 1000"])
        writer.write(plain(CLOSE, b"\x03\xe8"))
        early, _ = await asyncio.wait({asyncio.ensure_future(reader.read())}, timeout=SHORT_S)
        t.true(
            "the client waits for the server to end TCP",
            not early,
            got="TCP ended",
            expected="still open",
            id="tcp-left-open",
        )
        writer.close()
        await soon(t, "close() returns", closing, id="waits-for-ever")
