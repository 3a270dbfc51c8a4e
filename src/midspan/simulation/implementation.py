"""The implementation under test: its server and clients, their contexts, and the store that survives a crash."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from midspan.errors import Fitting, checked, need
from midspan.simulation.end import Limits
from midspan.simulation.faults import Way
from midspan.simulation.history import App, Bounds, Recorder

# What survives a crash: a few facts and a log.
#
# A `Disk` holds the data. A `Store` is one process's access to it. When the process is killed, its `Store` stops
# writing, so the next process does not find what was not yet written.


Fact = str | int | float | bytes | bool | None | tuple[str | int | float | bytes | bool | None, ...]

_FACTS = frozenset({str, int, float, bytes, bool, type(None)})


def _is_fact(value: object) -> bool:
    """Whether a value cannot change later. The items of a tuple are checked too: they could be lists."""
    return type(value) in _FACTS or (type(value) is tuple and all(map(_is_fact, value)))


class Entry(NamedTuple):
    """One entry of the log: the message as text, and facts about it that the process needs later."""

    body: str
    facts: Mapping[str, Fact]


class Disk:
    """The durable data of one server or client. It survives the death of the process."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.log: list[Entry] = []

    def wipe(self) -> None:
        self.facts.clear()
        self.log.clear()


class Store(MutableMapping[str, Fact]):
    """What one process writes durably: small facts and a log.

    As a mapping it holds the facts (`store["epoch"] = 7`). A fact is durable when the assignment is done. `await
    append(body)` adds an entry to the log. The entry is durable when the call returns, and not before. Where
    `writes_at_once` is true, an append takes no time, and `write` does the same without `await`.

    Args:
        disk: the data, with all that an earlier process wrote.
        write_s: seconds that an append takes; a read takes half of it.
        recorder: notes each entry of a server's log; None for a client's store.
    """

    @checked
    def __init__(self, disk: Disk, write_s: float, recorder: Recorder | None = None) -> None:
        self._disk, self._write_s, self._recorder = disk, write_s, recorder
        self._dead = False

    async def append(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log."""
        need(isinstance(body, str), "the message as it was sent, a str", body, "Append the body, and facts by keyword")
        if not self.writes_at_once:
            await asyncio.sleep(self._write_s)
        self._written(body, facts)

    @property
    def writes_at_once(self) -> bool:
        """Whether an append takes no time."""
        return self._write_s == 0

    def write(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log, durable when the call returns.

        Raises:
            Refusal: an append to this store takes time; await `append`.
        """
        need(isinstance(body, str), "the message as it was sent, a str", body, "Write the body, and facts by keyword")
        need(self.writes_at_once, "a store that writes at once", f"one that takes {self._write_s:g} s", "Await append")
        self._written(body, facts)

    def _written(self, body: str, facts: Mapping[str, Fact]) -> None:
        if not self._dead:
            self._disk.log.append(Entry(body, facts))
            if self._recorder is not None:
                self._recorder.durable(body)

    async def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """The entries of the log after the first `after`; at most `most` of them.

        The result is the log as it was when the read began. Entries that are appended during the read are not in it.
        """
        entries = self._disk.log[after : None if most is None else after + most]
        await asyncio.sleep(self._write_s / 2)
        return entries

    def kill(self) -> None:
        """The process is killed: ignore all that it still tries to write."""
        self._dead = True

    def __getitem__(self, key: str) -> Fact:
        return self._disk.facts[key]

    def __setitem__(self, key: str, value: Fact) -> None:
        if not _is_fact(value):
            need(False, "a fact: str, int, float, bytes or a tuple of them", value, "Store what cannot change later")
        if not self._dead:
            self._disk.facts[key] = value

    def __delitem__(self, key: str) -> None:
        if not self._dead:
            del self._disk.facts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._disk.facts)

    def __len__(self) -> int:
        return len(self._disk.facts)


class Server(Protocol):
    """The server under test. It may also have `sizes()`, and `async start()`, awaited before the first connection.

    On a real link it may have `serving(tls)` in place of `handle`: an async context manager that listens on a free
    port of 127.0.0.1 with this `ssl.SSLContext`, and gives the port.
    """

    async def handle(self, connection: Any, /) -> None:
        """Serve one connection, from its opening to its end: the handler of `websockets.serve`."""


class Client(Protocol):
    """The client under test. It may also have `sizes()`."""

    async def run(self) -> None:
        """Connect, and keep connected, until cancelled."""

    def send(self, body: str, /) -> object:
        """Send a message of the application. Raises if it cannot take it (a full outbox): then it is not sent."""


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What a server is given.

    Args:
        store: its log and facts, with those of the server process before it.
        authorise: `authorise(client, token)`: whether this client has the right to connect now.
        rng: random numbers, seeded.
        now: the run's clock, in seconds.
        bounds: what it promises, and how much it may hold.
    """

    store: Store
    authorise: Callable[[str, str], bool]
    rng: random.Random
    now: Callable[[], float]
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class ClientContext:
    """What a client is given.

    Args:
        me: its name.
        token: what the server's `authorise` checks.
        connect: opens a connection: `await connect()`, `async with connect() as ...`, `async for ... in connect()`.
        store: its facts, with those of the client process before it.
        app: its application; the client calls `delivered(body)`, `acknowledged(body)` and `reset()`.
        rng: random numbers, seeded.
        now: the run's clock, in seconds.
        bounds: what it promises, and how much it may hold.
        url, trust: for a client with a `connect` of its own, on a real link: the address ("wss://127.0.0.1:4711") and
            the `ssl.SSLContext`; "" and None on the simulated link.
    """

    me: str
    token: str
    connect: Callable[[], Any]
    store: Store
    app: App
    rng: random.Random
    now: Callable[[], float]
    bounds: Bounds
    url: str = ""
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Implementation(Fitting):
    """The code under test.

    Args:
        server, client: functions that make them from a context; they are called again after each restart.
        bounds: what they promise.
        limits: of their connections.
        around: `around(seed)` gives a context manager that is entered for each run. It replaces a library's clock and
            random numbers with those of the run.
        counts: on a real link, whether a `Trigger` counts this WebSocket message (way, bytes on the wire). A framework
            sends messages of its own (heartbeats, greetings), which it should not count. None: all count.
        patience: a run goes on for `patience * bounds.recovery_s` after the last fault or message. It is above 1, so
            that a message that comes too late is seen as late and not as lost.
    """

    server: Callable[[Any], Server]  # of a ServerContext; on nodes, of a NodeContext
    client: Callable[[Any], Client]  # of a ClientContext
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    around: Callable[[int], AbstractContextManager[object]] = nullcontext
    counts: Callable[[Way, bytes], bool] | None = None
    patience: float = 2.0


def sizes_of(party: object) -> Mapping[str, int]:
    """The sizes of the buffers and tables of a server or client, by name; empty if it has no `sizes`."""
    tell = getattr(party, "sizes", None)
    return tell() if tell is not None else {}
