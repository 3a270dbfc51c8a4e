"""Servers and clients in Python: raw WebSocket, with and without reconnection; python-socketio and the recipe."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import socketio
from socketio.exceptions import BadNamespaceError, ConnectionRefusedError, SocketIOError
from websockets.exceptions import ConnectionClosed

from midspan.implementations.in_memory_adapter import QUIET, client_http_session, forgotten, serve_connection
from midspan.net.servers import socketio_server
from midspan.simulation.implementation import ClientContext, ServerContext

# Raw WSS, a first version: one connection, and no reconnection.
#
# The keepalive of the library is off, so that only RFC 6455 is used. A client knows that a message has arrived when it
# receives its own message from the room.


class RoomServer:
    """Stores each message, and sends it to all connected clients."""

    def __init__(self, context: ServerContext) -> None:
        self.store = context.store
        self.room: list[Any] = []

    async def handle(self, connection: Any) -> None:
        self.room.append(connection)
        try:
            async for body in connection:
                await self.store.append(body)
                for each in list(self.room):
                    await each.send(body)
        finally:
            self.room.remove(connection)


class OnceClient:
    """Connects once, sends the messages of its application, and delivers what it receives."""

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app = context, context.app
        self.mine: set[str] = set()
        self.to_send: asyncio.Queue[str] = asyncio.Queue()

    def send(self, body: str) -> None:
        self.mine.add(body)
        self.to_send.put_nowait(body)

    async def run(self) -> None:
        async with self.context.connect() as connection:
            sending = asyncio.create_task(self.send_all(connection))
            try:
                async for body in connection:
                    self.show(body)
            finally:
                sending.cancel()

    async def send_all(self, connection: Any) -> None:
        while True:
            await connection.send(await self.to_send.get())

    def show(self, body: str) -> None:
        self.app.delivered(body)
        if body in self.mine:
            self.app.acknowledged(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": self.to_send.qsize()}


# Raw WSS as the documentation of `websockets` shows it: a keepalive, a token in the first message, and a client that
# always connects again (`async for connection in connect(...)`).


NOT_AUTHORISED = 1008  # "policy violation" (RFC 6455 section 7.4.1), as in the library's guide to authentication


class GuardedServer(RoomServer):
    """Expects a name and a token in the first message."""

    def __init__(self, context: ServerContext) -> None:
        super().__init__(context)
        self.authorise = context.authorise

    async def handle(self, connection: Any) -> None:
        who, _, token = (await connection.recv()).partition(": ")
        if not self.authorise(who, token):
            await connection.close(NOT_AUTHORISED, "authentication failed")
            return
        await super().handle(connection)


class ReconnectingClient(OnceClient):
    """Connects again when the connection has ended. It does not check whether earlier messages have arrived."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context)
        self.greeting = f"{context.me}: {context.token}"

    async def run(self) -> None:
        async for connection in self.context.connect():
            sending = asyncio.create_task(self.send_all(connection))
            try:
                async for body in connection:
                    self.show(body)
            except ConnectionClosed:
                continue
            finally:
                sending.cancel()

    async def send_all(self, connection: Any) -> None:
        try:
            await connection.send(self.greeting)
            await super().send_all(connection)
        except ConnectionClosed:
            return


# python-socketio with its defaults: events with acknowledgements, automatic reconnection, `auth` on connect.


class EventServer:
    """Stores the message of each event `say`, emits it to all clients, and acknowledges it by returning."""

    options: ClassVar[dict[str, Any]] = {}  # of socketio.AsyncServer

    def __init__(self, context: ServerContext) -> None:
        self.store, self.authorise = context.store, context.authorise
        self.sio: socketio.AsyncServer
        self.app: socketio.ASGIApp | None = None

    def register(self, sio: socketio.AsyncServer) -> None:
        self.sio = sio
        sio.on("connect", self.connect)
        sio.on("say", self.say)

    async def connect(self, _sid: str, _environ: dict[str, Any], auth: dict[str, Any]) -> None:
        if not self.authorise(auth["who"], auth["token"]):
            raise ConnectionRefusedError("not authorised")

    async def say(self, _sid: str, body: str) -> str:
        await self.store.append(body)
        await self.sio.emit("entry", body)
        return "ok"

    async def handle(self, connection: Any) -> None:
        """Serve one connection of the simulated link."""
        if self.app is None:
            sio = socketio.AsyncServer(async_mode="asgi", logger=QUIET, engineio_logger=QUIET, **self.options)
            self.register(sio)
            self.app = socketio.ASGIApp(sio)
        await serve_connection(self.app, connection)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext) -> AsyncIterator[int]:
        """Serve a real link with aiohttp. Gives the port."""
        async with socketio_server(self.register, tls, **self.options) as served:
            yield served.port


