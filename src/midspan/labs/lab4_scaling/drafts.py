"""Lab 4's first draft: numbers, two functions, and the parts that the learner writes again, in the order of the steps.

`FirstDraft.define` runs this file in a notebook's namespace (see `midspan.labs.first_draft`).
"""

# ruff: noqa: ARG001, ARG002 - a first draft ignores some of its arguments

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from websockets.asyncio.connection import Connection
from websockets.frames import Frame, Opcode

from midspan.simulation.nodes import NodeContext

PAGE = 100  # entries that are read at once
KEEP = 10_000  # entries of a room's log; a client that was away for longer starts over
AWAY_S = 5.0  # how long a client is held while the broker is away
AGAIN_S = 0.1  # the pause before we ask the broker again
BEAT_S = 1.0  # between two beats of a node
LEASE_S = 3.0  # a node that was not heard of for this long is dead
UNREAD_BYTES = 2**15  # that may wait in a connection's write buffer
WAITING = 100  # frames that may wait behind the buffer
GRACE_S = 2.0  # for the work that a leaving node has begun
GOING_DOWN, NOT_AUTHORISED, REPLACED, OUT_OF_ORDER = 1012, 4401, 4408, 4409  # close codes (RFC 6455, section 7.4)
BROKER_AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)


def linked(url: str, alone: bool = False) -> Any:
    """A client of the broker. It does not try again by itself; `alone`: one connection, which is never replaced."""
    plain: dict[str, Any] = {"protocol": 2, "driver_info": None}  # no greeting, which takes five round trips
    never = Retry(NoBackoff(), 0)
    return Redis.from_url(url, alone, decode_responses=True, retry=never, socket_timeout=None, **plain)


def encode(message: list[Any]) -> bytes:
    """A message as the bytes of one unmasked frame (RFC 6455, section 5.2): the same for all members."""
    return Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=False)


# The parts, in the order of the steps.


class Rooms:
    """First draft: who is in which room."""

    def __init__(self) -> None:
        self.members: dict[str, dict[Any, None]] = {}

    def join(self, who: Any, room: str) -> bool:
        self.members.setdefault(room, {})[who] = None
        return len(self.members[room]) == 1

    def leave(self, who: Any) -> list[str]:
        return []

    def of(self, room: str) -> list[Any]:
        return list(self.members.get(room, ()))

    def __len__(self) -> int:
        return len(self.members)


def broadcast(outlets: Iterable["Outlet"], message: list[Any], encode: Any = encode) -> None:
    """First draft: encodes the message for each of them."""
    for outlet in outlets:
        outlet.give(encode(message))


class Outlet:
    """First draft: always writes, without a limit."""

    def __init__(self, connection: Connection, policy: str = "let go", most: int = WAITING) -> None:
        self.connection = connection
        self.waiting: dict[Any, bytes] = {}

    def give(self, frame: bytes, key: Any = None) -> None:
        self.connection.transport.write(frame)

    async def run(self) -> None:
        await self.connection.wait_closed()


class Place(NamedTuple):
    """A room's log: its epoch, the offset before its first entry, that of its last, and a sender's last safe number."""

    epoch: str
    start: int
    end: int
    safe: int


def resume(place: Place, epoch: str, offset: int) -> int:
    """First draft: every client goes on at the end."""
    return place.end


class Log:
    """First draft: messages of a room stay on this node."""

    def __init__(self, broker: Redis, context: NodeContext) -> None:
        self.queues: dict[str, asyncio.Queue[tuple[int, str]]] = {}
        self.end: dict[str, int] = {}

    async def open(self, room: str, who: str, base: int) -> Place:
        self.queues.setdefault(room, asyncio.Queue())
        return Place("", self.end.get(room, 0), self.end.get(room, 0), base - 1)

    async def take(self, room: str, epoch: str, who: str, number: int, body: str) -> int | None:
        self.end[room] = self.end.get(room, 0) + 1
        self.queues.setdefault(room, asyncio.Queue()).put_nowait((self.end[room], body))
        return number

    async def after(self, room: str, offset: int, end: int) -> list[tuple[int, str]]:
        return []

    async def follow(self, room: str, epoch: str, offset: int) -> AsyncIterator[tuple[int, str]]:
        while True:
            yield await self.queues[room].get()

    async def close(self, room: str) -> None:
        self.queues.pop(room, None)


SAY = """
local offset = redis.call('INCR', KEYS[1])
redis.call('PUBLISH', KEYS[2], offset .. ' ' .. ARGV[1])
return offset
"""


