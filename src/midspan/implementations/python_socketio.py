"""python-socketio as it comes, and with the "exactly once" recipe of the Socket.IO tutorial."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import socketio
from socketio.exceptions import BadNamespaceError, ConnectionRefusedError, SocketIOError

from midspan.implementations.in_memory_adapter import QUIET, client_http_session, forgotten, serve_connection
from midspan.net.servers import socketio_server
from midspan.simulation.implementation import ClientContext, ServerContext

# python-socketio as it comes: events, an acknowledgement for each, automatic reconnection, auth on connect.


class EventServer:
    """Writes down each `say`, passes it on to everybody, and acknowledges it by returning."""

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
        """Serve the real link, with aiohttp, at the port that this gives."""
        async with socketio_server(self.register, tls, **self.options) as served:
            yield served.port


class EventClient:
    """Emits what it is given, shows what comes."""

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
        if "/" not in self.sio.namespaces:  # `await emit()` raises it too, but in a task it would be too late
            raise BadNamespaceError("/ is not a connected namespace.")
        task = asyncio.create_task(self.sio.emit("say", body, callback=lambda _ok: self.app.acknowledged(body)))
        self.emitting.add(task)
        task.add_done_callback(self.emitting.discard)

    def entry(self, body: str) -> None:
        self.app.delivered(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": len(self.emitting)}


# python-socketio with the "exactly once" recipe of the Socket.IO tutorial ("Handling disconnections"), widely copied.
#
# The recipe, in its own words: the client sends each message with an offset of its own, the socket's id and a
# counter, on which the server's database has a UNIQUE constraint; the server numbers the messages, and the client
# tells on connection the number of the last one that it has seen. `retries` and `ackTimeout` are options of the
# JavaScript client; here they are written out.


ACK_TIMEOUT_S, RETRIES = 10.0, 3  # the tutorial's


class RecipeServer(EventServer):
    """Stores what has not been stored under its client offset, and sends what a client says that it has not seen."""

    options: ClassVar[dict[str, Any]] = {"always_connect": True}  # JavaScript's order: connected first, then the replay

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
    """Sends one message at a time, again until it is acknowledged, and remembers the last number that it has seen."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context)
        self.server_offset = 0
        self.counter = 0
        self.to_send: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.connected = asyncio.Event()
        self.sio.on("connect", self.connected.set)
        self.sio.on("disconnect", self.disconnected)
        self.app.reset()  # a new page is empty, and asks for all from 0 on

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
                except SocketIOError:  # no answer in time, or the connection went in between
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
