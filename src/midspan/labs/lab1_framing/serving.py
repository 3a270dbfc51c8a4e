"""Steps 13 and 14: servers and clients with TLS (RFC 6455 sections 4 and 7.1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from websockets.asyncio.client import connect as library_connect
from websockets.asyncio.server import ServerConnection

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import HELLO, frames_in_words, lab
from midspan.labs.lab1_framing.handshakes import ACCEPT, SAMPLE_KEY
from midspan.labs.lab1_framing.streams import BYE, LONG_S, SHORT_S, stream_pair, within_a_second
from midspan.net.servers import HOST, Authority, raw_server

REQUEST = (
    f"GET / HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
NO_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
)
REFUSED_S = 0.4  # enough for a handshake; a client that ignores the refusal waits so long for a close, twice


# Step 13a: the opening handshake on a stream (RFC 6455, section 4.2).


@lab.step(
    "Accept a connection",
    minutes=29,
    lines=16,
    points=2,
    hints=(
        "receive_head: append what is read until read_head gives something. accept: one try under a timeout, and one "
        "except for the three ways in which a handshake fails.",
        "An end of the stream inside the head is a Refused(400, ...). The ways to fail are Refused, TimeoutError and "
        "OSError; only the first has something to write: error.to_bytes().",
        "accept: async with asyncio.timeout(timeout_s): start, headers, rest = await receive_head(reader); "
        "writer.write(answer_request(start, headers)); return rest. In the except: write, then await "
        'hang_up("server", reader, writer, timeout_s), then return None.',
    ),
    words={"refusal-not-sent": "Send the refusal to the client, as an HTTP response, and then end TCP."},
)
async def accept(t: Transcript, receive_head: Any, accept: Any) -> None:
    t.say("a head in three pieces, and a frame behind it")
    stream = asyncio.StreamReader()
    waiting = asyncio.ensure_future(receive_head(stream))
    for part in (REQUEST[:20], REQUEST[20:90], REQUEST[90:] + HELLO):
        stream.feed_data(part)
        await asyncio.sleep(0)
    stream.feed_eof()
    start, headers, rest = await within_a_second(t, "receive_head returns", waiting)
    t.equal("the first line, and Host", (start, headers.get("host")), ("GET / HTTP/1.1", [HOST]))
    t.equal("the frame is not lost", rest + await stream.read(), HELLO, id="rest-dropped")
    async with stream_pair() as (ours, (reader, writer)):
        t.say("a request and a frame in one piece")
        writer.write(REQUEST + HELLO)
        rest = await within_a_second(t, "accept returns", accept(*ours, LONG_S))
        answer = await within_a_second(t, "the answer", reader.readuntil(b"\r\n\r\n"))
        t.true("101 with the accept key", ACCEPT.encode() in answer, got=answer, expected="101 with the accept key")
        t.true("accept gives what came behind the request", isinstance(rest, bytes), got=rest, expected="bytes",
               id="rest-dropped")  # fmt: skip
        ours[0].feed_eof()
        t.equal("the frame is not lost", rest + await ours[0].read(), HELLO, id="rest-dropped")
    for data, status in (
        (REQUEST.replace(b" 13\r", b" 8\r"), 426),
        (REQUEST.replace(b"GET", b"POST"), 405),
        (b"Hello?\r\n\r\n", 400),
        (REQUEST[:20], 400),
    ):
        await _refused(t, accept, data, status)
    async with stream_pair() as (ours, (reader, writer)):
        t.say("half of a request, and then nothing")
        writer.write(REQUEST[:20])
        rest = await within_a_second(t, "accept returns", accept(*ours, SHORT_S), id="waits-for-ever")
        t.equal("there is no connection", rest, None)
        await within_a_second(t, "TCP has ended", reader.read(), id="tcp-left-open")


async def _refused(t: Transcript, accept: Any, data: bytes, status: int) -> None:
    async with stream_pair() as (ours, (reader, writer)):
        half = not data.endswith(b"\r\n\r\n")
        t.say("half of a request, and then the end" if half else f"a request that is refused with {status}")
        writer.write(data)
        if half:
            writer.write_eof()
        accepting = asyncio.ensure_future(accept(*ours, LONG_S))
        response = await within_a_second(t, "TCP ends", reader.read(), id="refusal-not-sent")
        t.equal("the response", response[:12], b"HTTP/1.1 %d" % status, id="refusal-not-sent")
        writer.close()
        t.equal("there is no connection", await within_a_second(t, "accept returns", accepting), None)


# Step 13b: a server (RFC 6455, section 7.1).


@lab.step(
    "Serve",
    minutes=23,
    lines=13,
    points=3,
    hints=(
        "handle: one try. The handler can end in four ways: it returns, it raises Closed, it "
        "raises another error, it is cancelled. Each way has its code, and `finally` closes.",
        "A variable `code` holds the code of the close. asyncio cancels the handler when the "
        "server is closed. Then none of your except clauses runs, and `code` still has its value "
        "from before the handler.",
        "code = 1001 before the handler, 1000 behind it, 1011 in `except Exception` (with logging.exception); "
        "`except Closed: pass` stands above it; `finally: await socket.close(code)`.",
    ),
    words={
        "handler-ends-open": "When the handler has ended, close the connection: send a close, then end TCP.",
        "failure-is-1000": "A handler that raises is a failure of the server: close with 1011.",
    },
)
async def serve(t: Transcript, serve: Any, handle: Any, echo: Any) -> None:
    del handle  # the server calls it
    async with await serve(echo) as server:
        t.say("a handshake, a frame and a close in one piece")
        head, _, rest = (await _answer(t, server, REQUEST + HELLO + BYE)).partition(b"\r\n\r\n")
        t.true("the handshake is answered", ACCEPT.encode() in head, got=head, expected="101 with the accept key")
        expected = ['TEXT fin 5 bytes "Hello"', "CLOSE 1000"]
        t.equal("so are the frames", frames_in_words(rest), expected, id="" if rest else "rest-dropped")
    await _handlers(t, serve)
    await _clients(t, serve, echo)


async def _answer(t: Transcript, server: Any, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        writer.write(data)
        return await within_a_second(t, "TCP ends", reader.read(), id="handler-ends-open")
    finally:
        writer.transport.abort()


async def _handlers(t: Transcript, serve: Any) -> None:
    async def leaves(socket: Any) -> None:
        await socket.send("bye")

    async def fails(socket: Any) -> None:
        await socket.send("bye")
        raise LookupError

    for handler, what, code, id in (
        (leaves, "sends a message and returns", 1000, "handler-ends-open"),
        (fails, "sends a message and raises LookupError", 1011, "failure-is-1000"),
    ):
        with _without_logs():
            async with await serve(handler) as server:
                t.say(f"a handler that {what}")
                _, _, rest = (await _answer(t, server, REQUEST + BYE)).partition(b"\r\n\r\n")
                expected = ['TEXT fin 3 bytes "bye"', f"CLOSE {code}"]
                t.equal("the message, then a close", frames_in_words(rest), expected, id=id)


@contextmanager
def _without_logs() -> Iterator[None]:
    """The handler fails on purpose: its log entry would stand in the learner's notebook."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


