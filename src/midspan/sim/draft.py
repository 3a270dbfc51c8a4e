"""A session as its first draft: it sends again what nobody acknowledged, and goes on where it stood.

Chapter 3 changes one method at a time and watches what that loses, doubles or reorders. The draft is no model: it has
no heartbeat, no bound, no epoch; it drops no copy and asks nobody for a right. What to do instead is lab 3.

Messages, as JSON: up `[who, offset]` first, then each body; down `["entry", number, body]` for each entry of the log
and `["ack", body]` for each message taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from midspan.arguments import checked
from midspan.sim.cast import Cast, ClientSeat, ServerSeat

WAIT_S = 0.2  # between two connections


class DraftServer:
    """Keeps one log, and gives each client what comes after its offset."""

    def __init__(self, seat: ServerSeat) -> None:
        self.store = seat.store
        self.count = 0  # entries of the log
        self.listeners: list[Any] = []  # a set would have another order on each run

    async def start(self) -> None:
        """Find the log of the process before."""
        self.count = len(await self.store.read())

    async def handle(self, connection: Any) -> None:
        """One connection, from the greeting to its end."""
        _who, offset = json.loads(await connection.recv())
        try:
            await self.resume(connection, offset)
            async for text in connection:
                await self.take(connection, json.loads(text))
        finally:
            if connection in self.listeners:
                self.listeners.remove(connection)

    async def resume(self, connection: Any, offset: int) -> None:
        """What was missed, then what comes."""
        await self.replay(connection, offset)
        self.listeners.append(connection)

    async def replay(self, connection: Any, offset: int) -> None:
        """The entries of the log that come after the first `offset`."""
        for number, entry in enumerate(await self.store.read(after=offset), offset + 1):
            await say(connection, "entry", number, entry.body)

    async def take(self, connection: Any, body: str) -> None:
        """A message came: store it, acknowledge it, pass it on."""
        await self.append(body)
        await say(connection, "ack", body)

    async def append(self, body: str) -> None:
        """Make it durable, then give it to whoever listens."""
        await self.store.append(body)
        self.count += 1
        for listener in list(self.listeners):
            with contextlib.suppress(ConnectionClosed):
                await say(listener, "entry", self.count, body)


class DraftClient:
    """Keeps what nobody acknowledged, and sends it again on each connection."""

    def __init__(self, seat: ClientSeat) -> None:
        self.seat, self.app = seat, seat.app
        self.outbox: list[str] = []
        self.more = asyncio.Event()
        self.offset = 0

    def send(self, body: str) -> None:
        """Take a message, connected or not."""
        self.outbox.append(body)
        self.more.set()

    async def run(self) -> None:
        """Connect, and again when the connection is gone."""
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed):
                await self.talk(await self.seat.connect())
            await asyncio.sleep(WAIT_S)

    async def talk(self, connection: Any) -> None:
        """One connection: greet, send what waits, hear what comes."""
        await connection.send(json.dumps([self.seat.me, self.offset]))
        sending = asyncio.create_task(self.pump(connection))
        try:
            async for text in connection:
                kind, *rest = json.loads(text)
                self.entry(*rest) if kind == "entry" else self.acknowledged(*rest)
        finally:
            sending.cancel()

    async def pump(self, connection: Any) -> None:
        """Send all of the outbox, then what is added to it."""
        sent: set[str] = set()
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.more.clear()
                for body in [body for body in self.outbox if body not in sent]:
                    await connection.send(json.dumps(body))
                    sent.add(body)
                await self.more.wait()

    def entry(self, number: int, body: str) -> None:
        """An entry of the log: remember how far we are, and hand it over."""
        self.offset = number
        self.app.delivered(body)

    def acknowledged(self, body: str) -> None:
        """The server has it: forget it."""
        if body in self.outbox:
            self.outbox.remove(body)
            self.app.acknowledged(body)


@checked
def draft(server: type[DraftServer] = DraftServer, client: type[DraftClient] = DraftClient) -> Cast:
    """The cast of a draft, with one part changed or none."""
    return Cast(server, client)


async def say(connection: Any, *words: object) -> None:
    """One message: a JSON array."""
    await connection.send(json.dumps(words))
