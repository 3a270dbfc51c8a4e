"""Clients of a cluster: pairs on two nodes, and clients that send orders and connect again after a cut."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from statistics import median

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from midspan.errors import Refusal

# Across two nodes: a speaker on one node sends, a listener on the other receives. What arrives, and after which time?
#
# Both are plain WebSocket clients, for Socket.IO too (`40` connects, `42[...]` is an event), so that two measurements
# differ only in the nodes. Messages have numbers; a message that the listener receives ends with `NUMBER]`.


NUMBER = re.compile(r"(\d+)\]$")
READY_S, PROBE_S = 30.0, 0.1
BLOCK = 1_000_000  # each pair has its own numbers, since pairs on one channel receive the messages of all
SETTLED_S = 6.0  # at most, for a message after the last one; what has not arrived before it is lost
SILENT_S = 0.5  # the same between nodes of which no message is expected
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"


_blocks = itertools.count()


@dataclass(frozen=True)
class DeliveryReport:
    """The result of a run of numbered messages."""

    sent: int
    refused: int  # sends that raised, so the speaker knows
    lost: tuple[int, ...]  # the numbers that the listener never received, with the refused ones
    in_order: bool
    twice: int

    @property
    def silently_lost(self) -> int:
        """How many messages were lost without an error for the speaker."""
        return len(self.lost) - self.refused

    def __str__(self) -> str:
        return f"{len(self.lost)} of {self.sent} lost, {self.refused} refused"

    __repr__ = __str__


class SpeakerAndListener:
    """A speaker and a listener. Opened by `across()`."""

    def __init__(self, speaker: ClientConnection, socketio: bool, settled_s: float) -> None:
        self._speaker, self._settled_s = speaker, settled_s
        self._form = '42["say",{}]' if socketio else '["say",{}]'
        self._first = self._next = BLOCK * next(_blocks)
        self._heard: list[int] = []
        self._news = asyncio.Event()

    async def latency_s(self, messages: int = 100) -> float:
        """Send a message, wait until the listener receives it, and repeat; return the median in seconds."""
        took_s = []
        for _ in range(messages):
            began_s, number = time.perf_counter(), await self._say()
            await self._until(number)
            took_s.append(time.perf_counter() - began_s)
        return median(took_s)

    async def speak(self, messages: int, every_s: float) -> DeliveryReport:
        """Send `messages` messages at a fixed rate, also during faults; return the result."""
        self._heard.clear()
        first, refused = self._next, 0
        for _ in range(messages):
            try:
                await self._say()
            except ConnectionClosed:
                refused += 1
            await asyncio.sleep(every_s)
        await self._settle()
        here = [number - first for number in self._heard if first <= number < first + messages]
        lost = tuple(number for number in range(messages) if number not in {*here})
        return DeliveryReport(messages, refused, lost, here == sorted(here), len(here) - len({*here}))

    async def _say(self) -> int:
        number, self._next = self._next, self._next + 1
        await self._speaker.send(self._form.format(number))
        return number

    async def _settle(self) -> None:
        """Send one more message until one arrives: a channel keeps the order, so the earlier ones are here or lost."""
        last = self._next
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(self._settled_s):
                while not any(number >= last for number in self._heard):
                    await self._say()
                    await self._news_or(PROBE_S)

    async def _news_or(self, seconds: float) -> None:
        """Wait for the next message, or for so many seconds."""
        self._news.clear()
        await asyncio.gather(asyncio.wait_for(self._news.wait(), seconds), return_exceptions=True)

    async def _until(self, number: int) -> None:
        while number not in self._heard:
            self._news.clear()
            await self._news.wait()

    async def _listen(self, listener: ClientConnection) -> None:
        async for words in listener:
            if (found := NUMBER.search(str(words))) and int(found[1]) // BLOCK == self._first // BLOCK:
                self._heard.append(int(found[1]))
                self._news.set()

    async def _ready(self) -> None:
        """Send until a message arrives, since a node may subscribe only when its first client connects."""
        async with asyncio.timeout(READY_S):
            while not self._heard:
                await self._say()
                await self._news_or(PROBE_S)


@asynccontextmanager
async def across(
    speaker_url: str, listener_url: str, *, socketio: bool = False, waits: bool = True
) -> AsyncIterator[SpeakerAndListener]:
    """Connect speaker and listener, and wait until the listener receives a message.

    Args:
        speaker_url, listener_url: `nodes.direct_url(name)`.
        socketio: whether these nodes use Socket.IO.
        waits: False for nodes between which perhaps no message arrives: then do not wait for one.

    Raises:
        Refusal: the listener receives nothing.
    """
    async with AsyncExitStack() as stack:
        ends = [await stack.enter_async_context(_client(url, socketio)) for url in (speaker_url, listener_url)]
        pair = SpeakerAndListener(ends[0], socketio, SETTLED_S if waits else SILENT_S)
        tasks = [asyncio.create_task(_discard(ends[0])), asyncio.create_task(pair._listen(ends[1]))]
        stack.push_async_callback(_end, tasks)
        try:
            if waits:
                await pair._ready()
        except TimeoutError:
            do = "See what the nodes say: nodes.log(name)"
            raise Refusal("that the listener hears the speaker", f"silence for {READY_S:.0f} s", do) from None
        yield pair


@asynccontextmanager
async def _client(url: str, socketio: bool) -> AsyncIterator[ClientConnection]:
    async with connect(url + (SOCKETIO if socketio else ""), compression=None, close_timeout=1) as connection:
        if socketio:
            await connection.recv()
            await connection.send("40")
            await connection.recv()
        yield connection


async def _discard(connection: ClientConnection) -> None:
    """Read and drop what arrives; else it would fill the node's buffer."""
    async for _ in connection:
        pass


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# Clients that send an order, wait for the answer, send the next one, and connect again after a cut.
#
# An order without an answer is in doubt: the client cannot know whether it was carried out. `OrderReport` counts the
# orders that a rolling restart leaves in doubt, and the clients that come back at once.
#
#     async with order_clients(nodes.wss_url, bench.trust, count=60) as clients:
#         ...                                     # restart nodes
#     clients.report
#
# A client that receives "please go" waits for its answer, disconnects, and connects again at once. It ignores all other
# messages except the answer.


