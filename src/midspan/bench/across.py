"""Across two nodes: one client speaks on one, another listens on the other. What arrives, and how soon?

Both are plain WebSocket clients, for Socket.IO too (`40` connects, `42[...]` is an event), so that what differs between
two measurements is the nodes. Messages are numbered; what the listener hears ends with `NUMBER]`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from midspan.refusal import Refusal

NUMBER = re.compile(r"(\d+)\]$")
READY_S, PROBE_S = 30.0, 0.1
BLOCK = 1_000_000  # each pair has numbers of its own: on a channel that several share, all are heard by all
LATE_S = 0.3  # after the last message: what has not come by then is lost
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"


_blocks = itertools.count()


@dataclass(frozen=True)
class Heard:
    """What became of a run of numbered messages."""

    sent: int
    refused: int  # sends that raised: the speaker was told
    lost: tuple[int, ...]  # the numbers that the listener never heard, refused ones included
    in_order: bool
    twice: int

    @property
    def silently_lost(self) -> int:
        """Messages that are gone although nobody was told."""
        return len(self.lost) - self.refused

    def __str__(self) -> str:
        told = f"{self.refused} refused" if self.refused else "nobody was told"
        return f"{len(self.lost)} of {self.sent} lost, {told}"

    __repr__ = __str__


class Across:
    """A speaker and a listener. Opened by `across()`."""

    def __init__(self, speaker: ClientConnection, socketio: bool) -> None:
        self._speaker = speaker
        self._form = '42["say",{}]' if socketio else '["say",{}]'
        self._first = self._next = BLOCK * next(_blocks)
        self._heard: list[int] = []
        self._news = asyncio.Event()

    async def latency_s(self, messages: int = 100) -> float:
        """Say something, wait until it is heard, and again: the median, in seconds."""
        took_s = []
        for _ in range(messages):
            began_s, number = time.perf_counter(), await self._say()
            await self._until(number)
            took_s.append(time.perf_counter() - began_s)
        return median(took_s)

    async def speak(self, messages: int, every_s: float) -> Heard:
        """Say `messages` at a steady pace, whatever happens meanwhile; give what became of them."""
        self._heard.clear()
        first, refused = self._next, 0
        for _ in range(messages):
            try:
                await self._say()
            except ConnectionClosed:
                refused += 1
            await asyncio.sleep(every_s)
        await asyncio.sleep(LATE_S)
        here = [number - first for number in self._heard if number >= first]
        lost = tuple(number for number in range(messages) if number not in {*here})
        return Heard(messages, refused, lost, here == sorted(here), len(here) - len({*here}))

    async def _say(self) -> int:
        number, self._next = self._next, self._next + 1
        await self._speaker.send(self._form.format(number))
        return number

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
        """Until something is heard: a node may subscribe only when its first client is there."""
        async with asyncio.timeout(READY_S):
            while not self._heard:
                await self._say()
                with_patience = asyncio.wait_for(self._news.wait(), PROBE_S)
                await asyncio.gather(with_patience, return_exceptions=True)


@asynccontextmanager
async def across(speaker_url: str, listener_url: str, *, socketio: bool = False) -> AsyncIterator[Across]:
    """Connect both, and wait until the one hears the other.

    Args:
        speaker_url, listener_url: `nodes.direct_url(name)`.
        socketio: whether these nodes speak Socket.IO.

    Raises:
        Refusal: the listener hears nothing.
    """
    async with AsyncExitStack() as stack:
        ends = [await stack.enter_async_context(_client(url, socketio)) for url in (speaker_url, listener_url)]
        pair = Across(ends[0], socketio)
        tasks = [asyncio.create_task(_discard(ends[0])), asyncio.create_task(pair._listen(ends[1]))]
        stack.push_async_callback(_end, tasks)
        try:
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
    """Read what comes, or it would pile up at the node."""
    async for _ in connection:
        pass


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
