"""Step 12: a connection on a stream, and how both ends of TCP end (RFC 6455 sections 7.1 and 7.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import HELLO, client_frame, frames_in_words, lab, server_frame
from midspan.labs.lab1_framing.given import CLOSE, PING, TEXT
from midspan.net.servers import HOST

# Both ends of a TCP connection, for the checks of steps 12 and 13.


T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

BYE = client_frame(CLOSE, b"\x03\xe8")
WITHIN_S = 1.0  # for one action of an answer, which takes a few milliseconds
LONG_S = 60.0  # a timeout that must not expire
SHORT_S = 0.03  # a timeout for an answer that must expire


def within_a_second(t: Transcript, what: str, awaitable: Awaitable[T], id: str = "") -> Awaitable[T]:
    """Wait as long as a busy machine may need, but shorter than the step's limit."""
    return t.soon(what, awaitable, within_s=WITHIN_S, id=id)


@asynccontextmanager
async def stream_pair() -> AsyncIterator[tuple[Streams, Streams]]:
    """Open both ends of one TCP connection on loopback: ours, a server's, and those of a client."""
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


# Step 12a: messages on a stream of bytes.


@lab.step(
    "Messages on a stream",
    minutes=25,
    lines=14,
    points=3,
    hints=(
        "recv: give a message if there is one; else write what is due; else read more. In this order, in a loop.",
        "self.messages is the generator of the last bytes: `for message in self.messages: return message` "
        "takes one and leaves the rest where it is. flush goes on until take() gives nothing.",
        "flush: while data := self.connection.take(): self.writer.write(data); await self.writer.drain(); await "
        "asyncio.sleep(0); except OSError: self.connection.eof(). recv, behind the flush: if connection.done raise "
        "Closed(close_code, close_reason); then self.messages = self.connection.receive(await self.read()).",
    ),
    words={
        "recv-is-read": ("One read is not one message: keep the bytes that came, and wait for those that are missing."),
        "no-flush-in-recv": (
            "Send pongs and closes as soon as the bytes that ask for them were read, not with our next message."
        ),
        "one-take-per-flush": "`take` gives one part at a time: flush must call it until it gives nothing.",
    },
)
async def message_stream(t: Transcript, MessageStream: Any, Connection: Any) -> None:  # noqa: N803 - classes
    await _writes(t, MessageStream)
    await _reads(t, MessageStream, Connection)
    await _ends(t, MessageStream, Connection)


class _InParts:
    """A connection that has three parts to be written, and receives nothing."""

    def __init__(self) -> None:
        self.parts, self.done, self.close_code, self.close_reason = [b"one", b"two", b"three"], False, 1006, ""

    def take(self) -> bytes:
        return self.parts.pop(0) if self.parts else b""

    def receive(self, _: bytes) -> Iterator[str]:
        return iter(())

    def eof(self) -> None:
        self.done = True


async def _writes(t: Transcript, make: Any) -> None:
    async with stream_pair() as (ours, (reader, _)):
        t.say("a connection whose take() gives three parts, one after the other")
        await within_a_second(t, "flush returns", make(_InParts(), *ours).flush())
        ours[1].close()
        sent = await within_a_second(t, "the bytes", reader.read())
        t.equal("all of them are written", sent, b"onetwothree", id="one-take-per-flush")


async def _reads(t: Transcript, make: Any, connection: Any) -> None:
    async with stream_pair() as (ours, (reader, writer)):
        t.say("two messages and half of a third behind the handshake; then the rest, and two more")
        socket = make(connection("server"), *ours, arrived=HELLO * 2 + HELLO[:7], timeout_s=SHORT_S)
        writer.write(HELLO[7:] + HELLO * 2)
        for _ in range(5):
            message = await within_a_second(t, "a message", socket.recv(), id="recv-is-read")
            t.equal("recv gives", message, "Hello", id="recv-is-read")
        t.say("a ping, while no message comes")
        waiting = asyncio.ensure_future(socket.recv())
        writer.write(client_frame(PING, b"p"))
        pong = await within_a_second(t, "its pong", reader.readexactly(3), id="no-flush-in-recv")
        t.equal("as bytes", pong, b"\x8a\x01p", id="pong-without-payload")
        writer.write(HELLO)
        t.equal("recv goes on waiting", await within_a_second(t, "the next message", waiting), "Hello")
        t.say("we send")
        await socket.send("Hi")
        sent = await within_a_second(t, "they are written", reader.readexactly(4))
        t.equal("the bytes", sent, server_frame(TEXT, b"Hi"))