class EventClient:
    """Emits the messages of its application, and delivers what it receives."""

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app = context, context.app
        self.http = client_http_session(context)
        self.sio = socketio.AsyncClient(
            http_session=self.http, handle_sigint=False, logger=QUIET, engineio_logger=QUIET
        )
        self.sio.on("entry", self.entry)
        self.emitting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        url = self.context.url or "https://link"
        with forgotten(self.sio):
            async with self.http:
                await self.sio.connect(url, auth=self.auth, transports=["websocket"], retry=True)
                await self.sio.wait()

    def auth(self) -> dict[str, Any]:
        return {"who": self.context.me, "token": self.context.token}

    def send(self, body: str) -> None:
        if "/" not in self.sio.namespaces:  # `emit` would raise it too, but later, in the task
            raise BadNamespaceError("/ is not a connected namespace.")
        task = asyncio.create_task(self.sio.emit("say", body, callback=lambda _ok: self.app.acknowledged(body)))
        self.emitting.add(task)
        task.add_done_callback(self.emitting.discard)

    def entry(self, body: str) -> None:
        self.app.delivered(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": len(self.emitting)}


# python-socketio with the "exactly once" recipe of the Socket.IO tutorial ("Handling disconnections").
#
# The recipe: the client sends each message with a client offset (the socket's id and a counter), for which the server's
# database has a UNIQUE constraint. The server numbers the messages. When the client connects, it sends the number of
# the last message that it has received. `retries` and `ackTimeout` are options of the JavaScript client; here they are
# written in Python.


ACK_TIMEOUT_S, RETRIES = 10.0, 3  # the tutorial's


class RecipeServer(EventServer):
    """Stores each client offset once. Sends a client that connects the messages after its server offset."""

    options: ClassVar[dict[str, Any]] = {"always_connect": True}  # as in JavaScript: connected before the replay

    def __init__(self, context: ServerContext) -> None:
        super().__init__(context)
        self.last_id = 0
        self.client_offsets: set[str] = set()  # the database's UNIQUE index

    async def start(self) -> None:
        rows = await self.store.read()
        self.last_id = len(rows)
        self.client_offsets = {str(row.facts["client_offset"]) for row in rows}

    async def connect(self, sid: str, environ: dict[str, Any], auth: dict[str, Any]) -> None:
        await super().connect(sid, environ, auth)
        after = int(auth["server_offset"])
        for number, row in enumerate(await self.store.read(after), after + 1):
            await self.sio.emit("entry", (row.body, number), to=sid)

    async def say(self, _sid: str, body: str, client_offset: str = "") -> str:
        if client_offset in self.client_offsets:
            return "ok"  # "the message was already inserted, so we notify the client"
        self.client_offsets.add(client_offset)
        await self.store.append(body, client_offset=client_offset)
        self.last_id += 1
        await self.sio.emit("entry", (body, self.last_id))
        return "ok"


class RecipeClient(EventClient):
    """Sends one message at a time, with retries, and remembers the number of the last message received."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context)
        self.server_offset = 0
        self.counter = 0
        self.to_send: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.connected = asyncio.Event()
        self.sio.on("connect", self.connected.set)
        self.sio.on("disconnect", self.disconnected)
        self.app.reset()  # a new page is empty, and requests all messages

    async def run(self) -> None:
        sending = asyncio.create_task(self.send_all())
        try:
            await super().run()
        finally:
            sending.cancel()

    def auth(self) -> dict[str, Any]:
        return {**super().auth(), "server_offset": self.server_offset}

    def send(self, body: str) -> None:
        client_offset = f"{self.sio.get_sid()}-{self.counter}"
        self.counter += 1
        self.to_send.put_nowait((body, client_offset))

    async def send_all(self) -> None:
        while True:
            message = await self.to_send.get()
            for _ in range(1 + RETRIES):
                await self.connected.wait()
                try:
                    await self.sio.call("say", message, timeout=ACK_TIMEOUT_S)
                except SocketIOError:  # no answer in time, or the connection was lost
                    continue
                self.app.acknowledged(message[0])
                break

    def disconnected(self, _reason: str) -> None:
        self.connected.clear()

    def entry(self, body: str, server_offset: int = 0) -> None:
        self.server_offset = server_offset
        self.app.delivered(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": self.to_send.qsize()}
