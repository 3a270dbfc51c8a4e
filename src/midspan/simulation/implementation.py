"""The implementation under test: its server and clients, what each is given, and the store that survives a crash."""

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

# What survives a crash: a few facts, written at once, and a log, written in its time.
#
# A `Store` is the handle of one process on its disk. When the process is killed the handle goes dead: what the
# process had not finished writing is not there for its successor.


Fact = str | int | float | bytes | bool | None | tuple[str | int | float | bytes | bool | None, ...]

_FACTS = frozenset({str, int, float, bytes, bool, type(None)})


def _is_fact(value: object) -> bool:
    """What cannot change later; a tuple can hold what can."""
    return type(value) in _FACTS or (type(value) is tuple and all(map(_is_fact, value)))


class Entry(NamedTuple):
    """One entry of the log: the message, opaque, and what its writer wants to know of it later."""

    body: str
    facts: Mapping[str, Fact]


class Disk:
    """What is durable, whoever holds it."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.log: list[Entry] = []

    def wipe(self) -> None:
        self.facts.clear()
        self.log.clear()


class Store(MutableMapping[str, Fact]):
    """A process's handle on its disk.

    As a mapping it holds small facts (`store["epoch"] = 7`): a write is durable when the statement is done. The log is
    appended to with `await`: an entry is durable when the call returns, and not before. A store that needs no time for
    it says so, `writes_at_once`, and then has `write` as well.

    Args:
        disk: what the process before left.
        write_s: what an append takes; a read takes half of it.
        recorder: told of each entry of a server's log; None for a client's store.
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
        """Whether an append takes no time: nothing has to be waited for."""
        return self._write_s == 0

    def write(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log, durable when the call returns.

        Raises:
            Refusal: this store takes its time; await `append`.
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
        """The entries of the log after the first `after`, `most` at most.

        As with any database they are those of the moment at which the read began; what is appended while it lasts is
        not among them.
        """
        entries = self._disk.log[after : None if most is None else after + most]
        await asyncio.sleep(self._write_s / 2)
        return entries

    def kill(self) -> None:
        """The process is gone: what it still tries to write is not written."""
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
    """The server under test. May also have `async start()`, awaited before the first connection, and `sizes()`.

    On a real link it may have `serving(tls)` in place of `handle`: an async context manager that listens on a free
    port of 127.0.0.1 with this `ssl.SSLContext`, and gives the port.
    """

    async def handle(self, connection: Any, /) -> None:
        """Serve one connection, from its opening to its end: the handler of `websockets.serve`."""


class Client(Protocol):
    """The client under test. May also have `sizes()`."""

    async def run(self) -> None:
        """Connect, and keep connected, until cancelled."""

    def send(self, body: str, /) -> object:
        """Take a message of the application. Raises when it cannot (a full outbox): the message is then not sent."""


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What a server is given.

    Args:
        store: its log and facts, those of its predecessor included.
        authorise: may this client, with this token, be here now?
        rng: random numbers, seeded.
        now: the clock, in seconds.
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
        token: what `authorise` wants to see.
        connect: opens a connection: `await connect()`, `async with connect() as ...`, `async for ... in connect()`.
        store: its facts, those of its predecessor included.
        app: to be told `delivered(body)`, `acknowledged(body)` and `reset()`.
        rng: random numbers, seeded.
        now: the clock, in seconds.
        bounds: what it promises, and how much it may hold.
        url, trust: on a real link, where `connect` leads ("wss://127.0.0.1:4711"), and the `ssl.SSLContext` that it
            takes, for a client that brings its own `connect`; "" and None on the simulated link.
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
        server, client: how to make them; called anew after each restart.
        bounds: what they promise.
        limits: of their connections.
        around: entered for each run, with its seed: replaces the clock and random numbers of a library by the run's.
        counts: on a real link, whether a WebSocket message, as it stands on the wire, is one of those that a `Trigger`
            counts; all are if None. A framework sends some of its own (heartbeats, greetings).
        patience: how many times the stated recovery a run goes on: what comes too late is seen to be late, not taken
            for lost.
    """

    server: Callable[[Any], Server]  # of a ServerContext; on nodes, of a NodeContext
    client: Callable[[Any], Client]  # of a ClientContext
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    around: Callable[[int], AbstractContextManager[object]] = nullcontext
    counts: Callable[[Way, bytes], bool] | None = None
    patience: float = 2.0


def sizes_of(party: object) -> Mapping[str, int]:
    """The sizes of a party's buffers and tables by name, if it tells."""
    tell = getattr(party, "sizes", None)
    return tell() if tell is not None else {}
