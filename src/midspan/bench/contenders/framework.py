"""python-socketio as it comes: events, an acknowledgement for each, automatic reconnection, auth on connect."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import socketio
from socketio.exceptions import BadNamespaceError, ConnectionRefusedError

from midspan.bench.contenders.wireless import QUIET, forgotten, http_session, serve_connection
from midspan.sim.cast import ClientSeat, ServerSeat
from midspan.wires.servers import socketio_server


class EventServer:
    """Writes down each `say`, passes it on to everybody, and acknowledges it by returning."""

    options: ClassVar[dict[str, Any]] = {}  # of socketio.AsyncServer

    def __init__(self, seat: ServerSeat) -> None:
        self.store, self.authorise = seat.store, seat.authorise
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

    def __init__(self, seat: ClientSeat) -> None:
        self.seat, self.app = seat, seat.app
        self.http = http_session(seat)
        self.sio = socketio.AsyncClient(
            http_session=self.http, handle_sigint=False, logger=QUIET, engineio_logger=QUIET
        )
        self.sio.on("entry", self.entry)
        self.emitting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        url = self.seat.url or "https://link"
        with forgotten(self.sio):
            async with self.http:
                await self.sio.connect(url, auth=self.auth, transports=["websocket"], retry=True)
                await self.sio.wait()

    def auth(self) -> dict[str, Any]:
        return {"who": self.seat.me, "token": self.seat.token}

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
