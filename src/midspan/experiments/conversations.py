"""Conversations of real libraries through a tap: messages of an application, and input that a server must refuse."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import socketio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from midspan.errors import checked, need
from midspan.experiments.bench import Endpoint
from midspan.experiments.bench_clients import WEBSOCKET_TARGET
from midspan.net.servers import HOST, Authority, http_session, raw_server, socketio_server
from midspan.net.taps import Tap, tap
from midspan.protocols.capture import Capture
from midspan.protocols.dissecting import dissect

# The messages of chapter 5, and the channels that carry them.


SEPARATORS = (",", ":")
WORDS = """
    the a to of and we it is on at for not but that this with you one out line read send room when what time wait
    back message server client answer again before after never always order first second open close cut lost kept
"""


@dataclass(frozen=True)
class SampleMessage:
    """A message of an application: an event and its data, which is bytes or anything that JSON can hold."""

    name: str
    event: str
    data: Any

    @property
    def payload(self) -> bytes:
        """The application's own bytes: the data as JSON, or the bytes themselves."""
        return self.data if isinstance(self.data, bytes) else json.dumps(self.data, separators=SEPARATORS).encode()

    def enveloped(self, number: int | None) -> str | bytes:
        """Put it into our envelope; a number asks for an acknowledgement. Bytes follow in the same message."""
        asks = [] if number is None else [number]
        if isinstance(self.data, bytes):
            return json.dumps([self.event, *asks], separators=SEPARATORS).encode() + b"\n" + self.data
        return json.dumps([self.event, self.data, *asks], separators=SEPARATORS)