async def _ends(t: Transcript, make: Any, connection: Any) -> None:
    for data, expected, what in (
        (b"", "Closed 1006", "TCP ends without a close"),
        (HELLO[:4], "Closed 1006", "TCP ends inside a frame"),
        (BYE, "Closed 1000", "the peer closes with 1000"),
    ):
        async with stream_pair() as (ours, (_, writer)):
            t.say(what)
            socket = make(connection("server"), *ours, timeout_s=SHORT_S)
            writer.write(data)
            writer.write_eof()
            raised = await within_a_second(t, "recv ends", _closed(socket))
            t.equal("recv raises", raised, expected, id="eof-is-1000")


async def _closed(socket: Any) -> str:
    """Return what `recv` raises at the end of the connection."""
    try:
        return f"the message {await socket.recv()!r}"
    except Exception as error:
        if type(error).__name__ != "Closed":
            raise
        return f"Closed {getattr(error, 'code', None)}"


# Step 12b: how both ends of TCP end (RFC 6455, sections 7.1 and 7.2).


@lab.step(
    "The end of a connection",
    minutes=15,
    lines=8,
    points=2,
    hints=(
        "Three actions in this order: send our close; read all that still comes, until the "
        "connection is done; end TCP.",
        "`async for _ in self: pass` reads to the end of the messages, and flushes on the way. asyncio.timeout(s) "
        "limits it; it raises TimeoutError.",
        "connection.close(code, reason); then `with suppress(TimeoutError)` around `async with "
        "asyncio.timeout(self.timeout_s)` around the loop; and in `finally`: await hang_up(self.connection.role, "
        "self.reader, self.writer, self.timeout_s).",
    ),
    words={
        "tcp-left-open": "After both closes the server ends TCP at once; a client waits for that.",
        "waits-for-ever": "Wait for a peer that never answers as long as the timeout says, and no longer.",
    },
)
async def socket(t: Transcript, Socket: Any, Connection: Any) -> None:  # noqa: N803 - the answers are classes
    await _server_closes(t, Socket, Connection)
    await _client_closes(t, Socket, Connection)


async def _server_closes(t: Transcript, make: Any, connection: Any) -> None:
    async with stream_pair() as (ours, (reader, writer)):
        t.say("section 7.1.1: a server closes; the client answers, and still keeps its TCP open")
        closing = asyncio.ensure_future(make(connection("server"), *ours, timeout_s=LONG_S).close(1001))
        sent = await within_a_second(t, "is written", reader.readexactly(4))
        t.equal("our close", frames_in_words(sent), ["CLOSE 1001"])
        writer.write(BYE)
        last = await within_a_second(t, "the end of TCP", reader.read(), id="tcp-left-open")
        t.equal("TCP ends behind it", last, b"", id="tcp-left-open")
        writer.close()
        what = "close() returns when the client has ended TCP too"
        await within_a_second(t, what, closing, id="waits-for-ever")
    async with stream_pair() as (ours, (reader, _)):
        t.say("a client that never answers")
        closing = make(connection("server"), *ours, timeout_s=SHORT_S).close()
        await within_a_second(t, "close() returns", closing, id="waits-for-ever")
        await within_a_second(t, "TCP has ended", reader.read(), id="tcp-left-open")


async def _client_closes(t: Transcript, make: Any, connection: Any) -> None:
    async with stream_pair() as (ours, (reader, writer)):
        t.say("a client closes; the server answers and ends TCP")
        closing = asyncio.ensure_future(make(connection("client"), *ours, timeout_s=LONG_S).close())
        sent = await within_a_second(t, "is written", reader.readexactly(8))
        t.equal("our close", frames_in_words(sent), ["CLOSE 1000"])
        writer.write(server_frame(CLOSE, b"\x03\xe8"))
        early, _ = await asyncio.wait({asyncio.ensure_future(reader.read())}, timeout=SHORT_S)
        t.true("the client waits for the server to end TCP", not early, got="TCP ended", expected="still open",
               id="tcp-left-open")  # fmt: skip
        writer.close()
        await within_a_second(t, "close() returns", closing, id="waits-for-ever")
