"""Steps 12a and 12b: bytes on the wire, then the clock and the whole server on real sockets."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from midspan.grading import Transcript
from midspan.grading.limits import within
from midspan.labs.lab2_events.conversations import ConnectionDouble, EchoApplication, Serve
from midspan.labs.lab2_events.given import Envelope, Options
from midspan.labs.lab2_events.lab import LEFT, awaited_outcome, lab
from midspan.net.servers import HOST, http_session

QUERY = "/socket.io/?EIO=4&transport=websocket"
BLOB = bytes(4 * 2**20)  # more than all buffers of a connection, so its sender must wait
SOON_S = 0.5
USUAL = Options()
PLACEHOLDER = '{"_placeholder":true,"num":0}'


@lab.step(
    "Bytes on the wire",
    minutes=18,
    lines=10,
    points=2,
    hints=(
        "One envelope is one text and its attachments. Which task may write between them?",
        "split gives the data without bytes, and the bytes. `async with self.lock` around all sends of one envelope; "
        "`except Closed: raise Left(...) from None`.",
        "`if envelope.kind == 'error': return`; data, attachments = split(envelope.data); packet = '4' + "
        "encode_packet(envelope._replace(data=data, attachments=len(attachments))); then under the lock, for each of "
        "(packet, *attachments): await self.connection.send(message).",
    ),
    words={
        "attachments-mixed": "Two handlers send at the same time: a lock keeps a packet and its attachments together.",
        "error-on-the-wire": "Socket.IO has no packet for an error: send nothing, and raise nothing.",
        "closed-not-left": "On a closed connection `send` raises Left.",
    },
)
async def binary_conversation(t: Transcript, BinaryConversation: Any) -> None:  # noqa: N803
    connection = ConnectionDouble("40", f'451-7["echo",{PLACEHOLDER}]', b"abc")
    t.say("a client that joins, and sends an event with one attachment")
    await BinaryConversation(connection, EchoApplication().namespaces).run()
    expected = [f'451-["back",{PLACEHOLDER}]', b"abc", f"461-7[{PLACEHOLDER}]", b"abc"]
    t.equal("it comes back with its attachment, twice", connection.sent[3:], expected)
    await _stay_together(t, BinaryConversation)
    connection = ConnectionDouble()
    conversation = BinaryConversation(connection, {})
    got = await awaited_outcome(conversation.send(Envelope("error", {"message": "no"}, "/", 1)))
    t.equal("an error is not written", (got, connection.sent), (None, []), id="error-on-the-wire")
    connection.abort()
    got = await awaited_outcome(conversation.send(Envelope("event", ["x"])))
    t.equal("on a closed connection send raises Left", got, LEFT, id="closed-not-left")


async def _stay_together(t: Transcript, make: Any) -> None:
    connection = ConnectionDouble()
    conversation = make(connection, {})
    t.say("four tasks send an envelope with two attachments each, at the same time")
    words = [b"a", b"b", b"c", b"d"]
    await asyncio.gather(*(conversation.send(Envelope("event", ["file", word, word])) for word in words))
    groups = [connection.sent[at + 1 : at + 3] for at in range(0, 12, 3)]
    t.equal("each packet has its own behind it", groups, [[word, word] for word in words], id="attachments-mixed")


class Application(EchoApplication):
    """The application that the checks serve on real sockets: handlers that fail, and that send more than fits."""

    async def welcome(self, peer: Any, auth: Any) -> None:
        """Register the handlers, and emit "auth"."""

        async def fails() -> None:
            raise ValueError("a handler that fails on purpose")

        async def file(word: str) -> None:
            await peer.emit("file", word, BLOB + word.encode(), word.encode())

        async def flood() -> None:
            try:
                for _ in range(20):
                    await peer.emit("flood", BLOB)
            finally:
                self.ended.set()

        for handler in (fails, file, flood):
            peer.on(handler.__name__)(handler)
        await super().welcome(peer, auth)


@asynccontextmanager
async def served(serve: Serve, options: Options = USUAL) -> AsyncIterator[tuple[str, Application]]:
    """Run the answer's server with our application in `/` and `/custom`; give its address and the application."""
    application = Application()
    server = await serve(application.namespaces, HOST, 0, None, options)
    try:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}", application
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def opened_client(
    serve: Serve, options: Options = USUAL, **more: Any
) -> AsyncIterator[tuple[ClientConnection, Application]]:
    """Connect a bare WebSocket client, and read the first packet."""
    async with served(serve, options) as (address, application), _bare(address, **more) as client:
        await _packet(client)
        yield client, application


def _bare(address: str, **more: Any) -> connect:
    return connect(f"ws://{address}{QUERY}", compression=None, close_timeout=1, max_size=None, **more)


