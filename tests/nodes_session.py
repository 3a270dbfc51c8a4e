"""A small honest session across nodes, for the tests of `midspan.simulation.nodes`: right in all that these vary, no
more.

What nodes must agree on stands in the broker: the log of a room is a stream, and one script takes a message once. Each
class takes the flaws it is to have by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from websockets.exceptions import ConnectionClosed

from midspan.simulation import Fault, Implementation, Join, Limits, Say, Schedule, Trigger
from midspan.simulation.nodes import BODY, MemberContext, NodeContext
from tests import simulation_session

# KEYS: the stream, the senders' numbers. ARGV: who, number, base, body. Gives the number up to which all is safe.
TAKE = """
local taken = math.max(tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0), tonumber(ARGV[3]) - 1)
local number = tonumber(ARGV[2])
if number == taken + 1 then
    redis.call('XADD', KEYS[1], (redis.call('XLEN', KEYS[1]) + 1) .. '-0', 'body', ARGV[4])
    taken = number
end
redis.call('HSET', KEYS[2], ARGV[1], taken)
return taken
"""
A2 = Trigger("a", "up", 2)  # a's first message leaves, behind its greeting
HONEST = Limits(ping_interval=2.0, ping_timeout=2.0)  # the library's heartbeat


class Node:
    """Serves the members of all rooms."""

    def __init__(self, context: NodeContext, flaws: frozenset[str]) -> None:
        self.context, self.flaws = context, flaws
        once = Retry(NoBackoff(), 0)  # a read that is tried again behind our back goes on in another epoch
        self.broker: Any = redis.asyncio.Redis.from_url(context.broker, socket_timeout=None, retry=once)
        self.take_once = self.broker.register_script(TAKE)
        self.mine: dict[str, int] = {}
        self.serving: dict[asyncio.Task[Any], None] = {}

    async def drain(self) -> None:
        for task in list(self.serving):
            task.cancel()
        await asyncio.wait(self.serving) if self.serving else None

    async def handle(self, connection: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving[task] = None
        try:
            await self.serve(connection)
        finally:
            self.serving.pop(task)

    async def serve(self, connection: Any) -> None:
        who, token, room, epoch, offset, base = json.loads(await connection.recv())
        if not self.context.authorise(who, token):
            await connection.close(4401, "not you")
            return
        mine = await self.epoch(room)
        offset = offset if epoch == mine else 0
        await connection.send(json.dumps(["welcome", mine, offset]))
        feed = self.listen if "pub/sub" in self.flaws else self.feed
        feeding = asyncio.create_task(feed(connection, room, offset))
        feeding.add_done_callback(lambda _: connection.transport.abort())
        try:
            async for text in connection:
                await self.take(connection, who, room, base, *json.loads(text))
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding

    async def epoch(self, room: str) -> int:
        key = f"{self.context.prefix}epoch:{room}"
        await self.broker.set(key, self.context.rng.getrandbits(32), nx=True)
        return int(await self.broker.get(key) or 0)

    async def take(self, connection: Any, who: str, room: str, base: int, number: int, body: str) -> None:
        stream = self.context.stream(room)
        if "hasty ack" in self.flaws:
            await connection.send(json.dumps(["ack", number]))
        if "own dedupe" in self.flaws:
            safe = await self.take_here(stream, who, base, number, body)
        else:
            numbers = f"{self.context.prefix}numbers:{room}"
            safe = await self.take_once(keys=[stream, numbers], args=[who, number, base, body])
        if "pub/sub" in self.flaws:
            await self.broker.publish(f"{self.context.prefix}{room}", body)
        await connection.send(json.dumps(["ack", safe]))

    async def take_here(self, stream: str, who: str, base: int, number: int, body: str) -> int:
        """Knows only what this node has taken."""
        if number > max(self.mine.get(who, 0), base - 1):
            self.mine[who] = number
            await self.broker.xadd(stream, {BODY: body})
        return number

    async def feed(self, connection: Any, room: str, offset: int) -> None:
        last = f"{offset}-0"
        with contextlib.suppress(ConnectionClosed, redis.RedisError):
            while True:
                for _, entries in await self.broker.xread({self.context.stream(room): last}, block=0):
                    for last, fields in entries:  # noqa: B007
                        await connection.send(json.dumps(["entry", fields[BODY.encode()].decode()]))

    async def listen(self, connection: Any, room: str, _offset: int) -> None:
        """Hears what is said while it listens."""
        with contextlib.suppress(ConnectionClosed, redis.RedisError):
            async with self.broker.pubsub() as heard:
                await heard.subscribe(f"{self.context.prefix}{room}")
                async for message in heard.listen():
                    if message["type"] == "message":
                        await connection.send(json.dumps(["entry", message["data"].decode()]))


class Client(simulation_session.Client):
    """As the client of one server, and says which room it belongs to."""

    context: MemberContext

    def who(self) -> list[str]:
        return [self.context.me, self.context.token, self.context.room]


def implementation(*flaws: str, **options: Any) -> Implementation:
    """The session with these flaws: "pub/sub", "own dedupe", "hasty ack"."""
    named = frozenset(flaws)
    options.setdefault("limits", HONEST)
    return Implementation(lambda context: Node(context, named), lambda context: Client(context, named), **options)


def schedule(*faults: Fault, rooms: tuple[str, ...] = ("red", "blue", "red"), messages: int = 2) -> Schedule:
    """Clients a, b, ... in these rooms, which say `messages` messages each, a tenth of a second apart."""
    names = "abcd"[: len(rooms)]
    joins = tuple(Join(0.0, who, room) for who, room in zip(names, rooms, strict=True))
    says = (Say(0.1 * i, who, f"{who}{i + 1}") for i in range(messages) for who in names)
    return Schedule(0, joins, tuple(says), faults)


def with_node(node: type[Node]) -> Implementation:
    """The honest session with another node."""
    return Implementation(lambda context: node(context, frozenset()), implementation().client, limits=HONEST)


def with_client(client: type[Client], *flaws: str) -> Implementation:
    """The honest session, or one with these flaws, with another client."""
    return Implementation(implementation(*flaws).server, lambda context: client(context, frozenset()), limits=HONEST)
