"""A small honest session for the tests of the simulation: right in all that these tests vary, and no more.

It is not the reference of lab 3: no heartbeat, no bounds, no paging. Each class takes the flaws it is to have by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from midspan.simulation import ClientContext, Implementation, ServerContext


class Server:
    """Keeps one log; acknowledges when a message is durable; drops copies."""

    def __init__(self, context: ServerContext, flaws: frozenset[str]) -> None:
        self.context, self.flaws = context, flaws
        self.log: list[str] = []
        self.taken: dict[str, int] = {}
        self.lock = asyncio.Lock()
        self.grew = asyncio.Event()
        context.store.setdefault("epoch", context.rng.getrandbits(32))

    async def start(self) -> None:
        for body, facts in await self.context.store.read():
            self.log.append(body)
            self.taken[str(facts["who"])] = int(str(facts["number"]))

    async def handle(self, connection: Any) -> None:
        who, token, epoch, offset, base = json.loads(await connection.recv())
        if not self.context.authorise(who, token) and "trusting" not in self.flaws:
            await connection.close(4401, "not you")
            return
        self.taken[who] = max(self.taken.get(who, 0), base - 1)
        mine = self.context.store["epoch"]
        offset = offset if epoch == mine or "any epoch" in self.flaws else 0
        await connection.send(json.dumps(["welcome", mine, offset]))
        feeding = asyncio.create_task(self.feed(connection, offset))
        try:
            async for text in connection:
                await self.take(connection, who, *json.loads(text))
        finally:
            feeding.cancel()

    async def take(self, connection: Any, who: str, number: int, body: str) -> None:
        if "hasty ack" in self.flaws:
            await connection.send(json.dumps(["ack", number]))
        async with self.lock:
            if number > self.taken[who] or "no dedupe" in self.flaws:
                await self.context.store.append(body, who=who, number=number)
                self.taken[who] = number
                self.log.append(body)
                self.grew.set()
                self.grew = asyncio.Event()
        if "no ack" not in self.flaws:
            await connection.send(json.dumps(["ack", number]))

    async def feed(self, connection: Any, offset: int) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                grew = self.grew
                for body in self.log[offset:]:
                    await connection.send(json.dumps(["entry", body]))
                    offset += 1
                await grew.wait()

    def sizes(self) -> dict[str, int]:
        return {"replay": len(self.log), "dedupe": len(self.taken)}


class Client:
    """Keeps what is not acknowledged, sends it again on each connection, goes on where it stood."""

    def __init__(self, context: ClientContext, flaws: frozenset[str]) -> None:
        self.context, self.flaws = context, flaws
        self.more = asyncio.Event()
        self.waiting = {int(key): str(context.store[key]) for key in context.store if key.isdecimal()}

    def send(self, body: str) -> None:
        number = int(str(self.context.store.get("last", 0))) + 1
        self.context.store["last"] = number
        self.context.store[str(number)] = self.waiting[number] = body
        self.more.set()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed):
                await self.session(await self.context.connect())
            await asyncio.sleep(0.5 * self.context.rng.random())

    async def session(self, connection: Any) -> None:
        epoch, offset = self.place()
        base = min(self.waiting, default=int(str(self.context.store.get("last", 0))) + 1)
        await connection.send(json.dumps([*self.who(), epoch, offset, base]))
        sending = asyncio.create_task(self.pump(connection))
        try:
            async for text in connection:
                self.hear(*json.loads(text))
        finally:
            sending.cancel()

    def who(self) -> list[str]:
        return [self.context.me, self.context.token]

    def place(self) -> tuple[int, int]:
        epoch, offset = json.loads(str(self.context.store.get("place", "[0, 0]")))
        return epoch, offset

    async def pump(self, connection: Any) -> None:
        sent = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.more.clear()
                for number, body in list(self.waiting.items()):
                    if number > sent:
                        await connection.send(json.dumps([number, body]))
                        sent = number
                        if "forgets" in self.flaws:
                            self.waiting.pop(number)
                await self.more.wait()

    def hear(self, kind: str, *rest: Any) -> None:
        epoch, offset = self.place()
        if kind == "welcome":
            if [epoch, offset] != list(rest):
                self.context.app.reset()
            self.context.store["place"] = json.dumps(rest)
        elif kind == "entry":
            self.context.store["place"] = json.dumps([epoch, offset + 1])
            self.context.app.delivered(*rest)
        else:
            for number in [number for number in self.waiting if number <= rest[0]]:
                self.context.store.pop(str(number), None)
                self.context.app.acknowledged(self.waiting.pop(number))


def implementation(*flaws: str, **options: Any) -> Implementation:
    """The session with these flaws: "no dedupe", "hasty ack", "no ack", "trusting", "any epoch", "forgets"."""
    named = frozenset(flaws)
    return Implementation(lambda context: Server(context, named), lambda context: Client(context, named), **options)
