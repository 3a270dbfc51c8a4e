"""Probes measure one server. Paired rounds compare servers: A B A B, then B A B A, each round with new processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar, Protocol, TypeVar

from tqdm import tqdm

from midspan.benchmark import contenders
from midspan.benchmark.contenders import Contender, Started, cores, pin, started
from midspan.benchmark.load_process import load
from midspan.benchmark.statistics import Numbers, Paired
from midspan.errors import Fitting, Refusal, checked, need
from midspan.net.child_process import Child

# Probes. `connections` says how many connections must be open before a probe begins.
#
# In a round each contender is measured in turn: `await probe(client, server)`, with a load whose connections are open,
# and a server in its process. The probe returns numbers by name; `statistics.UNITS` explains them. CPU time and memory
# are missing where the server's process is not known (an address, and a system that does not tell which process
# listens).


AT_ONCE = 16  # connections with an event under way, so that the server never sleeps
OPENED_AT_ONCE = 500  # connections in one request to the load
LEAST_TURNS = 20  # round trips that a median needs
COUNTED = ("frame_bytes", "payload_bytes", "wire_bytes")


class Probe(Protocol):
    """The interface of a probe. It runs `once` in a round, or in each slice of a round."""

    once: ClassVar[bool]

    @property
    def connections(self) -> int: ...

    async def __call__(self, client: Child, server: Started, /) -> Numbers: ...


@dataclass(frozen=True)
class Events(Fitting):
    """Measures acknowledged events; a client sends an event after the acknowledgement of the one before.

    The CPU time is that of a busy server: `at_once` connections always have an event under way. The round trip is that
    of a quiet server and one client, both on one core: so it measures their work, and not the time that this system
    needs to wake an idle core.

    Attributes:
        events: how many count, in each slice of a round.
        together: how many the application sends in one turn of its loop; a protocol can batch these.
        connections: how many connections are used, in order; the others are idle.
        at_once: how many connections have an event under way.
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
        with contenders.pinned_beside(client.pid):
            told = await client.ask("lone", turns=turns, together=self.together, **server.address)
        return {"p50_us": 1e6 * told["p50_s"], "floor_us": 1e6 * told["floor_s"]}


@dataclass(frozen=True)
class Steady(Fitting):
    """Counts the bytes of events at a low rate on one connection, with TCP's own acknowledgements.

    Attributes:
        events: how many are sent.
        every_s: seconds between two events.
        waits: whether the application waits for each acknowledgement; if not, the protocol may delay it.
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
    """Measures the memory of an idle connection: the server's growth from `connections` to `until` connections."""

    once: ClassVar[bool] = True
    connections: int = 100
    until: int = 600

    async def __call__(self, client: Child, server: Started) -> Numbers:
        if server.pid is None:
            return {}
        before_bytes = contenders.rss_bytes(server.pid)
        await open_until(client, server, self.until)
        grown_bytes = contenders.rss_bytes(server.pid) - before_bytes
        return {"kib": grown_bytes / 1024 / (self.until - self.connections)}


@dataclass(frozen=True)
class FanOut(Fitting):
    """One client sends a message to all. Measures CPU time for each delivery, and the time for all of them."""

    once: ClassVar[bool] = False
    times: int = 10
    connections: int = 200

    async def __call__(self, client: Child, server: Started) -> Numbers:
        async with _cpu(server) as spent:
            told = await client.ask("tell_all", url=server.url, times=self.times)
        return {"p50_us": 1e6 * told["p50_s"]} | spent.each(told["deliveries"])


@dataclass(frozen=True)
class ServerWork(Fitting):
    """Counts what a Python server does for one event: tasks, calls, allocations; see `serving.ServerCounters`."""

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
    """Open connections to a server until there are `connections`."""
    count = 0
    while count < connections:
        count = int(await client.ask("open", until=min(count + OPENED_AT_ONCE, connections), **server.address))


class _CpuTime:
    """The CPU time of a server while a block ran."""

    cpu_s: float | None = None

    def each(self, count: int) -> Numbers:
        return {} if self.cpu_s is None else {"cpu_us": 1e6 * self.cpu_s / count}


@asynccontextmanager
async def _cpu(server: Started) -> AsyncIterator[_CpuTime]:
    spent = _CpuTime()
    before_s = None if server.pid is None else contenders.cpu_s(server.pid)
    yield spent
    if before_s is not None and server.pid is not None:
        spent.cpu_s = contenders.cpu_s(server.pid) - before_s


def _each(told: dict[str, Any]) -> Numbers:
    """Return what the load has counted, for one event."""
    return {what: told[what] / told["events"] for what in COUNTED if what in told}


# Servers are compared only within a round: when other work slows the machine for a while, it slows both. The cost of a
# light server differs by a tenth between two processes, so there are five rounds or more, each with new processes.


T = TypeVar("T")

WARM_UP = 500  # events before those that count
COMPILES = 10  # times as many for a program that is not Python: Node compiles frequent code while it runs
SLICES = 2  # A B, then A B again, within a round
EVENTS = Events()


class ProgressBar(tqdm):
    """A progress bar without the thread that tqdm starts to watch its bars, and never ends."""

    monitor_interval = 0