PLEASE_GO = "please go"
PAUSE_S = 0.1  # between orders, at most
RETRY_S = 0.05  # at most, before a client connects again: short, as in many clients
ANSWER_S = 10.0
RETURN_WINDOW_S = 0.25


@dataclass(frozen=True)
class OrderReport:
    """What happened to the orders, and when the clients came back."""

    answered: int
    in_doubt: int
    came_back_s: tuple[float, ...]  # seconds since the first order, sorted

    @property
    def peak(self) -> int:
        """The most clients that came back within a quarter of a second."""
        return busiest(self.came_back_s, RETURN_WINDOW_S)

    def __str__(self) -> str:
        back = f"{len(self.came_back_s)} came back, at most {self.peak} within {RETURN_WINDOW_S} s"
        return f"{self.answered} orders answered, {self.in_doubt} in doubt; {back}"

    __repr__ = __str__


class OrderClients:
    """The clients that send orders. Opened by `order_clients()`."""

    def __init__(self, url: str, trust: ssl.SSLContext, count: int, rng: random.Random) -> None:
        self._url, self._trust, self._rng = url, trust, rng
        self._missing, self._all_connected = count, asyncio.Event()
        self._began_s = time.monotonic()
        self._ending = asyncio.Event()
        self._answered = self._in_doubt = 0
        self._came_back_s: list[float] = []

    @property
    def report(self) -> OrderReport:
        """The counts so far."""
        return OrderReport(self._answered, self._in_doubt, tuple(sorted(self._came_back_s)))

    async def _run_client(self) -> None:
        """Run one client, from its first connection to the end of the block."""
        connected_before = False
        while not self._ending.is_set():
            try:
                async with connect(self._url, ssl=self._trust, close_timeout=1) as connection:
                    self._has_connected(connected_before)
                    connected_before = True
                    await self._order(connection)
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed):
                await asyncio.sleep(self._rng.uniform(0, RETRY_S))

    def _has_connected(self, connected_before: bool) -> None:
        if connected_before:
            self._came_back_s.append(time.monotonic() - self._began_s)
        else:
            self._missing -= 1
        if not self._missing:
            self._all_connected.set()

    async def _order(self, connection: ClientConnection) -> None:
        """Send orders until the block ends, or until the server asks the client to go."""
        asked_to_go = False
        while not (asked_to_go or self._ending.is_set()):
            await connection.send("order")  # raises if the connection has ended; then no order is in doubt
            self._in_doubt += 1
            while (words := await asyncio.wait_for(connection.recv(), ANSWER_S)) != "order":
                asked_to_go |= words == PLEASE_GO
            self._in_doubt -= 1
            self._answered += 1
            await asyncio.sleep(0 if asked_to_go else self._rng.uniform(0, PAUSE_S))


@asynccontextmanager
async def order_clients(url: str, trust: ssl.SSLContext, *, count: int, seed: int = 0) -> AsyncIterator[OrderClients]:
    """Run `count` clients that send orders to `url` (`wss://...`); in the block all are connected. They end with it."""
    people = OrderClients(url, trust, count, random.Random(seed))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(people._run_client())
        try:
            async with asyncio.timeout(30):
                await people._all_connected.wait()
            yield people
        finally:
            people._ending.set()


def busiest(times_s: Sequence[float], window_s: float) -> int:
    """Return the most of these sorted times that lie within one window."""
    return max((sum(begin <= time_s < begin + window_s for time_s in times_s) for begin in times_s), default=0)
