"""The report of `make bench`: the session with guarantees against python-socketio, and where they differ."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from midspan.benchmark import contenders
from midspan.benchmark.contenders import Contender
from midspan.benchmark.rounds import AT_ONCE, Events, Idle, Steady, paired
from midspan.benchmark.statistics import Paired, Ratio, Table
from midspan.errors import checked, need

# When a measurement ran, and on which machine, without names of hosts or people.


PACKAGES = ("websockets", "aiohttp", "python-socketio", "uvicorn")
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """When and on what a measurement ran. `str()` is one sentence."""

    date: str
    cpu: str
    cores: int
    system: str
    versions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.date}, {self.cores} cores of {self.cpu}, {self.system}; {', '.join(self.versions)}."


def _utc_now() -> datetime:
    return datetime.now(UTC)


def machine(now: Callable[[], datetime] = _utc_now) -> Machine:
    """Describe this machine, now."""
    versions = (f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES))
    system = f"{platform.system()} {platform.machine()}"
    return Machine(now().date().isoformat(), _cpu(), psutil.cpu_count() or 1, system, versions)


def _cpu() -> str:
    """Return the model of the processor; where Linux does not tell it, what Python knows."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


LEAST_CPU_SHARE = 0.01  # of one core: a smaller difference has no effect in practice
CONNECTIONS = (10, 100, 1000, 5000)


@dataclass(frozen=True)
class Growth:
    """The results for each number of open connections; `runs[1000]` is a `Paired`."""

    runs: dict[int, Paired]

    @property
    def names(self) -> list[str]:
        """The contenders."""
        return next(iter(self.runs.values())).names

    @checked
    def line_per_s(self, ours: str, theirs: str, share: float = LEAST_CPU_SHARE) -> float:
        """Return the events a second at which two contenders differ by `share` of a core.

        The numbers are those with the most connections. Infinite if there is no difference.
        """
        most = self.runs[max(self.runs)]
        apart_us = abs(most.median(ours, "cpu_us") - most.median(theirs, "cpu_us"))
        return share * 1e6 / apart_us if apart_us else float("inf")

    def table(self, title: str = "server CPU an event, us, by open connections") -> Table:
        """Return a row for each contender, with a column for each number of connections."""
        return Table(title, ("", *(f"{count:,}" for count in self.runs)), tuple(map(self._row, self.names)))

    def _row(self, name: str) -> tuple[str, ...]:
        return (name, *(f"{run.median(name, 'cpu_us'):.0f}" for run in self.runs.values()))

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__


