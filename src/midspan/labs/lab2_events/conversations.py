"""Step 7: one client on one connection, first without sockets, then the real client of python-socketio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import socketio

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Namespace
from midspan.labs.lab2_events.lab import awaited_outcome, lab, let_tasks_run
from midspan.labs.lab2_events.lab1_server import Closed
from midspan.net.servers import HOST, http_session

Serve = Callable[..., Awaitable[Any]]
Message = str | bytes


class ConnectionDouble:
    """A connection without a socket: it gives the messages of a script, and keeps what is sent and how it is closed."""

    def __init__(self, *script: Message) -> None:
        self.script, self.sent = list(script), list[Message]()
        self.closes: list[tuple[int, str]] = []
        self.cut = False

    async def send(self, message: Message) -> None:
        """Keep a message; other tasks may run before it returns."""
        if self.closes or self.cut:
            raise Closed(1006, "")
        self.sent.append(message)
        await asyncio.sleep(0)

    def __aiter__(self) -> ConnectionDouble:
        return self

    async def __anext__(self) -> Message:
        await let_tasks_run()
        if not self.script or self.closes or self.cut:
            raise StopAsyncIteration
        return self.script.pop(0)

    async def close(self, code: int = 1000, why: str = "") -> None:
        """Keep the code and the reason."""
        self.closes.append((code, why))

    def abort(self) -> None:
        """Keep that the connection was cut."""
        self.cut = True


class EchoApplication:
    """An application with an event "echo", which is sent back, and "waits", whose handler never ends by itself."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def welcome(self, peer: Any, auth: Any) -> None:
        """Register the handlers, and emit "auth"."""

        async def echo(*words: Any) -> Any:
            await peer.emit("back", *words)
            return words

        async def waits() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()

        peer.on("echo")(echo)
        peer.on("waits")(waits)
        await peer.emit("auth", auth or {})

    @property
    def namespaces(self) -> dict[str, Namespace]:
        """The application in `/` and `/custom`."""
        return {"/": Namespace(self.welcome), "/custom": Namespace(self.welcome)}


@lab.step(
    "A conversation",
    minutes=24,
    lines=13,
    points=3,
    hints=(
        "`read` is a loop over the connection: a packet, its message, its envelope, and what the session does with it. "
        "`run` is about how that loop ends.",
        "`async for packet in self.connection` ends when the connection ends. self.engine.receive gives None for a "
        "pong: then there is nothing to do. try/except/finally in `run`.",
        "read: await self.connection.send(self.engine.opening()); in the loop: message = self.message(packet); `if "
        "message is not None and (envelope := self.assemble(message)): await self.session.receive(envelope)`. run: "
        "except Violation as violation: await self.connection.close(1008, str(violation)); except (Left, Closed): "
        "pass; finally: await self.session.end().",
    ),
    words={
        "opening-missing": "The server sends the first packet: a client waits for the opening before it joins.",
        "violation-survived": "A malformed packet closes the connection at once, not at the next missed heartbeat.",
        "goodbye-is-an-error": (
            "When a client closes, the loop ends: Left and Closed are the normal end of a conversation."
        ),
        "handlers-left-running": "When the connection ends, end its tasks too.",
    },
    limit_s=8.0,
)
async def conversation(t: Transcript, Conversation: Any, serve_conversations: Serve) -> None:  # noqa: N803
    await _speaks(t, Conversation)
    await _ends(t, Conversation)
    await _greets_a_real_client(t, Conversation, serve_conversations)


async def _speaks(t: Transcript, make: Any) -> None:
    t.say("a client that joins, and sends an event that asks for an answer")
    connection = await _ran(t, make, "40", '421["echo","a",2]', "3")
    sent = [str(message) for message in connection.sent]
    opening = sent[0] if sent else ""
    t.true("the opening comes first", opening[:2] == "0{", got=opening, expected="0 and JSON", id="opening-missing")
    joined = len(sent) > 1 and sent[1].startswith('40{"sid":')
    t.true("then the reply to the join", joined, got=sent[1:2], expected='40{"sid":...}')
    rest = ['42["auth",{}]', '42["back","a",2]', '431["a",2]']
    t.equal("the application's event, the echo, the answer", sent[2:], rest)
    t.equal("the conversation itself closes nothing", connection.closes, [])


async def _ran(t: Transcript, make: Any, *script: Message) -> ConnectionDouble:
    """Run a conversation to the end of its script; it raises nothing."""
    connection = ConnectionDouble(*script)
    got = await awaited_outcome(make(connection, EchoApplication().namespaces).run())
    if got is not None:
        t.equal(f"{script[-1]!r} ends the conversation without an error", got, None, id="goodbye-is-an-error")
    return connection


async def _ends(t: Transcript, make: Any) -> None:
    for script in (("40", "4abc"), ("40", "2"), ("40", b"\x01"), ('42["echo"]',), ("40", '42/custom,["echo"]'), ("7",)):
        connection = await _ran(t, make, *script, "40/custom,")
        codes = [code for code, why in connection.closes if why]
        what = f"{script[-1]!r} closes with 1008 and a reason"
        t.equal(what, codes, [1008], id="violation-survived")
        t.equal("what follows is not read", connection.script, ["40/custom,"], id="violation-survived")
    connection = await _ran(t, make, "40", "1", '42["echo"]')
    t.equal("1 ends the conversation, and is no violation", connection.closes, [], id="goodbye-is-an-error")
    t.say("a handler waits, and the connection ends")
    application = EchoApplication()
    conversation = make(ConnectionDouble("40", '42["waits"]'), application.namespaces)
    await t.soon("run ends", conversation.run(), id="handlers-left-running")
    t.equal("the handler has ended too", application.ended.is_set(), True, id="handlers-left-running")


async def _greets_a_real_client(t: Transcript, make: Any, serve: Serve) -> None:
    t.say("the client of python-socketio, over a socket")
    heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    server = await serve(make, EchoApplication().namespaces, HOST, 0)
    try:
        address = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        async with http_session() as session:
            client = socketio.AsyncClient(http_session=session, reconnection=False)
            client.on("*", lambda *event: heard.put_nowait(event))
            await t.soon("it connects", client.connect(address, transports=["websocket"], auth={"token": "x"}))
            try:
                t.equal("it hears", await t.soon("an event comes", heard.get()), ("auth", {"token": "x"}))
                result = await t.soon("a call is answered", client.call("echo", ("é", [1])))
                t.equal("with the same arguments", result, ("é", [1]))
            finally:
                await client.disconnect()
    finally:
        server.close()
        await server.wait_closed()
