"""Two sessions to compare with: a first draft, and a negative control that must not pass."""

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

# A session as its first draft: it sends again what nobody acknowledged, and goes on where it stood.
#
# Chapter 3 changes one method at a time and watches what that loses, doubles or reorders. The draft is no model: it
# has no heartbeat, no bound, no epoch; it drops no copy and asks nobody for a right. What to do instead is lab 3.
#
# Messages, as JSON: up `[who, offset]` first, then each body; down `["entry", number, body]` for each entry of the
# log and `["ack", body]` for each message taken.


WAIT_S = 0.2  # between two connections


class BaselineServer:
    """Keeps one log, and gives each client what comes after its offset."""

    def __init__(self, context: ServerContext) -> None:
        self.store = context.store
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


class BaselineClient:
    """Keeps what nobody acknowledged, and sends it again on each connection."""

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app = context, context.app
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
                await self.talk(await self.context.connect())
            await asyncio.sleep(WAIT_S)

    async def talk(self, connection: Any) -> None:
        """One connection: greet, send what waits, hear what comes."""
        await connection.send(json.dumps([self.context.me, self.offset]))
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
def draft(
    server: type[BaselineServer] = BaselineServer, client: type[BaselineClient] = BaselineClient
) -> Implementation:
    """The implementation of a draft, with one part changed or none."""
    return Implementation(server, client)


async def say(connection: Any, *words: object) -> None:
    """One message: a JSON array."""
    await connection.send(json.dumps(words))


# The negative control: a session that promises what it does not keep. A search that lets it pass is broken.
#
# It is what many a first version looks like: send when connected, connect again when not, hope otherwise.


class NaiveServer:
    """Appends what comes to its log and passes it on to whoever is connected."""

    def __init__(self, context: ServerContext) -> None:
        self.store = context.store
        self.connections: dict[Any, None] = {}  # in the order of arrival: that of a set is not the same on each run

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
    """Sends while it is connected; what is said while it is not is gone."""

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
    """Search the naive session. Its findings must show violations, of `no_loss` among others."""
    return search(NAIVE, seeds, shape, keep_going=True)
