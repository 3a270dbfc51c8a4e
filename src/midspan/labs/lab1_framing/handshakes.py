"""Steps 8 to 11: the opening handshake on both ends, and a socket that gives messages (RFC 6455 section 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import CLOSE, HELLO, PING, TEXT, lab, masked, outcome, plain, said
from midspan.net.servers import HOST

# Steps 8 to 10: the opening handshake (RFC 6455, section 4).


SAMPLE_KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
OTHER = "HSmrc0sMlYUkAGmm5OPpG2HaGWk="  # the answer to another key
FIELDS = f"Host: server.example\r\nSec-WebSocket-Key:{SAMPLE_KEY}\r\nX: 1\r\nx:  2 \r\n"
HEAD = f"GET /chat HTTP/1.1\r\n{FIELDS}\r\n".encode()
HEADERS = {"host": ["server.example"], "sec-websocket-key": [SAMPLE_KEY], "x": ["1", "2"]}
ASKED = {
    "host": ["server.example"],
    "upgrade": ["websocket"],
    "connection": ["Upgrade"],
    "sec-websocket-key": [SAMPLE_KEY],
    "sec-websocket-version": ["13"],
}
GET = "GET /chat HTTP/1.1"
SWITCHING = "HTTP/1.1 101 Switching Protocols"
ANSWERED = {"upgrade": ["websocket"], "connection": ["Upgrade"], "sec-websocket-accept": [ACCEPT]}

AS_GOOD: tuple[dict[str, list[str]], ...] = (
    {"upgrade": ["h2c, WebSocket"]},
    {"upgrade": ["h2c", "websocket"]},
    {"connection": ["keep-alive, upgrade"]},
    {"connection": ["keep-alive", "UPGRADE"]},
    {"content-length": ["0"]},
    {"sec-websocket-extensions": ["permessage-deflate"]},
)

# what; start line; headers that differ (an empty list: not there); status; misconception
REFUSALS: list[tuple[str, str, dict[str, list[str]], int, str]] = [
    ("the method is POST", "POST /chat HTTP/1.1", {}, 405, "request-not-checked"),
    ("HTTP/1.0", "GET /chat HTTP/1.0", {}, 400, "request-not-checked"),
    ("no target", "GET HTTP/1.1", {}, 400, "request-not-checked"),
    ("a fragment in the target (section 3)", "GET /chat#here HTTP/1.1", {}, 400, "request-not-checked"),
    ("no Host", GET, {"host": []}, 400, "request-not-checked"),
    ("two Hosts", GET, {"host": ["a.example", "b.example"]}, 400, "request-not-checked"),
    ("no Upgrade", GET, {"upgrade": []}, 426, "request-not-checked"),
    ("Upgrade: h2c", GET, {"upgrade": ["h2c"]}, 426, "request-not-checked"),
    ("Upgrade: websockets", GET, {"upgrade": ["websockets"]}, 426, "header-value-not-list"),
    ("no Connection", GET, {"connection": []}, 400, "request-not-checked"),
    ("Connection: keep-alive", GET, {"connection": ["keep-alive"]}, 400, "request-not-checked"),
    ("no version", GET, {"sec-websocket-version": []}, 426, "version-not-told"),
    ("version 8", GET, {"sec-websocket-version": ["8"]}, 426, "version-not-told"),
    ("no key", GET, {"sec-websocket-key": []}, 400, "key-not-checked"),
    ("two keys", GET, {"sec-websocket-key": [SAMPLE_KEY, SAMPLE_KEY]}, 400, "key-not-checked"),
    ("a key of 15 bytes", GET, {"sec-websocket-key": ["AAAAAAAAAAAAAAAAAAAA"]}, 400, "key-not-checked"),
    ("a key of 17 bytes", GET, {"sec-websocket-key": ["AAAAAAAAAAAAAAAAAAAAAAA="]}, 400, "key-not-checked"),
    ("a key that is no base64", GET, {"sec-websocket-key": ["dGhlIHNhbXBsZSBub25j!Q=="]}, 400, "key-not-checked"),
    ("a body", GET, {"content-length": ["5"]}, 400, "request-not-checked"),
    ("a body of unknown length", GET, {"transfer-encoding": ["chunked"]}, 400, "request-not-checked"),
]  # fmt: skip
ANSWERS: list[tuple[str, str, dict[str, list[str]], int, str]] = [
    ("status 200", "HTTP/1.1 200 OK", {}, 200, "status-not-checked"),
    ("status 403", "HTTP/1.1 403 Forbidden", {}, 403, "status-not-checked"),
    ("HTTP/1.0", "HTTP/1.0 101 Switching Protocols", {}, 400, "status-not-checked"),
    ("no Upgrade", SWITCHING, {"upgrade": []}, 101, "request-not-checked"),
    ("Upgrade: h2c", SWITCHING, {"upgrade": ["h2c"]}, 101, "request-not-checked"),
    ("no Connection", SWITCHING, {"connection": []}, 101, "request-not-checked"),
    ("no Accept", SWITCHING, {"sec-websocket-accept": []}, 101, "accept-not-checked"),
    ("the Accept of another key", SWITCHING, {"sec-websocket-accept": [OTHER]}, 101, "accept-not-checked"),
    ("Accept in lower case", SWITCHING, {"sec-websocket-accept": [ACCEPT.lower()]}, 101, "accept-not-checked"),
    ("an extension", SWITCHING, {"sec-websocket-extensions": ["permessage-deflate"]}, 101, "unasked-extension"),
    ("a subprotocol", SWITCHING, {"sec-websocket-protocol": ["chat"]}, 101, "unasked-extension"),
]  # fmt: skip


def _with(good: dict[str, list[str]], change: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in {**good, **change}.items() if values}


@lab.step(
    "The head of a request",
    minutes=10,
    lines=15,
    points=2,
    hints=(
        "The head ends with the first empty line: CR LF CR LF. Everything behind it belongs to somebody else.",
        'bytes.partition gives head, separator and rest; an empty separator says "not yet". HTTP heads decode '
        "as latin-1, which never fails.",
        'For each line: name, _, value = line.partition(":"); refuse a name that is no token (RFC 9110, '
        'section 5.6.2); headers.setdefault(name.lower(), []).append(value.strip(" \\t")).',
    ),
    words={
        "head-one-recv": "The head can come in pieces: it is there when the blank line is.",
        "rest-dropped": "Bytes behind the blank line are frames already: they must not be lost.",
        "head-unlimited": "A head without an end fills the memory of a server that waits for it.",
        "header-case": "Header names, and the tokens of Upgrade and Connection, are the same in any case.",
        "header-value-not-list": (
            "Upgrade and Connection are lists: the token may stand among others, or on a line of its own."
        ),
        "header-line-accepted": "A line without a name and a colon is no header; a name has no spaces.",
        "request-not-checked": "A request that is not a WebSocket handshake is refused, with the status that says why.",
        "version-not-told": "A server that does not speak the asked version says 426, and which one it speaks.",
        "key-not-checked": "The key is the base64 of 16 bytes: 22 characters and two `=`.",
        "accept-not-checked": (
            "Whoever answers without having read our key is no WebSocket server: a cache, for instance."
        ),
        "status-not-checked": "Only 101 switches protocols; all else is an HTTP answer.",
        "unasked-extension": "What we did not ask for, we do not speak: the connection fails.",
    },
)
def read_head(t: Transcript, read_head: Any) -> None:
    t.say("a request in one piece")
    t.equal("its three parts", outcome(read_head, HEAD), ("GET /chat HTTP/1.1", HEADERS, b""), id="header-case")
    got = outcome(read_head, HEAD + HELLO)
    t.equal("a frame behind it", got[2] if isinstance(got, tuple) else got, HELLO, id="rest-dropped")
    t.say(f"the same {len(HEAD)} bytes, as they come in one by one")
    early = [at for at in range(len(HEAD)) if outcome(read_head, HEAD[:at]) is not None]
    t.equal("before the last byte there is nothing", early, [], id="head-one-recv")
    t.say("what is no head")
    for line in ("no colon", ": no name", "na me: x", "name : x", " folded: x", "x: a\0b"):
        head = f"GET / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode()
        t.equal(f"a line {line!r}", outcome(read_head, head), "Refused 400", id="header-line-accepted")
    got = outcome(read_head, b"GET / HTTP/1.1\r\nHost: x\n")
    t.equal("a line that ends with LF alone", got, "Refused 400", id="header-line-accepted")
    t.equal("99 bytes and no end yet, of at most 99", outcome(read_head, b"x" * 99, 99), None)
    t.equal("one more (status 431)", outcome(read_head, b"x" * 100, 99), "Refused 431", id="head-unlimited")
    whole = b"x: " + b"y" * 97 + b"\r\n\r\n"
    t.equal("one more, and the end is there", outcome(read_head, whole, 99), "Refused 431", id="head-unlimited")


@lab.step(
    "The server's answer",
    minutes=20,
    lines=23,
    points=3,
    hints=(
        "Section 4.2.1 is a list of what a request must have: take it item by item, and refuse with the first "
        "that is missing.",
        "Upgrade and Connection are comma-separated and may stand on several lines: split all of them, strip, "
        "lower. Host and key must be there exactly once.",
        'The key: re.fullmatch(r"[A-Za-z0-9+/]{22}==", key). 426 needs Upgrade, Connection and '
        "Sec-WebSocket-Version: 13 in its headers; 405 needs Allow: GET.",
    ),
)
def answer_request(t: Transcript, answer_request: Any) -> None:
    t.say("the example of section 1.3")
    got = outcome(answer_request, GET, ASKED)
    t.true("the answer is bytes", isinstance(got, bytes), got=got, expected="bytes")
    start, *lines = got.decode().split("\r\n")
    t.true("a status line of 101", start.startswith("HTTP/1.1 101 "), got=start, expected=SWITCHING)
    for line in ("upgrade: websocket", "connection: upgrade", f"sec-websocket-accept: {ACCEPT}".lower()):
        t.true(f"with {line}", line in map(str.lower, lines), got=lines, expected="that header")
    t.equal("the head ends with an empty line, and nothing follows", got[-4:], b"\r\n\r\n")
    t.true(
        f"the accept key is {ACCEPT}", ACCEPT in got.decode(), got=lines, expected="upper and lower case as they are"
    )
    t.say("what is as good")
    for change in AS_GOOD:
        got = outcome(answer_request, GET, _with(ASKED, change))
        t.true(f"{change}", isinstance(got, bytes), got=got, expected="101", id="header-value-not-list")
    t.say("what is refused, and with which status")
    for what, start, change, status, id in REFUSALS:
        got = outcome(answer_request, start, _with(ASKED, change))
        t.equal(what, got, f"Refused {status}", id=id)
    error = t.raises(
        "version 8, once more", lambda: answer_request(GET, _with(ASKED, {"sec-websocket-version": ["8"]})), Exception
    )
    told = {name.lower(): value for name, value in getattr(error, "headers", {}).items()}
    t.equal(
        "section 4.4: the answer says what we speak", told.get("sec-websocket-version"), "13", id="version-not-told"
    )


@lab.step(
    "The client's side",
    minutes=10,
    lines=13,
    points=2,
    hints=(
        "Ask for what answer_request wants to see; then hold the answer against the five rules at the end of "
        "section 4.1.",
        "The status line begins with HTTP/1.1 and three digits. Upgrade is one value here, Connection still a "
        "list, Accept exactly one value.",
        'headers.get(name, []) == [expected] tests "once, and this" in one go; for Upgrade compare in lower case.',
    ),
)
def check_answer(t: Transcript, request_bytes: Any, check_answer: Any) -> None:
    t.say("what we ask")
    asked = request_bytes("server.example:8080", "/chat?a=b", SAMPLE_KEY)
    t.true("the request is bytes", isinstance(asked, bytes), got=asked, expected="bytes")
    start, *lines = asked.decode().split("\r\n")
    t.equal("its first line", start, "GET /chat?a=b HTTP/1.1")
    for line in (
        "host: server.example:8080",
        "upgrade: websocket",
        "connection: upgrade",
        f"sec-websocket-key: {SAMPLE_KEY}",
        "sec-websocket-version: 13",
    ):
        t.true(f"with {line}", line.lower() in map(str.lower, lines), got=lines, expected="that header")
    t.equal("an empty line ends it", asked[-4:], b"\r\n\r\n")
    t.say("an answer that is good")
    t.equal("the example of section 1.3", outcome(check_answer, SWITCHING, ANSWERED, SAMPLE_KEY), None)
    other = _with(ANSWERED, {"upgrade": ["WebSocket"], "connection": ["keep-alive, UPGRADE"]})
    t.equal(
        "in another case, among others",
        outcome(check_answer, "HTTP/1.1 101 ", other, SAMPLE_KEY),
        None,
        id="header-case",
    )
    t.say("answers that are not")
    for what, start, change, status, id in ANSWERS:
        got = outcome(check_answer, start, _with(ANSWERED, change), SAMPLE_KEY)
        t.equal(what, got, f"Refused {status}", id=id)


# Step 11: a connection on a stream of bytes, and how both ends of TCP end (RFC 6455, sections 7.1 and 7.2).


T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BYE = masked(CLOSE, b"\x03\xe8")
WITHIN_S = 1.0  # for one action of an answer, which takes a few milliseconds
LONG_S = 60.0  # a timeout that must not expire
SHORT_S = 0.03  # a timeout for an answer that must expire


def soon(t: Transcript, what: str, awaitable: Awaitable[T], id: str = "") -> Awaitable[T]:
    """Wait as long as a busy machine may need, but shorter than the step's limit."""
    return t.soon(what, awaitable, within_s=WITHIN_S, id=id)


