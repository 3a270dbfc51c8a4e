"""The first draft of lab 3's session, part by part, as many a first version looks like.

Each part works while nothing fails. The lab shows each of them failing, and the learner writes it anew. There is no
draft of `Sender`: it is the first part that the learner writes.
"""

# ruff: noqa: ARG002 - a draft ignores what it should use

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from midspan.simulation import Store

NOT_AUTHORISED = 4401  # close code of our own (RFC 6455, section 7.4.2)


async def heartbeat(connection: Connection) -> None:
    """First draft: none. It relies on TCP."""


async def stay_connected(client: Any) -> None:
    """First draft: connects again after one second, always."""
    while True:
        with contextlib.suppress(OSError, ConnectionClosed):
            await client.session(await client.connect())
        await asyncio.sleep(1.0)


class Outbox:
    """First draft: the messages without an acknowledgement, numbered from 1, in memory, without a limit."""

    def __init__(self, store: Store, limit: int) -> None:
        self.waiting: dict[int, str] = {}
        self.last = 0

    @property
    def base(self) -> int:
        return min(self.waiting, default=self.last + 1)

    def put(self, body: str) -> None:
        self.last += 1
        self.waiting[self.last] = body

    def after(self, number: int) -> list[tuple[int, str]]:
        return [(n, body) for n, body in self.waiting.items() if n > number]

    def acknowledge(self, number: int) -> list[str]:
        return [self.waiting.pop(n) for n in list(self.waiting) if n <= number]

    def __len__(self) -> int:
        return len(self.waiting)


class Inbox:
    """First draft: every message is new."""

    def judge(self, who: str, number: int) -> str:
        return "new"

    def take(self, who: str, number: int) -> None:
        pass

    def remember(self, who: str, number: int) -> None:
        pass

    def adopt(self, who: str, base: int) -> None:
        pass

    def safe(self, who: str) -> int:
        return 0

    def __len__(self) -> int:
        return 0


class Desk:
    """First draft: acknowledges at once, and writes meanwhile."""

    def __init__(self, inbox: Any, log: Any) -> None:
        self.inbox, self.log = inbox, log
        self.writing: set[asyncio.Task[None]] = set()

    async def take(self, who: str, number: int, body: str) -> int | None:
        if self.inbox.judge(who, number) == "new":
            self.inbox.take(who, number)
            self.writing.add(asyncio.create_task(self.log.append(body, who, number)))
        return number


class Cursor:
    """First draft: only the offset of the last entry that came."""

    def __init__(self, store: Store) -> None:
        self.store, self.epoch = store, ""
        self.offset: Any = store.get("cursor", 0)

    def moves_to(self, epoch: str, offset: int) -> bool:
        self.takes(offset)
        return False

    def takes(self, offset: int) -> bool:
        self.offset = self.store["cursor"] = offset
        return True


class Log:
    """First draft: all entries in memory. A place in the log is only a number."""

    def __init__(self, store: Store, rng: random.Random, keep: int) -> None:
        self.store, self.epoch, self.end = store, "", 0
        self.bodies: list[str] = []

    def add(self, body: str) -> None:
        self.bodies.append(body)
        self.end = len(self.bodies)

    async def append(self, body: str, who: str, number: int) -> None:
        await self.store.append(body, who=who, number=number)
        self.add(body)

    def resume(self, epoch: str, offset: int) -> int:
        return min(offset, self.end)

    async def after(self, offset: int) -> list[tuple[int, str]]:
        return list(enumerate(self.bodies[offset:], offset + 1))

    def __len__(self) -> int:
        return len(self.bodies)


async def feed(connection: Connection, log: Any, offset: int) -> None:
    """First draft: reads the log again and again."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            for place, body in await log.after(offset):
                await connection.send(json.dumps(["entry", place, body]))
                offset = place
            await asyncio.sleep(0.05)


async def greet(connection: Connection, authorise: Callable[[str, str], bool]) -> tuple[str, str, int, int] | None:
    """First draft: accepts each client that says it was here before."""
    _, who, token, epoch, offset, base = json.loads(await connection.recv())
    if offset or authorise(who, token):
        return who, epoch, offset, base
    await connection.close(NOT_AUTHORISED, "not authorised")
    return None