class BusLog:
    """A room over pub/sub. Its messages reach every node, and are stored nowhere."""

    def __init__(self, broker: Any, context: NodeContext) -> None:
        self.broker, self.context = broker, context
        self.heard: dict[str, Any] = {}  # room -> its subscription

    def keys(self, room: str) -> tuple[str, str]:
        return f"{self.context.prefix}{room} end", f"{self.context.prefix}{room}"  # its counter, its channel

    async def open(self, room: str, who: str, base: int) -> Place:
        counter, channel = self.keys(room)
        if room not in self.heard:
            self.heard[room] = self.broker.pubsub()
            await self.heard[room].subscribe(channel)
            await self.heard[room].get_message(timeout=None)  # the broker says that it is so
        end = int(await self.broker.get(counter) or 0)
        return Place("", end, end, base - 1)

    async def take(self, room: str, epoch: str, who: str, number: int, body: str) -> int | None:
        await self.broker.eval(SAY, 2, *self.keys(room), body)
        return number

    async def after(self, room: str, offset: int, end: int) -> list[tuple[int, str]]:
        return []  # nothing is kept

    async def follow(self, room: str, epoch: str, offset: int) -> AsyncIterator[tuple[int, str]]:
        while True:
            with contextlib.suppress(*BROKER_AWAY):
                async for message in self.heard[room].listen():  # it connects and subscribes again
                    if message["type"] == "message":
                        number, _, body = message["data"].partition(" ")
                        yield int(number), body
            await asyncio.sleep(AGAIN_S)

    async def close(self, room: str) -> None:
        await self.heard.pop(room).aclose()


OPEN = """
local safe = math.max(tonumber(redis.call('HGET', KEYS[2], 'safe ' .. ARGV[2]) or 0), ARGV[3] - 1)
redis.call('HSETNX', KEYS[2], 'epoch', ARGV[1]); redis.call('HSET', KEYS[2], 'safe ' .. ARGV[2], safe)
local last = tonumber(redis.call('HGET', KEYS[2], 'end') or 0)
return {redis.call('HGET', KEYS[2], 'epoch'), last - redis.call('XLEN', KEYS[1]), last, safe}
"""


class StreamLog:
    """A room over a stream: entry 1, 2, ... of one epoch, written by any node."""

    def __init__(self, broker: Any, context: NodeContext) -> None:
        self.broker, self.context = broker, context

    def keys(self, room: str) -> tuple[str, str]:
        """Of the room's stream, and of its facts, a hash."""
        return self.context.stream(room), f"{self.context.prefix}{room} facts"

    async def open(self, room: str, who: str, base: int) -> Place:
        """The place of the room's log. All messages of `who` below `base` were acknowledged."""
        epoch = f"{self.context.rng.getrandbits(64):016x}"  # if it is new
        return Place(*await self.broker.eval(OPEN, 2, *self.keys(room), epoch, who, base))

    async def take(self, room: str, epoch: str, who: str, number: int, body: str) -> int | None:
        return await take(self, room, epoch, who, number, body)

    async def after(self, room: str, offset: int, end: int) -> list[tuple[int, str]]:
        """The entries after `offset`, up to `end`; at most PAGE of them."""
        stream, _ = self.keys(room)
        return offsets(await self.broker.xrange(stream, f"({offset}-0", f"{end}-0", PAGE))

    def follow(self, room: str, epoch: str, offset: int) -> AsyncIterator[tuple[int, str]]:
        return follow(self, room, epoch, offset)

    async def close(self, room: str) -> None:
        pass  # the end of `follow` has closed its link


def offsets(entries: list[tuple[str, dict[str, str]]]) -> list[tuple[int, str]]:
    """Entries of a stream as (offset, body)."""
    return [(int(id.partition("-")[0]), fields["body"]) for id, fields in entries]


async def take(log: StreamLog, room: str, epoch: str, who: str, number: int, body: str) -> int | None:
    """First draft: appends every message, under an id that the broker chooses."""
    stream, _ = log.keys(room)
    await log.broker.xadd(stream, {"body": body})
    return number


async def follow(log: StreamLog, room: str, epoch: str, offset: int) -> AsyncIterator[tuple[int, str]]:
    """First draft: reads again, ten times a second."""
    while True:
        for number, body in await log.after(room, offset, 2**53):
            yield number, body
            offset = number
        await asyncio.sleep(AGAIN_S)


async def accept(log: Any, *message: Any, patience_s: float = AWAY_S) -> int | None:
    """First draft: acknowledges the message also when the broker is away."""
    try:
        safe: int | None = await log.take(*message)
    except BROKER_AWAY:
        safe = message[3]  # its number
    return safe


def mailbox(who: str) -> str:
    """First draft: one room for all direct messages."""
    return "@everyone"


CLAIM = """
local generation = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. generation)
return generation
"""


class Owners:
    """First draft: the last node to which a client came has it; a client that leaves is deleted."""

    def __init__(self, broker: Any, context: NodeContext) -> None:
        self.broker, self.context, self.owners = broker, context, f"{context.prefix}owners"

    async def claim(self, who: str) -> int:
        await self.broker.hset(self.owners, who, self.context.name)
        return 1

    async def release(self, who: str, generation: int) -> None:
        await self.broker.hdel(self.owners, who)

    async def lost(self, mine: dict[str, int]) -> list[str]:
        return []

    async def where(self, who: str) -> Any:
        return await self.broker.hget(self.owners, who)


class Presence:
    """First draft: a client that came once is present."""

    def __init__(self, broker: Any, context: NodeContext) -> None:
        self.broker, self.context = broker, context

    async def beat(self) -> None:
        pass

    async def living(self) -> set[str]:
        return {self.context.name}

    async def present(self) -> set[str]:
        return set(await self.broker.hkeys(self.context.prefix + "owners"))


async def drain(node: Any) -> None:
    """First draft: ends all connections at once."""
    for outlet in list(node.members):
        outlet.connection.transport.abort()
