"""What can be measured of a server: one class each. `connections` says how many must be open before it begins.

A probe is asked in a round, for each contender in turn: `await probe(client, server)`, a load with its connections and
a server with its process. It gives numbers by name; `UNITS` in `outcome` says what they are. Where the server's
process is not known (an address on a system that does not tell who listens), processor and memory are left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from midspan.arguments import Fitting
from midspan.bench.prices import place
from midspan.bench.prices.outcome import Numbers
from midspan.bench.prices.starting import Started
from midspan.refusal import Refusal
from midspan.wires.child import Child

AT_ONCE = 16  # connections with an event under way: the server has always something to do, and never sleeps in between
OPENED_AT_ONCE = 500  # connections in one request to the load
LEAST_TURNS = 20  # round trips that a median needs
COUNTED = ("frame_bytes", "payload_bytes", "wire_bytes")


class Probe(Protocol):
    """What `measure` asks for; `once` in a round, or in each of its slices."""

    once: ClassVar[bool]

    @property
    def connections(self) -> int: ...

    async def __call__(self, client: Child, server: Started, /) -> Numbers: ...


@dataclass(frozen=True)
class Events(Fitting):
    """Acknowledged events, each said after the acknowledgement of the one before.

    The processor time is that of a busy server: `at_once` connections have an event under way at any time. The round
    trip is that of a quiet one and a single client, which take turns on one core: what is measured is the work on the
    way, not how long this system takes to wake an idle core.

    Attributes:
        events: how many count, in each slice of a round.
        together: how many the application says in one turn of its loop: what batching lives on.
        connections: over which they go, one after the other; the others are idle.
        at_once: on how many connections an event is under way.
    """

    once: ClassVar[bool] = False
    events: int = 1600
    together: int = 1
    connections: int = AT_ONCE
    at_once: int = AT_ONCE

    async def __call__(self, client: Child, server: Started) -> Numbers:
        quiet = await self._lone(client, server)
        async with _cpu(server) as spent:
            how = {"together": self.together, "over": self.connections, "at_once": self.at_once}
            told = await client.ask("closed", url=server.url, events=self.events, **how)
        return _each(told) | quiet | spent.each(told["events"])

    async def _lone(self, client: Child, server: Started) -> Numbers:
        turns = max(LEAST_TURNS, self.events // (4 * self.together))
        with place.beside(client.pid):
            told = await client.ask("lone", turns=turns, together=self.together, **server.address)
        return {"p50_us": 1e6 * told["p50_s"], "floor_us": 1e6 * told["floor_s"]}


@dataclass(frozen=True)
class Steady(Fitting):
    """Bytes of events at a low rate on one connection, those that only acknowledge a segment of TCP included.

    Attributes:
        events: how many are said.
        every_s: one so often.
        waits: whether somebody waits for each acknowledgement, or it may come when the protocol likes.
    """

    once: ClassVar[bool] = True
    events: int = 40
    every_s: float = 0.05
    waits: bool = False
    connections: int = 1

    async def __call__(self, client: Child, server: Started) -> Numbers:
        how = {"events": self.events, "every_s": self.every_s, "waits": self.waits}
        return _each(await client.ask("steady", url=server.url, **how))


@dataclass(frozen=True)
class Idle(Fitting):
    """Memory for each idle connection: how much the resident size of the server grows from `connections` to `until`."""

    once: ClassVar[bool] = True
    connections: int = 100
    until: int = 600

    async def __call__(self, client: Child, server: Started) -> Numbers:
        if server.pid is None:
            return {}
        before_bytes = place.rss_bytes(server.pid)
        await open_until(client, server, self.until)
        grown_bytes = place.rss_bytes(server.pid) - before_bytes
        return {"kib": grown_bytes / 1024 / (self.until - self.connections)}


@dataclass(frozen=True)
class FanOut(Fitting):
    """One says something, everybody is told: for each delivery the server's time, for all of them the time it takes."""

    once: ClassVar[bool] = False
    times: int = 10
    connections: int = 200

    async def __call__(self, client: Child, server: Started) -> Numbers:
        async with _cpu(server) as spent:
            told = await client.ask("tell_all", url=server.url, times=self.times)
        return {"p50_us": 1e6 * told["p50_s"]} | spent.each(told["deliveries"])


@dataclass(frozen=True)
class InsideOf(Fitting):
    """What happens within a Python server for one event: tasks, calls, allocations; see `inside`."""

    once: ClassVar[bool] = True
    events: int = 50
    connections: int = 1

    async def __call__(self, client: Child, server: Started) -> Numbers:
        if server.process is None or not server.contender.server:
            raise Refusal("a Python server of which we own the process", str(server.contender), "Pass a function")
        tasks = await self._watched("tasks", client, server, server.process)
        calls, blocks = await self._watched("calls", client, server, server.process)
        counted = {"tasks": tasks, "calls": calls, "blocks": blocks}
        return {what: count / self.events for what, count in counted.items()}

    async def _watched(self, what: str, client: Child, server: Started, process: Child) -> Any:
        await process.ask("counted", what=f"watch_{what}")
        await client.ask("closed", url=server.url, events=self.events)
        return await process.ask("counted", what=what)


async def open_until(client: Child, server: Started, connections: int) -> None:
    """Open connections to a server until there are so many."""
    count = 0
    while count < connections:
        count = int(await client.ask("open", until=min(count + OPENED_AT_ONCE, connections), **server.address))


class _Spent:
    """Processor time of a server while a block ran."""

    cpu_s: float | None = None

    def each(self, count: int) -> Numbers:
        return {} if self.cpu_s is None else {"cpu_us": 1e6 * self.cpu_s / count}


@asynccontextmanager
async def _cpu(server: Started) -> AsyncIterator[_Spent]:
    spent = _Spent()
    before_s = None if server.pid is None else place.cpu_s(server.pid)
    yield spent
    if before_s is not None and server.pid is not None:
        spent.cpu_s = place.cpu_s(server.pid) - before_s


def _each(told: dict[str, Any]) -> Numbers:
    """What the load has counted, for one event."""
    return {what: told[what] / told["events"] for what in COUNTED if what in told}
