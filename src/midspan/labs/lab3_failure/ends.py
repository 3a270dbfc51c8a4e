"""The two ends of lab 3: a server and a client that carry messages between the parts of a session.

All that must be decided is decided in the parts, which a notebook defines. A new server or client asks for the parts,
so a part that the learner writes anew is in use from the next run on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from midspan.errors import checked
from midspan.simulation import ClientContext, ServerContext

PAGE = 100  # entries that a starting server reads at once
OUT_OF_ORDER = 4409  # close code of our own (RFC 6455, section 7.4.2)


class Parts(NamedTuple):
    """The parts of a session, by their names in the notebook."""

    heartbeat: Any  # of both ends
    stay_connected: Any  # of the client, with the next three
    Outbox: Any
    Sender: Any
    Cursor: Any
    Inbox: Any  # of the server, with the next four
    Desk: Any
    Log: Any
    feed: Any
    greet: Any


class Server:
    """The server's end."""

    made_of: Callable[[], Parts]  # returns the parts of the notebook; `two_ends` sets it

    def __init__(self, context: ServerContext) -> None:
        self.parts, self.store, self.authorise = self.made_of(), context.store, context.authorise
        self.log = self.parts.Log(context.store, context.rng, context.bounds.replay)
        self.inbox = self.parts.Inbox()
        self.desk = self.parts.Desk(self.inbox, self.log)

    async def start(self) -> None:
        """Read what an earlier process has written into the log."""
        while entries := await self.store.read(self.log.end, PAGE):
            for body, facts in entries:
                self.log.add(body)
                self.inbox.remember(**facts)

    async def handle(self, connection: Connection) -> None:
        """One connection, from its opening to its end."""
        with contextlib.suppress(ConnectionClosed), beside(connection, self.parts.heartbeat(connection)):
            if greeting := await self.parts.greet(connection, self.authorise):
                await self.serve(connection, *greeting)

    async def serve(self, connection: Connection, who: str, epoch: str, offset: int, base: int) -> None:
        """The client `who` may connect: say where the log goes on, then send entries and take messages."""
        self.inbox.adopt(who, base)
        offset = self.log.resume(epoch, offset)
        await connection.send(json.dumps(["welcome", self.log.epoch, offset, self.inbox.safe(who)]))
        with beside(connection, self.parts.feed(connection, self.log, offset)):
            async for text in connection:
                _, number, body = json.loads(text)
                safe = await self.desk.take(who, number, body)
                if safe is None:
                    await connection.close(OUT_OF_ORDER, "a number is missing")
                    return
                await connection.send(json.dumps(["ack", safe]))

    def sizes(self) -> dict[str, int]:
        """How many entries the server holds in memory: of the log, and of the table that recognises copies."""
        return {"replay": len(self.log), "dedupe": len(self.inbox)}


class Client:
    """A client's end."""

    made_of: Callable[[], Parts]  # returns the parts of the notebook; `two_ends` sets it

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app, self.connect, self.rng = context, context.app, context.connect, context.rng
        self.parts, self.attempt = self.made_of(), 0
        self.outbox = self.parts.Outbox(context.store, context.bounds.outbox)
        self.cursor, self.sender = self.parts.Cursor(context.store), self.parts.Sender(self.outbox)

    def send(self, body: str) -> None:
        """The application sends a message."""
        self.outbox.put(body)
        self.sender.more.set()

    async def run(self) -> None:
        """Connect, and connect again."""
        await self.parts.stay_connected(self)

    async def session(self, connection: Connection) -> None:
        """One connection, from its greeting to its end."""
        place = self.cursor.epoch, self.cursor.offset, self.outbox.base
        await connection.send(json.dumps(["hello", self.context.me, self.context.token, *place]))
        with beside(connection, self.parts.heartbeat(connection), self.sender.run(connection)):
            async for text in connection:
                hear(self, *json.loads(text))

    def sizes(self) -> dict[str, int]:
        """How many messages the client holds in memory."""
        return {"outbox": len(self.outbox)}


def hear(client: Client, kind: str, *rest: Any) -> None:
    """Handle a message of the server."""
    if kind == "entry":
        offset, body = rest
        if client.cursor.takes(offset):
            client.app.delivered(body)
        return
    if kind == "welcome":
        client.attempt = 0
        if client.cursor.moves_to(*rest[:2]):
            client.app.reset()  # the application forgets what it has: a snapshot follows
    for body in client.outbox.acknowledge(rest[-1]):
        client.app.acknowledged(body)


@contextlib.contextmanager
def beside(connection: Connection, *bodies: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Run these coroutines beside the block. At its end cancel them, and end the connection."""
    tasks = [asyncio.create_task(body) for body in bodies]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        connection.transport.abort()


@checked
def two_ends(made_of: Callable[[], Parts]) -> tuple[type[Server], type[Client]]:
    """Return a server and a client that use these parts.

    Args:
        made_of: returns the parts as the notebook has them now; each new server and client calls it.
    """
    found = {"made_of": staticmethod(made_of), "__module__": made_of.__module__}
    return type("Server", (Server,), found), type("Client", (Client,), found)
