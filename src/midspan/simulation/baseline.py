"""Two sessions to compare with: a first draft, and a negative control that a search must find wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from midspan.errors import checked
from midspan.simulation.implementation import ClientContext, Implementation, ServerContext
from midspan.simulation.schedule import Shape
from midspan.simulation.searching import Findings, search

# A first draft of a session. It sends again what was not acknowledged, and continues after its last offset.
#
# Chapter 3 changes one method at a time and shows which messages are then lost, doubled or reordered. The draft is
# incomplete: it has no heartbeat, no bounds and no epoch, it removes no duplicates, and it checks no token. Lab 3
# builds a complete session.
#
# Messages, as JSON: up `[who, offset]` first, then each body; down `["entry", number, body]` for each entry of the
# log and `["ack", body]` for each message taken.


WAIT_S = 0.2  # between two connections


class BaselineServer:
    """Keeps one log, and gives each client what comes after its offset."""

    def __init__(self, context: ServerContext) -> None:
        self.store = context.store
        self.count = 0  # entries of the log
        self.listeners: list[Any] = []  # a list, because the order of a set differs in each run

    async def start(self) -> None:
        """Count the entries that the process before this one wrote."""
        self.count = len(await self.store.read())

    async def handle(self, connection: Any) -> None:
        """Serve one connection, from the greeting to its end."""
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
        """Send the entries of the log after the first `offset` entries."""
        for number, entry in enumerate(await self.store.read(after=offset), offset + 1):
            await say(connection, "entry", number, entry.body)

    async def take(self, connection: Any, body: str) -> None:
        """Take a message: store it, send it to all clients, acknowledge it."""
        await self.append(body)
        await say(connection, "ack", body)

    async def append(self, body: str) -> None:
        """Make a message durable, then send it to all connected clients."""
        await self.store.append(body)
        self.count += 1
        for listener in list(self.listeners):
            with contextlib.suppress(ConnectionClosed):
                await say(listener, "entry", self.count, body)


class BaselineClient:
    """Keeps each message until it is acknowledged, and sends it again on each connection."""

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app = context, context.app
        self.outbox: list[str] = []
        self.more = asyncio.Event()
        self.offset = 0

    def send(self, body: str) -> None:
        """Put a message into the outbox, whether connected or not."""
        self.outbox.append(body)
        self.more.set()

    async def run(self) -> None:
        """Connect, and connect again when the connection has ended."""
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed):
                await self.talk(await self.context.connect())
            await asyncio.sleep(WAIT_S)

    async def talk(self, connection: Any) -> None:
        """Use one connection: send the greeting and the outbox, and receive messages."""
        await connection.send(json.dumps([self.context.me, self.offset]))
        sending = asyncio.create_task(self.pump(connection))
        try:
            async for text in connection:
                kind, *rest = json.loads(text)
                self.entry(*rest) if kind == "entry" else self.acknowledged(*rest)
        finally:
            sending.cancel()

    async def pump(self, connection: Any) -> None:
        """Send the outbox, then each message that is added to it."""
        sent: set[str] = set()
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.more.clear()
                for body in [body for body in self.outbox if body not in sent]:
                    await connection.send(json.dumps(body))
                    sent.add(body)
                await self.more.wait()

    def entry(self, number: int, body: str) -> None:
        """Take an entry of the log: remember its number, and deliver it to the application."""
        self.offset = number
        self.app.delivered(body)

    def acknowledged(self, body: str) -> None:
        """Remove an acknowledged message from the outbox."""
        if body in self.outbox:
            self.outbox.remove(body)
            self.app.acknowledged(body)


@checked
def draft(
    server: type[BaselineServer] = BaselineServer, client: type[BaselineClient] = BaselineClient
) -> Implementation:
    """The draft as an implementation. Pass a subclass to change its server or client."""
    return Implementation(server, client)


async def say(connection: Any, *words: object) -> None:
    """Send one message, as a JSON array."""
    await connection.send(json.dumps(words))


# The negative control: a session that does not keep its promises. A search that finds no violation in it is broken.
#
# Many first versions look like this: they send while connected, and otherwise connect again and lose messages.


class NaiveServer:
    """Appends each message to its log, and sends it to all connected clients."""

    def __init__(self, context: ServerContext) -> None:
        self.store = context.store
        self.connections: dict[Any, None] = {}  # a dict, because the order of a set differs in each run

    async def handle(self, connection: Any) -> None:
        self.connections[connection] = None
        try:
            async for text in connection:
                await self.store.append(json.loads(text))
                await connection.send(json.dumps(["ack", json.loads(text)]))
                for each in list(self.connections):
                    await each.send(json.dumps(["entry", json.loads(text)]))
        finally:
            self.connections.pop(connection)


class NaiveClient:
    """Sends while it is connected. Messages on their way during a fault are lost."""

    def __init__(self, context: ClientContext) -> None:
        self.context = context
        self.ready: asyncio.Queue[str] = asyncio.Queue()

    def send(self, body: str) -> None:
        self.ready.put_nowait(body)

    async def run(self) -> None:
        while True:
            try:
                connection = await self.context.connect()
                sending = asyncio.create_task(self._send(connection))
                async for text in connection:
                    kind, body = json.loads(text)
                    (self.context.app.acknowledged if kind == "ack" else self.context.app.delivered)(body)
            except (OSError, InvalidHandshake, ConnectionClosed):
                await asyncio.sleep(1.0)
            else:
                sending.cancel()

    async def _send(self, connection: Any) -> None:
        try:
            while True:
                await connection.send(json.dumps(await self.ready.get()))
        except ConnectionClosed:
            return


NAIVE = Implementation(NaiveServer, NaiveClient)


@checked
def negative_control(seeds: Iterable[int] = range(50), shape: Shape | None = None) -> Findings:
    """Search the naive session. The findings must show violations, for example of `no_loss`."""
    return search(NAIVE, seeds, shape, keep_going=True)
