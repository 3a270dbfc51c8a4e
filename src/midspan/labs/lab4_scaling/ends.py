"""Lab 4's two ends, a node and a client, which stay as they are: they carry messages between the parts.

`FirstDraft.define` runs this file in a notebook's namespace, after the parts of `drafts`. There they find the parts by
name, so a part that the learner writes again is in use at once. That is why nothing imports this file.
"""

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from midspan.labs.lab3_failure import earlier
from midspan.simulation import Implementation
from midspan.simulation.nodes import MemberContext, NodeContext

if TYPE_CHECKING:  # the notebook's own, when this runs
    from midspan.labs.lab4_scaling.drafts import (
        BEAT_S,
        BROKER_AWAY,
        GOING_DOWN,
        GRACE_S,
        NOT_AUTHORISED,
        OUT_OF_ORDER,
        REPLACED,
        Log,
        Outlet,
        Owners,
        Place,
        Presence,
        Rooms,
        accept,
        broadcast,
        drain,
        linked,
        mailbox,
        resume,
    )

session: Any = earlier()  # lab 3's: the learner's own if it holds, else the reference's


class Feed:
    """A room on this node: its log is read once for all members. `live`: those that have all entries up to `offset`."""

    def __init__(self, node: "Node", room: str, place: Place) -> None:
        self.node, self.room, self.epoch, self.offset = node, room, place.epoch, place.end
        self.live: dict[Outlet, None] = {}
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        kind = "direct" if self.room.startswith("@") else "entry"
        async for offset, body in self.node.log.follow(self.room, self.epoch, self.offset):
            self.offset = offset
            broadcast(self.live, [kind, offset, body])
        for outlet in self.node.rooms.of(self.room):  # the log is another one: all say again where they stand
            outlet.connection.transport.abort()


async def join(node: "Node", outlet: Outlet, room: str, place: Place, offset: int) -> None:
    """Put a member into the room, and send it the entries that it has missed."""
    if node.rooms.join(outlet, room) or room not in node.feeds:
        node.feeds[room] = Feed(node, room, place)
    feed, kind = node.feeds[room], "direct" if room.startswith("@") else "entry"
    while feed.epoch == place.epoch and offset < feed.offset:
        try:
            entries = await node.log.after(room, offset, feed.offset)
        except BROKER_AWAY:
            outlet.connection.transport.abort()  # it comes back, and asks again
            return
        if not entries or entries[0][0] != offset + 1:
            break  # nothing is kept, or what comes next is trimmed
        for number, body in entries:
            await outlet.connection.send(json.dumps([kind, number, body]))
            offset = number
    if feed.epoch != place.epoch or (offset < feed.offset and place.epoch):
        outlet.connection.transport.abort()
    else:
        feed.live[outlet] = None  # no await since we compared: nothing came in between


async def leave(node: "Node", outlet: Outlet) -> None:
    """Take a member out of all rooms, and stop to follow the rooms that are empty now."""
    who, generation = node.members.pop(outlet)
    for feed in node.feeds.values():
        feed.live.pop(outlet, None)
    empty = node.rooms.leave(outlet)
    feeds = [node.feeds.pop(room) for room in empty]
    for feed in feeds:
        feed.task.cancel()
    with contextlib.suppress(*BROKER_AWAY):
        await asyncio.gather(*(feed.task for feed in feeds), return_exceptions=True)
        for room in empty:
            await node.log.close(room)
        await node.owners.release(who, generation)


async def greet(connection: Connection, authorise: Any) -> Any:
    """As in lab 3: the hello without its token; None, and the connection closed, if this client may not connect."""
    try:
        async with asyncio.timeout(GRACE_S):
            _, who, token, *hello = json.loads(await connection.recv())
    except TimeoutError:
        return connection.transport.abort()
    if not authorise(who, token) or hello[3].startswith("@"):  # the room; a mailbox is its owner's alone
        return await connection.close(NOT_AUTHORISED, "not authorised")
    return who, *hello


