"""Lab 5's two ends, a server and a client, which stay as they are: they carry messages between the parts.

`FirstDraft.define` runs this file in a notebook's namespace, after the parts of `drafts`. There they find the parts by
name, so a part that the learner writes again is in use at once. That is why nothing imports this file.
"""

import contextlib
import functools
import json
from typing import TYPE_CHECKING, Any

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from midspan.simulation import ClientContext, Implementation, ServerContext

if TYPE_CHECKING:  # the notebook's own, when this runs
    from midspan.labs.lab5_overhead.drafts import (
        OUT_OF_ORDER,
        PAGE,
        UNREADABLE,
        Book,
        Cursor,
        Desk,
        Feed,
        Inbox,
        Line,
        Outbox,
        Sender,
        Wire,
        at_once,
        beside,
        greet,
        heartbeat,
        stay_connected,
    )


class OutOfOrder(Exception):
    """A number is missing."""


class Up:
    """What one connection sends: messages, each with the number after the one before."""

    __slots__ = "desk", "feed", "inbox", "log", "number", "store", "who", "wire"

    def __init__(self, server: "Server", who: str, wire: "Wire", feed: "Line") -> None:
        self.who, self.wire, self.feed, self.number = who, wire, feed, 0
        self.store, self.log, self.inbox, self.desk = server.store, server.log, server.inbox, server.desk


async def in_time(up: Up, data: bytes) -> None:
    """Handle a message, and wait for the store if needed."""
    for kind, value in up.wire.read(data):
        if kind == "body":
            up.number += 1
            if await up.desk.take(up.who, up.number, value) is None:
                raise OutOfOrder
        elif kind == "ask":
            up.feed.flush()
        elif kind == "number":
            up.number = value - 1


async def serve(server: "Server", connection: Any, who: str, epoch: str, offset: int, base: int) -> None:
    """One connection, from its greeting to its end."""
    server.inbox.adopt(who, base)
    offset, safe, wire = server.log.resume(epoch, offset), server.inbox.safe(who), Wire()
    await connection.send(json.dumps(["welcome", server.log.epoch, offset, safe]))
    with Feed(connection, wire, server.log, who, offset, safe, server.most) as feed:
        up = Up(server, who, wire, feed)
        connection.at_once = functools.partial(at_once, up)
        try:
            while True:
                await in_time(up, await connection.recv())
        except ValueError as error:  # bytes that are no packets
            await connection.close(UNREADABLE, str(error)[:60])
        except OutOfOrder:
            await connection.close(OUT_OF_ORDER, "a number is missing")


class Server:
    """The server's end."""

    def __init__(self, context: ServerContext) -> None:
        self.store: Any = context.store
        self.authorise = context.authorise
        self.log, self.inbox = Book(context.store, context.rng, context.bounds.replay), Inbox()
        self.desk, self.most = Desk(self.inbox, self.log), max(1, context.bounds.outbox // 2)

    async def start(self) -> None:
        while entries := await self.store.read(self.log.end, PAGE):
            for body, facts in entries:
                self.log.add(body, **facts)
                self.inbox.remember(**facts)


class Ends(Server):
    """The server, with what the simulated link and `websockets` call."""

    async def handle(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionClosed), beside(connection, heartbeat(connection)):
            if greeting := await greet(connection, self.authorise):
                await serve(self, connection, *greeting)

    def sizes(self) -> dict[str, int]:
        return {"replay": len(self.log), "dedupe": len(self.inbox)}


def took(client: "Client", body: str) -> None:
    """The next entry of the log."""
    client.cursor.takes(client.cursor.offset + 1)
    client.app.delivered(body)


def safe_to(client: "Client", number: int) -> list[str]:
    """All messages up to `number` are safe. Returns the bodies that the outbox deletes now."""
    bodies: list[str] = client.outbox.acknowledge(number)
    for body in bodies:
        client.app.acknowledged(body)
    return bodies


def welcomed(client: "Client", _kind: str, epoch: str, offset: int, number: int) -> None:
    """The server goes on here."""
    client.attempt = 0
    if client.cursor.moves_to(epoch, offset):
        client.app.reset()
    safe_to(client, number)


def hear(client: "Client", kind: str, value: Any) -> None:
    """What the server says to a client."""
    if kind == "body":
        took(client, value)
    elif kind == "ack":
        safe_to(client, value)
    elif kind == "mine":
        for _ in range(value):
            for body in safe_to(client, client.outbox.base):
                took(client, body)


class Client:
    """A client's end."""

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app, self.connect, self.rng = context, context.app, context.connect, context.rng
        self.outbox, self.cursor = Outbox(context.store, context.bounds.outbox), Cursor(context.store)
        self.sender, self.attempt = Sender(self.outbox), 0

    def send(self, body: str, asks: bool = False) -> None:
        """Take a message; `asks` when the application waits for its acknowledgement."""
        self.outbox.put(body)
        self.sender.asks = self.sender.asks or asks
        self.sender.more.set()

    async def run(self) -> None:
        await stay_connected(self)

    def sizes(self) -> dict[str, int]:
        return {"outbox": len(self.outbox)}


class Member(Client):
    """The client, on one connection after the other."""

    async def session(self, connection: Connection) -> None:
        place = self.cursor.epoch, self.cursor.offset, self.outbox.base
        await connection.send(json.dumps(["hello", self.context.me, self.context.token, *place]))
        wire = Wire()
        with beside(connection, heartbeat(connection), self.sender.run(connection, wire)):
            welcomed(self, *json.loads(await connection.recv()))
            with contextlib.suppress(ValueError):  # bytes that are no packets: let go, and come back
                async for data in connection:
                    for kind, value in wire.read(data):  # type: ignore[arg-type]  # bytes: nothing sends a text
                        hear(self, kind, value)


ours = Implementation(Ends, Member)