@asynccontextmanager
async def _pair() -> AsyncIterator[tuple[Streams, Streams]]:
    """Open both ends of one TCP connection on loopback."""
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
    """Return what `recv` raises at the end of the connection."""
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
    hints=(
        "recv: give a message if there is one; else write what is due; else read more. In this order, in a loop.",
        "self.messages is the generator of the last bytes: `for message in self.messages: return message` "
        "takes one and leaves the rest where it is.",
        "close: connection.close(...), then, under asyncio.timeout, read to the end of the messages (async "
        "for), then hang_up. hang_up: a server ends its half (write_eof) and reads to the end; a client only "
        "reads; then writer.close() and wait_closed(); whatever happens, abort().",
    ),
    words={
        "recv-is-read": "One read is not one message: what came is kept, and what is missing is waited for.",
        "no-flush-in-recv": (
            "Pongs and closes are due when the bytes that ask for them were read, not when we next send."
        ),
        "tcp-left-open": "After both closes the server ends TCP at once; a client waits for that.",
        "waits-for-ever": "A peer that never answers is waited for as long as the timeout says, and no longer.",
        "handler-ends-open": "When the handler is done, so is the connection: with a close, then the end of TCP.",
        "refusal-not-sent": "Who is refused is told so, by the HTTP response, and then TCP ends.",
    },
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
