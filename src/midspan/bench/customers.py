"""Customers: clients that order, wait for the answer, order again, and come back when they were cut off.

An order without an answer is in doubt: the customer cannot know whether it was carried out. What a rolling restart
leaves in doubt, and how many customers come back at once, is what `Report` counts.

    async with customers(nodes.wss_url, bench.trust, count=60) as people:
        ...                                     # restart what you like
    people.report

A customer that hears "please go" waits for its answer, leaves, and comes back at once. Any other word that is not the
answer is ignored.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PLEASE_GO = "please go"
PAUSE_S = 0.1  # between orders, at most
RETRY_S = 0.05  # before coming back after a cut, at most: an eager client, as many are
ANSWER_S = 10.0
RETURN_WINDOW_S = 0.25


@dataclass(frozen=True)
class Report:
    """What happened to the orders, and when customers came back."""

    answered: int
    in_doubt: int
    came_back_s: tuple[float, ...]  # seconds since the first order, sorted

    @property
    def peak(self) -> int:
        """The most that came back within a quarter of a second."""
        return busiest(self.came_back_s, RETURN_WINDOW_S)

    def __str__(self) -> str:
        back = f"{len(self.came_back_s)} came back, at most {self.peak} within {RETURN_WINDOW_S} s"
        return f"{self.answered} orders answered, {self.in_doubt} in doubt; {back}"

    __repr__ = __str__


class Customers:
    """Those who are ordering. Opened by `customers()`."""

    def __init__(self, url: str, trust: ssl.SSLContext, count: int, rng: random.Random) -> None:
        self._url, self._trust, self._rng = url, trust, rng
        self._missing, self._all_here = count, asyncio.Event()
        self._began_s = time.monotonic()
        self._closing = asyncio.Event()
        self._answered = self._in_doubt = 0
        self._came_back_s: list[float] = []

    @property
    def report(self) -> Report:
        """What was counted so far."""
        return Report(self._answered, self._in_doubt, tuple(sorted(self._came_back_s)))

    async def _be_one(self) -> None:
        """A customer, from the first connection to closing time."""
        been_here = False
        while not self._closing.is_set():
            try:
                async with connect(self._url, ssl=self._trust, close_timeout=1) as connection:
                    self._arrived(been_here)
                    been_here = True
                    await self._order(connection)
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed):
                await asyncio.sleep(self._rng.uniform(0, RETRY_S))

    def _arrived(self, been_here: bool) -> None:
        if been_here:
            self._came_back_s.append(time.monotonic() - self._began_s)
        else:
            self._missing -= 1
        if not self._missing:
            self._all_here.set()

    async def _order(self, connection: ClientConnection) -> None:
        """Order after order, until closing time or until asked to go."""
        asked_to_go = False
        while not (asked_to_go or self._closing.is_set()):
            await connection.send("order")  # raises where the end is known: then nothing is in doubt
            self._in_doubt += 1
            while (words := await asyncio.wait_for(connection.recv(), ANSWER_S)) != "order":
                asked_to_go |= words == PLEASE_GO
            self._in_doubt -= 1
            self._answered += 1
            await asyncio.sleep(0 if asked_to_go else self._rng.uniform(0, PAUSE_S))


@asynccontextmanager
async def customers(url: str, trust: ssl.SSLContext, *, count: int, seed: int = 0) -> AsyncIterator[Customers]:
    """Let `count` customers order at `url` (`wss://...`); in the block all have come once. At its end they leave."""
    people = Customers(url, trust, count, random.Random(seed))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(people._be_one())
        try:
            async with asyncio.timeout(30):
                await people._all_here.wait()
            yield people
        finally:
            people._closing.set()


def busiest(times_s: Sequence[float], window_s: float) -> int:
    """The most of these (sorted) times that lie within one window."""
    return max((sum(begin <= time_s < begin + window_s for time_s in times_s) for begin in times_s), default=0)