async def _clients(t: Transcript, serve: Any, echo: Any) -> None:
    authority = Authority()
    t.say("over TLS, a client of `websockets`")
    async with await serve(echo, tls=authority.server) as server:
        url = f"wss://{HOST}:{server.port}/"
        async with library_connect(url, ssl=authority.client, compression=None) as client:
            await _answers_each(t, client)
            await within_a_second(t, "a ping is answered", await client.ping(), id="no-flush-in-recv")
        t.equal("the close is answered with its code", client.close_code, 1000, id="close-not-answered")
        async with library_connect(url, ssl=authority.client) as client:
            server.close()
            what = "the server ends: the client gets a close"
            await within_a_second(t, what, client.wait_closed(), id="handler-ends-open")
            t.equal("with 1001, going away", client.close_code, 1001)


async def _answers_each(t: Transcript, client: Any) -> None:
    for message in ("Hi", b"\x00\xff", "", "grüß" * 1000, bytes(2**18)):
        await within_a_second(t, "a message goes out", client.send(message))
        what = f"{type(message).__name__} of length {len(message)} comes back"
        t.equal(what, await within_a_second(t, "an answer", client.recv()), message)


# Step 14: a client (RFC 6455, section 4.1).


@lab.step(
    "Connect",
    minutes=27,
    lines=15,
    points=2,
    hints=(
        "The client's side of `accept`: open the stream, send the request, read the head, check "
        "the answer, make the Socket.",
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
            await _answers_each(t, socket)
        t.equal("the server was asked for", asked, ["/chat?room=a"])
        t.equal("the close was answered", socket.connection.close_code, 1000, id="close-not-answered")
    for answer, status in ((b"HTTP/1.1 403 Forbidden\r\n\r\n", 403), (NO_ACCEPT, 101)):
        t.say(f"a server that answers {status}{' with a wrong Accept' if status == 101 else ''}")
        async with _server_that_sends(answer) as port:
            with t.raising("connect raises Refused", Exception, where=_is_refused(status), id="accept-not-checked"):
                async with connect(f"ws://{HOST}:{port}/", timeout_s=REFUSED_S):
                    pass


def _is_refused(status: int) -> Callable[[Exception], bool]:
    return lambda error: getattr(error, "status", None) == status


@asynccontextmanager
async def _server_that_sends(answer: bytes) -> AsyncIterator[int]:
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