@checked
async def paired(
    contenders: Sequence[Contender],
    probe: Probe = EVENTS,
    *,
    rounds: int = 5,
    slices: int = SLICES,
    tls: bool = True,
    seed: int = 0,
    warm_up: int = WARM_UP,
    progress: bool = True,
) -> Paired:
    """Measure contenders against each other.

    Args:
        contenders: at least one, each with a name of its own.
        probe: what is measured: `Events()`, `Steady()`, `Idle()`, `FanOut()`, `ServerWork()`, with numbers of your own.
        rounds: how many; each has new processes, and the reverse order of the round before.
        slices: how often a round measures all in turn; the round's number is their median. Many short slices keep a
            burst of other work from deciding a round.
        tls: whether the connections use TLS.
        seed: of the bootstrap.
        warm_up: events that each server acknowledges before it is measured; 0 for none.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        Refusal: an argument does not fit, or a contender cannot be started or does not acknowledge.
    """
    names = [one.name for one in contenders]
    right = len(names) > 0 and len({*names}) == len(names)
    need(right, "contenders, each with a name of its own", names, "Pass [contender(name, server, dialect), ...]")
    need(rounds > 0, "a round or more", rounds, "Pass rounds=5")
    need(slices > 0, "a slice or more", slices, "Pass slices=2")
    slices = 1 if probe.once else slices
    found: dict[str, list[Numbers]] = {name: [] for name in names}
    hidden = not (progress and sys.stderr.isatty())
    bar = ProgressBar(total=rounds * slices * len(names), desc="measuring", unit="run", leave=False, disable=hidden)
    async with load() as client:
        if (ours := cores()) is not None:
            pin(client.pid, ours[1])
        with bar:
            for turn in range(rounds):
                order = turned(contenders, turn)
                for name, numbers in (await _round(order, client, probe, tls, slices, warm_up, bar)).items():
                    found[name].append(numbers)
    return Paired({name: tuple(rows) for name, rows in found.items()}, seed)


async def _round(
    order: list[Contender], client: Child, probe: Probe, tls: bool, slices: int, warm_up: int, bar: Any
) -> dict[str, Numbers]:
    """Do one round with new processes; all are connected and warm before the first is measured."""
    rows: dict[str, list[Numbers]] = {one.name: [] for one in order}
    async with AsyncExitStack() as stack:
        servers = await asyncio.gather(*(stack.enter_async_context(started(one, tls=tls)) for one in order))
        stack.push_async_callback(client.ask, "close")
        for server in servers:
            await _connect_and_warm_up(client, server, probe.connections, warm_up)
        for _ in range(slices):
            for server in servers:
                rows[server.contender.name].append(await probe(client, server))
                bar.update()
    return {name: averaged(kept) for name, kept in rows.items()}


def turned(order: Sequence[T], turn: int) -> list[T]:
    """Return A B in one round and B A in the next, since the machine changes while a round runs."""
    return list(order) if turn % 2 == 0 else list(order)[::-1]


def averaged(rows: Sequence[Numbers]) -> Numbers:
    """Return the median of each number over the slices of a round; of two slices that is the mean."""
    return {what: median(row[what] for row in rows) for what in rows[0]}


async def _connect_and_warm_up(client: Child, server: Started, connections: int, warm_up: int) -> None:
    """Connect to a server, and warm it up."""
    how = {"over": connections, "at_once": min(connections, AT_ONCE)}
    events = warm_up * (COMPILES if server.contender.command else 1)
    try:
        await open_until(client, server, connections)
        if events:
            await client.ask("closed", url=server.url, events=events, **how)
    except Refusal as refusal:
        said = "" if server.process is None else " ".join(list(server.process.log)[-2:])
        do = f"{refusal.do}. {said}".removesuffix(". ")
        raise Refusal(f"that {server.contender} acknowledges events", refusal.came, do) from None


# Several probes of the same server processes, since starting a process takes most of the time.


class Several:
    """Runs several probes and puts their numbers into one row. Of two numbers with one name, the first counts.

    `ServerWork` is skipped for a server that is not a Python function.

    Args:
        probes: in the order in which they run; `Idle` opens more connections, so it must be the last.

    Raises:
        Refusal: there are no probes, or `Idle` is not the last.
    """

    once: ClassVar[bool] = True  # `Idle` opens connections, which stay open

    def __init__(self, *probes: Probe) -> None:
        need(len(probes) > 0, "a probe or more", probes, "Pass Several(Events(), ServerWork())")
        last = not any(isinstance(probe, Idle) for probe in probes[:-1])
        need(last, "Idle, if at all, as the last probe", probes, "Move it to the end: it opens more connections")
        self.probes = probes

    @property
    def connections(self) -> int:
        """The most connections that one of the probes needs."""
        return max(probe.connections for probe in self.probes)

    async def __call__(self, client: Child, server: Started) -> Numbers:
        """Run the probes in order."""
        numbers: Numbers = {}
        for probe in self.probes:
            inside = server.process is not None and server.contender.server is not None
            if inside or not isinstance(probe, ServerWork):
                numbers = await probe(client, server) | numbers
        return numbers