async def serve(node: "Node", connection: Connection, who: str, *hello: Any) -> None:
    """One connection, from its greeting to its end."""
    epoch, offset, base, room, *mine = hello
    place = await node.log.open(room, who, base)
    offset, outlet = resume(place, epoch, offset), Outlet(connection)
    node.members[outlet] = who, await node.owners.claim(who)
    try:
        await connection.send(json.dumps(["welcome", place.epoch, offset, place.safe]))
        joins = [join(node, outlet, room, place, offset)]
        if mine:  # its mailbox too
            letters = await node.log.open(mailbox(who), who, 1)
            joins.append(join(node, outlet, mailbox(who), letters, resume(letters, *mine)))
        with session.beside(connection, outlet.run(), *joins):
            async for text in connection:
                if not await say(node, connection, who, room, place.epoch, *json.loads(text)):
                    return
    finally:
        await leave(node, outlet)


async def say(node: "Node", connection: Connection, who: str, room: str, epoch: str, *message: Any) -> bool:
    """Take one message, and acknowledge it; False when this connection is over."""
    kind, number, body, *to = message
    if node.draining:
        await connection.close(GOING_DOWN, "this node leaves")
        return False
    with node.work:
        if kind == "direct":
            room = mailbox(*to)
            epoch = (await node.log.open(room, who, number)).epoch
        safe = await accept(node.log, room, epoch, who, number, body)
        if safe is None:
            await connection.close(OUT_OF_ORDER, "a number is missing, or the log is another one")
            return False
        await connection.send(json.dumps(["handed", safe, *to] if to else ["ack", safe]))
    return True


async def beat(node: "Node") -> None:
    """Each second: beat, and close the connections of clients that came back on another node."""
    while True:
        with contextlib.suppress(*BROKER_AWAY):
            await node.presence.beat()
            lost = await node.owners.lost(dict(node.members.values()))
            gone = [outlet.connection for outlet, (who, _) in node.members.items() if who in lost]
            async with asyncio.timeout(BEAT_S):  # a link that is half-open does not answer
                goodbyes = [connection.close(REPLACED, "connected elsewhere") for connection in gone]
                await asyncio.gather(*goodbyes, return_exceptions=True)
        await asyncio.sleep(BEAT_S)


class Work:
    """The messages that a node is taking: `idle` is set when there are none."""

    def __init__(self) -> None:
        self.count, self.idle = 0, asyncio.Event()
        self.idle.set()

    def __enter__(self) -> None:
        self.count += 1
        self.idle.clear()

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self.idle.set()


class Node:
    """One node of several."""

    def __init__(self, context: NodeContext) -> None:
        self.context, self.broker = context, linked(context.broker)
        self.log, self.rooms = Log(self.broker, context), Rooms()
        self.owners, self.presence = Owners(self.broker, context), Presence(self.broker, context)
        self.feeds: dict[str, Feed] = {}
        self.members: dict[Outlet, tuple[str, int]] = {}  # outlet -> who it is, and its claim
        self.work, self.draining = Work(), False
        self.handlers: set[Any] = set()

    async def start(self) -> None:
        self.beating = asyncio.create_task(beat(self))

    async def handle(self, connection: Connection) -> None:
        if self.draining:
            await connection.close(GOING_DOWN, "this node leaves")
            return
        task: Any = asyncio.current_task()
        self.handlers.add(task)
        task.add_done_callback(self.handlers.discard)
        away = contextlib.suppress(ConnectionClosed, *BROKER_AWAY)
        with away, session.beside(connection, session.heartbeat(connection)):
            if greeting := await greet(connection, self.context.authorise):
                await serve(self, connection, *greeting)

    async def drain(self) -> None:
        await drain(self)
        self.beating.cancel()
        await asyncio.wait([self.beating, *self.handlers], timeout=GRACE_S)
        await self.broker.aclose()

    def sizes(self) -> dict[str, int]:
        return {"waiting": max((len(outlet.waiting) for outlet in self.members), default=0)}


class Client(session.Client):  # type: ignore[misc]  # lab 3's
    """The client of lab 3, in a room."""

    async def session(self, connection: Connection) -> None:
        context: MemberContext = self.context
        place = self.cursor.epoch, self.cursor.offset, self.outbox.base
        await connection.send(json.dumps(["hello", context.me, context.token, *place, context.room]))
        with session.beside(connection, session.heartbeat(connection), self.sender.run(connection)):
            async for text in connection:
                session.hear(self, *json.loads(text))


ours = Implementation(Node, Client)