def _chat(size_bytes: int) -> dict[str, str]:
    """Make a chat message of `size_bytes` as JSON: random common words, the same on each run."""
    chance, words = random.Random(5), WORDS.split()
    text = " ".join(chance.choice(words) for _ in range(size_bytes // 2))
    data = {"room": "general", "text": ""}
    around = len(json.dumps(data, separators=SEPARATORS))
    return data | {"text": text[: size_bytes - around]}


HELLO = SampleMessage("hello", "hello", {})
TYPING_START = SampleMessage("typing_start", "typing_start", {"room": "general", "user": "ana"})
CHAT = SampleMessage("chat, 1 KiB", "chat", _chat(2**10))
BLOB = SampleMessage("blob, 64 KiB", "blob", random.Random(5).randbytes(2**16))
MESSAGES = (TYPING_START, CHAT, BLOB)


@dataclass(frozen=True)
class Channel:
    """A protocol and its transport.

    Attributes:
        acknowledged: whether a message asks for an acknowledgement.
        ack: how our envelope's server spells it; `{}` stands for the number.
    """

    name: str
    protocol: str  # "raw", "envelope" or "Socket.IO"
    transport: str = "websocket"  # or "polling"; "upgrade": Socket.IO's default, polling and then WebSocket
    acknowledged: bool = False
    ack: str = '{{"ack":{}}}'


CHANNELS = (
    Channel("raw", "raw"),
    Channel("envelope", "envelope"),
    Channel("envelope + ack", "envelope", acknowledged=True),
    Channel("Socket.IO", "Socket.IO"),
    Channel("Socket.IO + ack", "Socket.IO", acknowledged=True),
    Channel("polling", "Socket.IO", "polling"),
    Channel("polling + ack", "Socket.IO", "polling", acknowledged=True),
)
SHORT_ACK = Channel("envelope + short ack", "envelope", acknowledged=True, ack="[{}]")
UPGRADE = Channel("polling, then WebSocket", "Socket.IO", "upgrade")


# A server, a tap in front of it, and a client that sends through the tap; both ends are real libraries.


LOOK_EVERY_S = 0.002

SendMessage = Callable[
    [SampleMessage, bool], Awaitable[None]
]  # returns when all bytes of the message have crossed the tap


@asynccontextmanager
async def conversation(
    way: Channel, authority: Authority, tls: bool, deflate: bool
) -> AsyncIterator[tuple[Tap, SendMessage]]:
    """Open a server, a tap in front of it, and a client that is connected through the tap."""
    speak = _socketio if way.protocol == "Socket.IO" else _raw
    async with speak(way, authority if tls else None, deflate) as (seen, say):
        yield seen, say


@asynccontextmanager
async def _raw(way: Channel, authority: Authority | None, deflate: bool) -> AsyncIterator[tuple[Tap, SendMessage]]:
    """`websockets` at both ends."""
    server_tls, client_tls = _contexts(authority)
    options: dict[str, Any] = {"compression": "deflate" if deflate else None, "ping_interval": None, "max_size": None}
    received: asyncio.Queue[str | bytes] = asyncio.Queue()
    numbers = iter(range(1, 10**6))

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            received.put_nowait(message)
            if number := _number(message):
                await connection.send(way.ack.format(number))

    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(raw_server(handler, server_tls, **options))
        seen = await stack.enter_async_context(tap(served.port, authority))
        address = f"{'wss' if client_tls else 'ws'}://{HOST}:{seen.port}"
        client = await stack.enter_async_context(connect(address, ssl=client_tls, **options))

        async def say(said: SampleMessage, acknowledged: bool) -> None:
            raw = way.protocol == "raw" and said is not HELLO
            plain = said.data if isinstance(said.data, bytes) else said.payload.decode()
            await client.send(plain if raw else said.enveloped(next(numbers) if acknowledged else None))
            await received.get()
            if acknowledged:
                await client.recv()

        yield seen, say


def _number(message: str | bytes) -> int:
    """Return the number of an envelope that asks for an acknowledgement; 0 if there is none."""
    head = message.partition(b"\n")[0] if isinstance(message, bytes) else message
    try:
        envelope = json.loads(head)
    except ValueError:  # raw bytes, not an envelope
        return 0
    return envelope[-1] if isinstance(envelope, list) and isinstance(envelope[-1], int) else 0


@asynccontextmanager
async def _socketio(way: Channel, authority: Authority | None, deflate: bool) -> AsyncIterator[tuple[Tap, SendMessage]]:
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

        async def say(said: SampleMessage, acknowledged: bool) -> None:
            ask: Any = client.call if acknowledged else client.emit
            await ask(said.event, said.data)
            await received.get()
            while way.transport == "polling" and not _at_rest(seen.capture):  # noqa: ASYNC110 (a tap has no event)
                await asyncio.sleep(LOOK_EVERY_S)

        yield seen, say


def _contexts(authority: Authority | None) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return the contexts of the server and of the client; without an authority there is no TLS."""
    return (authority.server, authority.client) if authority else (None, None)


async def _leave(client: socketio.AsyncClient) -> None:
    """Disconnect at once: a client that polls would open one more connection for its last packet, and wait."""
    tasks = [client.eio.read_loop_task, client.eio.write_loop_task]
    await client.eio.disconnect(abort=True)
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _at_rest(capture: Capture) -> bool:
    """Return whether all requests are answered except one, which waits for the server's next packet."""
    heads = dissect(Capture(capture.before + capture.chunks)).heads()
    requests = [head for head in heads if head.method]
    return len(requests) - (len(heads) - len(requests)) == 1


# What a server does with input that it must refuse, measured over a real connection.
#
# When a server sends nothing, it may be computing, it may have skipped the input, or it may have stopped reading. So we
# ask a question before the input and again after it. We wait for no fixed time: between the second question and its
# answer the server's loop needs a few turns, and each pong that comes back takes at least one turn.


TURNS = 25  # python-socketio needs about five to read an event, run its handler and write the answer
LIMIT_S = 20.0  # for a server that does not answer pings
CLOSE_S = 1.0  # for a server that does not answer a close frame


@dataclass(frozen=True)
class QuestionAndAnswer:
    """The messages that one kind of server needs and answers.

    Attributes:
        target: the part of its address after host and port.
        opening: the messages of a client before its first question.
        question: a message that the server answers.
        answer: the beginning of its answer.
    """

    target: str
    opening: tuple[str, ...]
    question: str
    answer: str


@dataclass(frozen=True)
class Reaction:
    """The reaction of a server to an input.

    Attributes:
        said: the messages that it sent between the input and its answer to the question.
        answers: whether it still answers the question on the same connection.
        close_code: None while the connection is open; 1006 when it ended without a close frame.
        recovers: whether it answers when it is asked once more, after a question without an answer.
    """

    said: tuple[str | bytes, ...]
    answers: bool
    close_code: int | None
    recovers: bool = False

    def __str__(self) -> str:
        said = [f"says {message!r}" for message in self.said]
        silent = "answers no more" if not self.recovers else "skips one more"
        fate = f"closes, {self.close_code}" if self.close_code else silent if not self.answers else ""
        return ", then ".join([*said, *([fate] if fate else [])]) or "skips it"

    __repr__ = __str__


@checked
async def reaction(
    endpoint: Endpoint,
    trust: ssl.SSLContext,
    dialect: QuestionAndAnswer,
    *messages: str | bytes,
    limit_s: float = LIMIT_S,
) -> Reaction:
    """Connect, check that the server answers, send `messages`, and return its reaction.

    Raises:
        Refusal: an argument does not fit, or the server does not answer the question before the input.
        TimeoutError: not done after `limit_s` seconds.
    """
    url = endpoint.url.replace("https", "wss") + dialect.target
    options: dict[str, Any] = {"compression": None, "max_size": None, "close_timeout": CLOSE_S}
    async with asyncio.timeout(limit_s), connect(url, ssl=trust, **options) as connection:
        for text in dialect.opening:
            await connection.send(text)
        _, answers = await _ask(connection, dialect)
        need(answers, f"an answer to {dialect.question!r}", "none", "Choose a question that this server answers")
        with suppress(ConnectionClosed):  # the server may end the connection between two of them
            for message in messages:
                await connection.send(message)
        said, answers = await _ask(connection, dialect)
        recovers = not answers and connection.close_code is None and (await _ask(connection, dialect))[1]
        return Reaction(tuple(said), answers, connection.close_code, recovers)


async def _ask(connection: ClientConnection, dialect: QuestionAndAnswer) -> tuple[list[str | bytes], bool]:
    """Ask the question; return the messages before the answer, and whether the answer arrived."""
    said: list[str | bytes] = []

    async def listen() -> bool:
        async for message in connection:
            if isinstance(message, str) and message.startswith(dialect.answer):
                return True
            said.append(message)
        return False

    async def turn() -> None:
        for _ in range(TURNS):
            await (await connection.ping())

    with suppress(ConnectionClosed):
        await connection.send(dialect.question)
    listening, turning = asyncio.create_task(listen()), asyncio.create_task(turn())
    try:
        await asyncio.wait({listening, turning}, return_when=asyncio.FIRST_COMPLETED)
        if connection.close_code or listening.done():
            await asyncio.wait({listening})
        answers = listening.done() and not listening.exception() and listening.result()
    finally:
        for task in (listening, turning):
            task.cancel()
        await asyncio.gather(listening, turning, return_exceptions=True)
    return said, answers


# Input that a server must refuse, in two forms: for a Socket.IO server, and for a server with the envelope.
#
# The envelope is that of chapter 02: a JSON array of name, data and, if an answer is wanted, an id. Messages above a
# server's size limit are not here: their senders see the close code or a reset, depending on timing (chapter 01 has the
# limits).


FRAMEWORK = QuestionAndAnswer(WEBSOCKET_TARGET, ("40",), question='42999["typing_start",{"room":"a"}]', answer="43999")
ENVELOPE = QuestionAndAnswer("", (), question='["typing_start",{"room":"a"},999]', answer='["ack"')

DEEP = 100_000  # brackets; Python's own json gives up at about a thousand
LONG = 100_000  # letters of a name


@dataclass(frozen=True)
class Hostile:
    """One input: what it is, and its messages for each kind of server."""

    what: str
    framework: tuple[str | bytes, ...]
    envelope: tuple[str | bytes, ...]


INPUTS = (
    Hostile("the other side's event", ('["typing_start",{"room":"a"}]',), ('42["typing_start",{"room":"a"}]',)),
    Hostile("a greeting", ("4hello",), ("hello",)),
    Hostile("no array", ('42{"a":1}',), ('{"a":1}',)),
    Hostile("an empty array", ("42[]",), ("[]",)),
    Hostile("a number for a name", ("42[7,{}]",), ("[7,{}]",)),
    Hostile("an event nobody knows", ('42["fly",{}]',), ('["fly",{}]',)),
    Hostile("a name of 100,000 letters", (f'42["{"n" * LONG}"]',), (f'["{"n" * LONG}",{{}}]',)),
    Hostile("100,000 brackets", ("42" + "[" * DEEP,), ("[" * DEEP,)),
    Hostile("an answer to no question", ('43123["yes"]',), ('["ack","yes",123]',)),
    Hostile("bytes nobody announced", (b"\x01",), (b"\x01",)),
    Hostile(
        "two attachments, one comes",
        ('452-["note",{"_placeholder":true,"num":0}]', b"\x01"),
        ('["note",{"attachments":2}]', b"\x01"),
    ),
    Hostile("the framework's own name", ('42["disconnect","bored"]',), ('["disconnect","bored"]',)),
)
