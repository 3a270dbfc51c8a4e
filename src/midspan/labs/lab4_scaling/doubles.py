"""Doubles for the checks of lab 4: a connection whose client is the check, and a broker with contexts for nodes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode

from midspan.grading.limits import within
from midspan.simulation import Bounds
from midspan.simulation.nodes import NodeContext, shared_broker
from midspan.simulation.nodes.broker import RunBroker

SOON_S = 1.0  # for work that a broker on this machine does in a millisecond


class Transport:
    """The transport of a connection: `taken` has the frames that left; while `full`, nothing leaves the buffer."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.full = False
        self.aborted = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.taken.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 2**20 if self.full else 0

    def is_closing(self) -> bool:
        return self.aborted.is_set()

    def abort(self) -> None:
        self.aborted.set()


class ScriptedConnection:
    """A server's connection whose client is the check: it sends with `says`, and reads `heard`.

    Args:
        answers: whether the client answers a close.
    """

    def __init__(self, answers: bool = True) -> None:
        self.transport = Transport()
        self.answers = answers
        self.heard: list[Any] = []
        self.code: int | None = None  # the close code that the server gave
        self.closing = asyncio.Event()
        self.has_room = asyncio.Event()
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._news = asyncio.Event()
        write = self.transport.write

        def written(data: bytes) -> None:
            write(data)
            self._hear(_payload(data))

        self.transport.write = written  # type: ignore[method-assign]

    # called by the check

    def says(self, *message: Any) -> None:
        self._inbox.put_nowait(json.dumps(message))

    async def hears(self, *message: Any) -> bool:
        """Return whether this message arrives soon."""
        with suppress(TimeoutError):
            await within(self._until(list(message)), SOON_S)
        return list(message) in self.heard

    async def _until(self, message: list[Any]) -> None:
        while message not in self.heard:
            self._news.clear()
            await self._news.wait()

    async def enters(self, kind: str, within_s: float, serving: asyncio.Future[Any]) -> None:
        """Wait for a message of this kind, or for the end of the task `serving`, whose error is raised."""
        with suppress(TimeoutError):
            await within(self._kind(kind, serving), within_s)
        if serving.done() and not serving.cancelled():
            serving.result()

    async def _kind(self, kind: str, serving: asyncio.Future[Any]) -> None:
        while not serving.done() and not any(message[0] == kind for message in self.heard):
            self._news.clear()
            waking: asyncio.Future[Any] = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({waking, serving}, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()

    # called by the server

    def _hear(self, text: str) -> None:
        self.heard.append(json.loads(text))
        self._news.set()

    async def send(self, text: str) -> None:
        await asyncio.sleep(0)
        if self.gone:
            raise ConnectionClosedError(None, None)
        self._hear(text)

    async def recv(self) -> Any:
        ends = (self.closing, self.transport.aborted)
        ended: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in ends]
        getting: asyncio.Future[Any] = asyncio.ensure_future(self._inbox.get())
        waiting: list[asyncio.Future[Any]] = [getting, *ended]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if getting.done() and not self.gone:
                return getting.result()
            raise ConnectionClosedError(None, None)
        finally:
            for task in waiting:
                task.cancel()

    async def __aiter__(self) -> AsyncIterator[Any]:
        with suppress(ConnectionClosedError):
            while True:
                yield await self.recv()

    @property
    def gone(self) -> bool:
        return self.closing.is_set() or self.transport.aborted.is_set()

    async def close(self, code: int = 1000, _reason: str = "") -> None:
        if self.code is None and not self.gone:
            self.code = code
        if not self.answers:
            await asyncio.sleep(3600.0)
        self.closing.set()

    async def drain(self) -> None:
        while self.transport.full:
            self.has_room.clear()
            await self.has_room.wait()

    def takes(self) -> None:
        """Let the client read again: the buffer has room."""
        self.transport.full = False
        self.has_room.set()

    async def ping(self) -> asyncio.Future[float]:
        pong: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        pong.set_result(0.0)
        return pong

    async def wait_closed(self) -> None:
        await self.transport.aborted.wait()


def _payload(data: bytes) -> str:
    """Return the text of one unmasked frame (RFC 6455, section 5.2)."""
    size = data[1] & 127
    start = {126: 4, 127: 10}.get(size, 2)
    return data[start:].decode()


def text_frame(text: str) -> bytes:
    """Return a text frame as a server sends it."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class CheckBroker:
    """A broker, and contexts of nodes that use it. Opened by `broker_for_check()`."""

    def __init__(self, own: RunBroker) -> None:
        self.prefix = own.new_prefix()
        self._own = own
        self.admin = self.link("check")
        self._links = [self.admin]

    def url(self, name: str) -> str:
        """Return the broker's address for this client."""
        return f"{self._own.url}?client_name={name}"

    def link(self, name: str) -> Redis:
        """Return a client of the broker that does not retry by itself, so that errors are seen."""
        made = Redis.from_url(self.url(name), decode_responses=True, retry=Retry(NoBackoff(), 0), socket_timeout=None)
        if hasattr(self, "_links"):
            self._links.append(made)
        return made

    def context(self, name: str, now: Callable[[], float] | None = None) -> NodeContext:
        """Return a node's context."""
        return NodeContext(
            name=name,
            broker=self.url(name),
            prefix=self.prefix,
            authorise=lambda _who, _token: True,
            rng=random.Random(name),
            now=now or asyncio.get_running_loop().time,
            bounds=Bounds(),
        )

    async def cut(self, name: str) -> None:
        """Cut all connections of this node to the broker. It may connect again at once."""
        for client in await self.admin.client_list():
            if client["name"] == name:
                await self.admin.client_kill_filter(_id=client["id"])

    async def forget(self) -> None:
        """Delete the broker's data, as after a restart."""
        async for key in self.admin.scan_iter(match=f"{self.prefix}*", count=1000):
            await self.admin.delete(key)

    async def close(self) -> None:
        await self.forget()
        for link in self._links:
            await link.aclose()


@asynccontextmanager
async def broker_for_check() -> AsyncIterator[CheckBroker]:
    """Give the broker of this block; at the end delete what the answers wrote."""
    with shared_broker() as own:
        opened = CheckBroker(own)
        try:
            yield opened
        finally:
            await opened.close()


class Follower:
    """Reads what `log.follow` gives, in a task. `ended` when that ends."""

    def __init__(self, log: Any, room: str, epoch: str, offset: int) -> None:
        self.heard: list[Any] = []
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(self._read(log.follow(room, epoch, offset)))

    async def _read(self, entries: Any) -> None:
        async for entry in entries:
            self.heard.append(tuple(entry))
            self._news.set()

    async def bodies(self, count: int, within_s: float = SOON_S) -> list[Any]:
        """Return the received bodies: `count`, or fewer at the time limit. Raise what the answer raised."""
        with suppress(TimeoutError):
            await within(self._until(count), within_s)
        if self.task.done() and not self.task.cancelled():
            self.task.result()
        return [body for _, body in self.heard]

    async def _until(self, count: int) -> None:
        while len(self.heard) < count and not self.task.done():
            self._news.clear()
            waking = asyncio.ensure_future(self._news.wait())
            await asyncio.wait([waking, self.task], return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()

    async def ends(self, within_s: float = SOON_S) -> bool:
        """Return whether it ends soon."""
        with suppress(TimeoutError):
            await within(asyncio.wait([self.task]), within_s)
        return self.task.done()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