async def next_packets(t: Transcript, client: ClientConnection, count: int, id: str = "") -> list[Any]:
    """Return the next packets, and answer pings. Write a line of the transcript only when packets are missing."""
    packets: list[Any] = []
    while len(packets) < count:
        packet = await _packet(client)
        if isinstance(packet, Exception):
            what = f"{count} packet{'s' * (count != 1)} that we wait for"
            t.fail(what, got=[*packets, packet], expected="all of them within 1 s", id=id)
        if packet == "2":
            await client.send("3")
        else:
            packets.append(packet)
    return packets


async def _packet(client: ClientConnection) -> Any:
    """Return the next packet, or the reason why there is none."""
    try:
        return await within(client.recv(), 1.0)
    except (TimeoutError, ConnectionClosed) as error:
        return error


async def _end(client: ClientConnection) -> None:
    try:
        async for _ in client:
            pass
    except ConnectionClosed:
        pass


async def _joined(t: Transcript, client: ClientConnection) -> None:
    await client.send("40")
    reply, auth = await next_packets(t, client, 2)
    t.true("40 is answered with a session id", reply[:9] == '40{"sid":', got=reply, expected='40{"sid":...}')
    t.equal("then the application sends its event", auth, '42["auth",{}]')


@lab.step(
    "The clock",
    minutes=22,
    lines=12,
    points=4,
    hints=(
        "Two tasks watch the clock beside the reader: one sends pings, one waits for the first join. session.start "
        "owns both.",
        "self.engine.deadline - self.clock() is how long to sleep, but no longer than an interval: a pong moves the "
        "deadline meanwhile. engine.due raises Violation when a pong is late.",
        "keep_time: `with suppress(Violation):` around `while True: if ping := self.engine.due(self.clock()): "
        "self.session.start(self.connection.send, ping)`, then the sleep; behind the `with`: self.connection.abort(). "
        "await_join: sleep, then close with 1008 unless self.session.joined. read: start both; await super().read().",
    ),
    words={
        "pings-too-late": (
            "A pong can move the deadline while keep_time sleeps: if it sleeps until the old "
            "deadline, its next ping is late."
        ),
        "silence-survived": "Without a pong in time the connection is ended.",
        "clock-waits-for-send": (
            "For a client that reads nothing, `send` waits for ever, also for the ping: send the ping in a task."
        ),
        "never-joins": (
            "Close the connection of a client that joins no namespace in time: an attacker can open "
            "many idle connections."
        ),
    },
    limit_s=8.0,
)
async def serve_socketio(t: Transcript, serve_socketio: Serve, TimedConversation: Any) -> None:  # noqa: N803
    written = inspect.iscoroutinefunction(TimedConversation.keep_time)
    t.true("keep_time awaits", written, got=TimedConversation.keep_time, expected="an async function")
    await _speaks(t, serve_socketio)
    await _closes(t, serve_socketio)
    await _keeps_time(t, serve_socketio)
    await _keeps_together(t, serve_socketio)
    await _ends_handlers(t, serve_socketio)
    await _real_client(t, serve_socketio)


async def _speaks(t: Transcript, serve: Serve) -> None:
    t.say(f"a bare WebSocket client asks for {QUERY}")
    async with served(serve, Options(0.3, 0.2, 1000)) as (address, _), connect(f"ws://{address}{QUERY}") as client:
        (opening,) = await next_packets(t, client, 1)
        times = {"pingInterval": 300, "pingTimeout": 200, "maxPayload": 1000}
        said = json.loads(opening[1:]) if opening[:2] == "0{" else {}
        t.true("it is the opening", said.items() >= times.items(), got=opening, expected=f"0 and {times}")
        await client.send("40/random,")
        got = await next_packets(t, client, 1)
        t.equal("an unknown namespace", got, ['44/random,{"message":"Invalid namespace"}'], id="unknown-namespace")
        await _joined(t, client)
        await client.send('42["fails"]')
        await client.send('421["fails"]')
        await client.send('422["echo",1,"2",{"3":[true]}]')
        expected = ['42["back",1,"2",{"3":[true]}]', '432[1,"2",{"3":[true]}]']
        got = await next_packets(t, client, 2, id="error-on-the-wire")
        t.equal("two handlers that fail, one that answers", got, expected, id="error-on-the-wire")


async def _closes(t: Transcript, serve: Serve) -> None:
    for packet, before, id in (
        ("4abc", True, "violation-survived"),
        ("42{}", True, "violation-survived"),
        ("42", True, "violation-survived"),
        ("2", True, "violation-survived"),
        (b"\x01", True, "violation-survived"),
        ('42/custom,["echo"]', True, "violation-survived"),
        ('42["echo"]', False, "speaks-before-joining"),
        ("40null", False, "violation-survived"),
        ("1", True, "violation-survived"),
    ):
        async with opened_client(serve) as (client, _):
            if before:
                await _joined(t, client)
            await client.send(packet)
            await t.soon(f"{packet!r} closes at once", _end(client), within_s=SOON_S, id=id)


