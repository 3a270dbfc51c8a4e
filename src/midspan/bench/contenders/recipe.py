"""python-socketio with the "exactly once" recipe of the Socket.IO tutorial ("Handling disconnections"), widely copied.

The recipe, in its own words: the client sends each message with an offset of its own, the socket's id and a counter,
on which the server's database has a UNIQUE constraint; the server numbers the messages, and the client tells on
connection the number of the last one that it has seen. `retries` and `ackTimeout` are options of the JavaScript client;
here they are written out.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from socketio.exceptions import SocketIOError

from midspan.bench.contenders.framework import EventClient, EventServer
from midspan.sim.cast import ClientSeat, ServerSeat

ACK_TIMEOUT_S, RETRIES = 10.0, 3  # the tutorial's


class RecipeServer(EventServer):
    """Stores what has not been stored under its client offset, and sends what a client says that it has not seen."""

    options: ClassVar[dict[str, Any]] = {"always_connect": True}  # JavaScript's order: connected first, then the replay

    def __init__(self, seat: ServerSeat) -> None:
        super().__init__(seat)
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

    def __init__(self, seat: ClientSeat) -> None:
        super().__init__(seat)
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
