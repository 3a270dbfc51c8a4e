"""How the price of an event grows with the connections that are open, and from which rate on it is felt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midspan.arguments import checked
from midspan.bench.prices.outcome import Paired
from midspan.bench.prices.probes import AT_ONCE, Events
from midspan.bench.prices.rounds import paired
from midspan.bench.prices.starting import Contender
from midspan.bench.prices.table import Table
from midspan.refusal import need

FELT = 0.01  # of one core: below, nobody notices a difference
CONNECTIONS = (10, 100, 1000, 5000)


@dataclass(frozen=True)
class Growth:
    """What was found out with so many connections open; `runs[1000]` is a `Paired`."""

    runs: dict[int, Paired]

    @property
    def names(self) -> list[str]:
        """The contenders."""
        return next(iter(self.runs.values())).names

    @checked
    def line_per_s(self, ours: str, theirs: str, share: float = FELT) -> float:
        """From how many events a second on the difference of two contenders is `share` of a core.

        With many connections open, since that is where it matters. Infinite if there is no difference.
        """
        most = self.runs[max(self.runs)]
        apart_us = abs(most.median(ours, "cpu_us") - most.median(theirs, "cpu_us"))
        return share * 1e6 / apart_us if apart_us else float("inf")

    @checked
    def full_per_s(self, name: str) -> float:
        """How many events a second fill one core."""
        return 1e6 / self.runs[max(self.runs)].median(name, "cpu_us")

    def table(self, title: str = "server CPU an event, us, by open connections") -> Table:
        """A row for each contender, a column for each number of connections."""
        return Table(title, ("", *(f"{count:,}" for count in self.runs)), tuple(map(self._row, self.names)))

    def _row(self, name: str) -> tuple[str, ...]:
        return (name, *(f"{run.median(name, 'cpu_us'):.0f}" for run in self.runs.values()))

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__


@checked
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
    """Measure contenders with more and more connections open, all of which speak in their turn.

    Args:
        contenders: as for `paired`.
        connections: how many are open, each from 1 on; a load can hold some thousands.
        events: that count, each time.
        rounds: of each; a verdict needs five.
        tls: without it by default: in production TLS ends in front, and asyncio's buffers would fill the memory.
        seed: of the bootstrap.
        progress: a bar for each, where the standard error is a terminal.

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
