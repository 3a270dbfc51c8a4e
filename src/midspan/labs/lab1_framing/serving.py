"""Steps 12 to 14: serve and connect with TLS (RFC 6455, sections 4 and 7.1); a heartbeat beside a large message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect as library_connect
from websockets.asyncio.server import ServerConnection

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HELLO,
    KEY,
    PING,
    TEXT,
    lab,
    masked,
    outcome,
    said,
)
from midspan.labs.lab1_framing.handshakes import ACCEPT, BYE, SAMPLE_KEY, SHORT_S, soon
from midspan.net.servers import HOST, Authority, raw_server
from midspan.protocols.websocket import read_frames

ASK = (
    f"GET / HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
REFUSED_S = 0.4  # enough for a handshake; a client that ignores the refusal waits so long for a close, twice
NO_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
)


@lab.step(
    "Serve",
    minutes=20,
    lines=29,
    points=3,
    hints=(
        "Three parts under one try each: the opening handshake under a timeout; the handler; the close, in `finally`.",
        "receive_head: append what is read until read_head gives something; an end of the stream inside the "
        "head is a Refused(400, ...).",
        "code = 1001 before the handler, 1000 behind it, 1011 in `except Exception`; `finally: await "
        "socket.close(code)`. For Refused: write error.to_bytes(), then hang_up.",
    ),
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
    hints=(
        "The mirror of `serve`: open the stream, ask, read the head, check the answer, make the Socket.",
        "urllib.parse.urlsplit gives hostname, port, path, query and netloc; a target is never empty: `/` at least. "
        "The key is 16 random bytes in base64.",
        "reader, writer = await asyncio.open_connection(hostname, port, ssl=tls). Whatever fails from there to "
        "the Socket: `except BaseException: writer.transport.abort(); raise`.",
    ),
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
    """Run a server that sends the same bytes to every client."""

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


# Step 14: a large message does not make a heartbeat late (RFC 6455, section 5.4). Judged in bytes, not in seconds.


SIZE, FRAGMENT = 1000, 100
HEADER = 14  # bytes of the longest frame header, key included
MOST_TAKES = 50  # more than these messages need; stops an answer that never ends


@lab.step(
    "A heartbeat is never late",
    minutes=10,
    lines=14,
    points=3,
    hints=(
        "Do not make frames in send: keep messages in a queue, and make one fragment each time somebody takes.",
        "take: what stands in `out` goes first, since control frames are written there. Only when it is empty, "
        "cut one fragment off the first message.",
        "Keep (opcode, memoryview) in `waiting`; what is left of a message goes back to the front as "
        "CONTINUATION. Our own close waits in the same queue.",
    ),
    words={
        "whole-message-first": (
            "A frame cannot be interrupted: what is due soon waits until all of it is gone. Fragments "
            "are the places where something else may pass."
        ),
        "control-waits-in-line": "Control frames pass by the messages that wait: they go out before the next fragment.",
        "fragments-mixed": "Fragments of two messages must not mix: the second begins when the first has ended.",
        "fragment-opcode": (
            "The first fragment has the message's opcode, those behind it have CONTINUATION, the last has FIN."
        ),
        "close-overtakes": "Our own close comes behind the messages that were sent before it; nothing may follow it.",
        "answer-waits": "The answer to the peer's close does not wait for our messages: nobody would read them.",
    },
)
def patient_connection(t: Transcript, PatientConnection: Any) -> None:  # noqa: N803 - the answer is a class
    _fragments(t, PatientConnection)
    _pings(t, PatientConnection)
    _order(t, PatientConnection)
    _closes(t, PatientConnection)


def _end(make: Any, role: str = "server") -> Any:
    return make(role, 2**20, lambda size: KEY[:size], fragment_size=FRAGMENT)


def _takes(one: Any) -> list[bytes]:
    """Call `take` until it gives nothing; return what each call gave."""
    return [data for _, data in zip(range(MOST_TAKES), iter(one.take, b""), strict=False)]


def _fragments(t: Transcript, make: Any) -> None:
    t.say(f"a text of {SIZE} bytes, in fragments of {FRAGMENT}")
    one = _end(make)
    one.send("x" * SIZE)
    taken = _takes(one)
    longest = max(map(len, taken), default=0)
    t.true(
        "each take is one fragment at most",
        longest <= FRAGMENT + HEADER,
        got=f"{longest} bytes",
        expected=f"at most {FRAGMENT} bytes and a header",
        id="whole-message-first",
    )
    frames, rest = read_frames(b"".join(taken))
    t.equal("together they are whole frames", rest, b"")
    t.equal("their payloads are the message", b"".join(frame.payload for frame in frames), b"x" * SIZE)
    opcodes = [(frame.opcode, frame.fin) for frame in frames]
    middle = [(CONTINUATION, False)] * (len(frames) - 2)
    t.equal("opcodes and FIN", opcodes, [(TEXT, False), *middle, (CONTINUATION, True)], id="fragment-opcode")
    for message in ("", b"", "x", b"xy"):
        one.send(message)
        frames, _ = read_frames(b"".join(_takes(one)))
        kind = TEXT if isinstance(message, str) else BINARY
        t.equal(
            f"{type(message).__name__} of length {len(message)} is one frame",
            [(f.opcode, f.fin) for f in frames],
            [(kind, True)],
            id="fragment-opcode",
        )
    client = _end(make, "client")
    client.send(b"x" * SIZE)
    frames, _ = read_frames(b"".join(_takes(client)))
    t.true(
        "a client masks each fragment",
        all(f.masked for f in frames),
        got=[f.masked for f in frames],
        expected="all masked",
        id="client-does-not-mask",
    )


def _pings(t: Transcript, make: Any) -> None:
    for before in (0, 1, 5):
        t.say(f"a message of {SIZE} bytes; {before} of its fragments are taken; then a ping is due")
        one = _end(make)
        one.send(bytes(SIZE))
        for _ in range(before):
            one.take()
        one.ping(b"now")
        ahead = 0
        for data in _takes(one):
            if data[:1] == b"\x89":
                break
            ahead += len(data)
        t.equal("bytes of the message in front of the ping", ahead, 0, id="control-waits-in-line")
    t.say("a pong that is due in the middle of a message")
    one = _end(make)
    one.send(bytes(SIZE))
    one.take()
    t.equal("a ping is heard", list(one.receive(masked(PING, b"p"))), [])
    t.equal("its pong goes out at once", said(one.take())[:1], ["PONG 1 byte 70"], id="control-waits-in-line")


def _order(t: Transcript, make: Any) -> None:
    t.say("two long messages, a ping in the first")
    one = _end(make)
    one.send("a" * 3 * FRAGMENT)
    one.send("b" * 3 * FRAGMENT)
    first = one.take()
    one.ping()
    frames, _ = read_frames(first + b"".join(_takes(one)))
    letters = "".join(chr(frame.payload[0]) for frame in frames if frame.opcode != PING)
    t.equal(
        "the second begins when the first has ended",
        letters.lstrip("a"),
        "b" * letters.count("b"),
        id="fragments-mixed",
    )
    t.equal("nothing is missing", sum(len(f.payload) for f in frames), 6 * FRAGMENT)


def _closes(t: Transcript, make: Any) -> None:
    t.say("we send, then close")
    one = _end(make)
    one.send("x" * 2 * FRAGMENT)
    one.close(1000, "enough")
    one.close(1001)
    t.equal("to send now", outcome(one.send, "late"), "Closed 1006", id="data-after-close")
    frames, _ = read_frames(b"".join(_takes(one)))
    got = [str(frame) if frame.opcode == CLOSE else "data" for frame in frames]
    t.equal("the close comes last", got[-1:], ['CLOSE 1000 "enough"'], id="close-overtakes")
    size = sum(len(frame.payload) for frame in frames if frame.opcode != CLOSE)
    t.equal("behind all that was sent", size, 2 * FRAGMENT, id="close-overtakes")
    t.equal("once", got.count(got[-1]), 1, id="second-close")
    for data, expected, what in (
        (masked(CLOSE, b"\x03\xe9"), "CLOSE 1001", "the peer closes"),
        (b"\x83", "CLOSE 1002", "the peer breaks a rule"),
    ):
        t.say(f"{what} while a long message goes out")
        one = _end(make)
        one.send(bytes(SIZE))
        one.close()
        one.take()
        t.equal("nothing is heard", list(one.receive(data)), [])
        lines = said(b"".join(_takes(one)))
        t.equal(
            "the close goes out, and nothing else",
            [" ".join(line.split()[:2]) for line in lines],
            [expected],
            id="answer-waits",
        )