async def _keeps_time(t: Transcript, serve: Serve) -> None:
    """Run three slow clients, and check the heartbeat of two others meanwhile."""
    limited = Options(connect_timeout_s=0.5)
    async with opened_client(serve, limited) as (guest, _), opened_client(serve, limited) as (idle, _):
        t.say("a client that joins, and leaves again; another that joins nothing within 500 ms")
        await _joined(t, guest)
        await guest.send("41")
        async with _reads_nothing(t, serve) as application:
            await _heartbeat(t, serve)
            await t.soon("the connection of the second has ended", _end(idle), id="never-joins")
            ended = application.ended.wait()
            await t.soon("that of the third has ended, for want of a pong", ended, id="clock-waits-for-send")
        alive = guest.close_code is None
        t.true("the first may stay", alive, got="its connection ended too", expected="no end", id="never-joins")


@asynccontextmanager
async def _reads_nothing(t: Transcript, serve: Serve) -> AsyncIterator[Application]:
    """Run a client that reads nothing: all buffers are full before the first ping, so no ping reaches it."""
    t.say("a third that reads nothing, while the application sends without end; it is pinged after 600 ms")
    async with opened_client(serve, Options(0.6, 0.1), max_queue=1) as (client, application):
        await _joined(t, client)
        await client.send('42["flood"]')
        try:
            yield application
        finally:
            client.transport.abort()


async def _heartbeat(t: Transcript, serve: Serve) -> None:
    t.say("meanwhile another one: an interval of 30 ms, two seconds for a pong that comes at once")
    async with opened_client(serve, Options(0.03, 2.0)) as (client, _):
        for id in ("no-heartbeat", "pings-too-late", "pings-too-late"):
            t.equal("a ping", await _packet(client), "2", id=id)
            await client.send("3")
    t.say("and one that gives no pong within 100 ms")
    async with opened_client(serve, Options(0.05, 0.1)) as (client, _):
        await t.soon("its connection ends", _end(client), within_s=SOON_S, id="silence-survived")


async def _keeps_together(t: Transcript, serve: Serve) -> None:
    t.say("four handlers send a packet with two attachments each, at the same time")
    async with opened_client(serve) as (client, _):
        await _joined(t, client)
        for word in "abcd":
            await client.send(f'42["file","{word}"]')
        for _ in "abcd":
            packet, large, small = await next_packets(t, client, 3, id="attachments-mixed")
            word = small.decode() if isinstance(small, bytes) else "?"
            text = f'452-["file","{word}",{{"_placeholder":true,"num":0}},{{"_placeholder":true,"num":1}}]'
            got, expected = (packet, len(large), large[-1:]), (text, len(BLOB) + 1, word.encode())
            t.equal("a packet with its own attachments", got, expected, id="attachments-mixed")


async def _ends_handlers(t: Transcript, serve: Serve) -> None:
    async with opened_client(serve) as (client, application):
        await _joined(t, client)
        await client.send('42["waits"]')
        await client.send('42["echo"]')
        await next_packets(t, client, 1)
        await client.close()
        t.say("the client closes while a handler waits")
        await t.soon("the handler ends", application.ended.wait(), within_s=SOON_S, id="handlers-left-running")


async def _real_client(t: Transcript, serve: Serve) -> None:
    t.say("the client of python-socketio, in two namespaces")
    heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    async with served(serve) as (address, _), http_session() as session:
        client = socketio.AsyncClient(http_session=session, reconnection=False)
        for namespace in ("/", "/custom"):
            client.on("*", lambda *event: heard.put_nowait(event), namespace=namespace)
        where = {"namespaces": ["/", "/custom"], "transports": ["websocket"], "auth": {"token": "x"}}
        await t.soon("it connects", client.connect(f"http://{address}", **where))
        try:
            got = [await t.soon("an event comes", heard.get()) for _ in range(2)]
            t.equal("each namespace greets it", got, [("auth", {"token": "x"})] * 2)
            result = await t.soon("a call is answered", client.call("echo", (1, b"\x00\xff", {"a": [b""]})))
            t.equal("with the same arguments, bytes too", result, (1, b"\x00\xff", {"a": [b""]}))
            t.equal("and an event", await t.soon("it comes", heard.get()), ("back", 1, b"\x00\xff", {"a": [b""]}))
            await client.emit("echo", "é", namespace="/custom")
            t.equal("in the other namespace", await t.soon("an event comes", heard.get()), ("back", "é"))
        finally:
            await client.disconnect()