async def growth(
    contenders: Sequence[Contender],
    connections: Sequence[int] = CONNECTIONS,
    *,
    events: int = 2000,
    rounds: int = 1,
    tls: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> Growth:
    """Measure contenders with more and more open connections; each connection sends in its turn.

    Args:
        contenders: as for `paired`.
        connections: the numbers of open connections, each 1 or more; a load can have some thousands.
        events: how many count in each measurement.
        rounds: for each number of connections; a verdict needs five.
        tls: off by default: in production a proxy ends TLS, and asyncio's buffers would fill the memory.
        seed: of the bootstrap.
        progress: show a bar for each, if stderr is a terminal.

    Raises:
        Refusal: see `paired`.
    """
    right = len(connections) > 0 and all(isinstance(count, int) and count > 0 for count in connections)
    need(right, "numbers of connections from 1 on", connections, "Pass (10, 100, 1000)")
    runs = {}
    for count in connections:
        probe = Events(events=events, connections=count, at_once=min(count, AT_ONCE))
        runs[count] = await paired(contenders, probe, rounds=rounds, tls=tls, seed=seed, progress=progress)
    return Growth(runs)


# Each row of the first table says which fraction of python-socketio's cost the session has, and whether that keeps to
# the bar. Costs that vary are measured in paired rounds; see `benchmark.rounds`.


FRAMEWORK, ECHO = "python-socketio", contenders.WEBSOCKETS_ECHO.name
SERVED = (contenders.AIOHTTP_SOCKETIO, contenders.UVICORN_SOCKETIO)  # each row compares with the one that needs less
TOGETHER = 16  # events in one turn of the application's loop: "load"
HEAD = ("one acknowledged event, TLS", "session", "against", "its value", "ratio", "interval", "bar", "verdict")
ROUNDS = 5
OFTEN = 4  # times as many rounds for numbers that differ much between processes


@dataclass(frozen=True)
class Bar:
    """One row: what is measured, how, against which contender, and the most that the session may need of it."""

    words: str
    what: str
    how: str  # a field of `BenchmarkReport`
    theirs: str
    at_most: float | None  # None: shown, without a bar
    unit: str


BARS = (
    Bar("bytes in WebSocket frames", "frame_bytes", "alone", FRAMEWORK, 0.35, "B"),
    Bar("bytes on the wire, one event every 50 ms", "wire_bytes", "low", FRAMEWORK, 0.65, "B"),
    Bar("the same, the sender waits for each", "wire_bytes", "waited", FRAMEWORK, None, "B"),
    Bar(f"bytes on the wire, {TOGETHER} events in a turn", "wire_bytes", "load", FRAMEWORK, 0.40, "B"),
    Bar("server CPU", "cpu_us", "often", FRAMEWORK, 0.40, "µs"),
    Bar("server CPU, against the bare echo", "cpu_us", "often", ECHO, 1.10, "µs"),
    Bar(f"server CPU, {TOGETHER} events in a turn", "cpu_us", "load", FRAMEWORK, 0.40, "µs"),
    Bar("median round trip", "p50_us", "often", FRAMEWORK, 0.45, "µs"),
    Bar("memory of an idle connection, TLS ended in front", "kib", "idle", FRAMEWORK, 0.60, "KiB"),
)

TWO_BY_TWO = (
    ("websockets", contenders.WEBSOCKETS_ENVELOPE.name, contenders.WEBSOCKETS_SOCKETIO.name),
    ("aiohttp", contenders.AIOHTTP_ENVELOPE.name, contenders.AIOHTTP_SOCKETIO.name),
    ("websockets, packets only", contenders.WEBSOCKETS_ENVELOPE.name, contenders.WEBSOCKETS_CODEC.name),
    ("Node", "Node ws + envelope", "Node socket.io"),
)


@dataclass(frozen=True)
class BenchmarkReport:
    """All runs of one `make bench`.

    Attributes:
        session: the contender with the guarantees.
        alone: one event at a time, all contenders. often: the same in more rounds, only the contenders of a bar.
        low, waited, load, idle: the session and python-socketio on both servers.
        inside: memory of an idle connection when the server's process ends TLS, without and with small reads.
    """

    machine: Machine
    session: str
    alone: Paired
    often: Paired
    low: Paired
    waited: Paired
    load: Paired
    idle: Paired
    inside: Paired
    growth: Growth

    def ratio(self, bar: Bar) -> Ratio:
        """Return the ratio of one row."""
        run: Paired = getattr(self, bar.how)
        return run.ratio(self.session, self.rival(bar), bar.what)

    def rival(self, bar: Bar) -> str:
        """Return the contender that a row compares with; of python-socketio's two servers the one that needs less."""
        run: Paired = getattr(self, bar.how)
        return run.least(bar.what, *(one.name for one in SERVED)) if bar.theirs == FRAMEWORK else bar.theirs

    @property
    def bars(self) -> Table:
        """Return the table of the session against python-socketio, with the bar of each row."""
        return Table(f"{self.session} against {FRAMEWORK}", HEAD, tuple(map(self._row, BARS)))

    def _row(self, bar: Bar) -> tuple[str, ...]:
        run, found = getattr(self, bar.how), self.ratio(bar)
        values = [f"{run.median(name, bar.what):.3g} {bar.unit}" for name in (self.session, self.rival(bar))]
        spread = f"{found.low:.2f} to {found.high:.2f}"
        limit = "" if bar.at_most is None else f"≤ {bar.at_most:.2f}"
        verdict = str(found.verdict if bar.at_most is None else found.at_most(bar.at_most))
        return (bar.words, values[0], self.rival(bar), values[1], f"{found.median:.2f}", spread, limit, verdict)

    @property
    def two_by_two(self) -> Table:
        """Return the table that separates protocol from implementation: the same protocols on several servers."""
        head = ("server CPU an event, µs", "envelope", "Socket.IO", "ratio", "interval", "verdict")
        rows = [row for row in TWO_BY_TWO if {*row[1:]} <= {*self.alone.names}]
        return Table("Socket.IO against an envelope, on the same server", head, tuple(map(self._pair, rows)))

    def _pair(self, row: tuple[str, str, str]) -> tuple[str, ...]:
        name, envelope, socketio = row
        found = self.alone.ratio(socketio, envelope, "cpu_us")
        medians = [f"{self.alone.median(one, 'cpu_us'):.0f}" for one in (envelope, socketio)]
        return (name, *medians, f"{found.median:.2f}", f"{found.low:.2f} to {found.high:.2f}", str(found.verdict))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return all tables, in order."""
        return (
            self.bars,
            self.two_by_two,
            self.alone.table("One acknowledged event, TLS, medians"),
            self.growth.table("Server CPU an event, µs, by open connections, no TLS"),
            self.inside.table("Memory of an idle connection, TLS in the server's process, medians"),
        )

    def __str__(self) -> str:
        return "\n\n".join([str(self.machine), *map(str, self.tables)])


async def report(session: Contender, *others: Contender, idle: Contender, rounds: int = ROUNDS) -> BenchmarkReport:
    """Measure everything; this takes less than five minutes on two quiet cores.

    Args:
        session: the contender that must keep to the bars.
        others: more contenders, measured with one event at a time.
        idle: the same session with all connections in one room, for the memory of an idle connection.
        rounds: a verdict needs five.
    """
    everybody = (session, *others, *contenders.PYTHON, *contenders.node_contenders())
    alone = await paired(everybody, Events(events=500), rounds=rounds)
    barred = (session, contenders.WEBSOCKETS_ECHO, *SERVED)
    often = await paired(barred, Events(events=1000), rounds=OFTEN * rounds)
    low = await paired((session, *SERVED), Steady(), rounds=rounds)
    waited = await paired((session, *SERVED), Steady(events=20, waits=True), rounds=rounds)
    load = await paired((session, *SERVED), Events(events=1600, together=TOGETHER), rounds=rounds)
    weight = await paired((idle, *SERVED), Idle(), rounds=rounds, tls=False, warm_up=0)
    theirs = SERVED[0]
    inside = await paired((idle, theirs, small(idle), small(theirs)), Idle(50, 250), rounds=1, warm_up=0)
    grown = await growth((session, theirs))
    return BenchmarkReport(machine(), session.name, alone, often, low, waited, load, weight, inside, grown)


def small(one: Contender) -> Contender:
    """Return the same contender with a TLS read buffer of 16 KiB a connection, in place of asyncio's 256 KiB."""
    return replace(one, name=f"{one.name}, small TLS reads", small_tls_reads=True)
