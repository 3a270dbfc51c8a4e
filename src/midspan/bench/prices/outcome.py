"""What paired rounds found out: numbers by contender and round, and what may be said of two of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from statistics import median

from midspan.arguments import checked
from midspan.bench.prices.statistics import MARGIN, Interval, Ratio, interval, ratio
from midspan.bench.prices.table import Table
from midspan.refusal import need

Numbers = dict[str, float]  # what one round found out about one contender, by name

UNITS = {
    "cpu_us": "server CPU, µs",
    "p50_us": "median round trip, µs",
    "floor_us": "latency floor, µs",
    "frame_bytes": "bytes in frames",
    "payload_bytes": "bytes in TCP",
    "wire_bytes": "bytes on the wire",
    "kib": "KiB a connection",
    "tasks": "tasks",
    "calls": "calls",
    "blocks": "blocks allocated",
}  # of one event, delivery or connection, as the probe says
COUNTS = ("frame_bytes", "payload_bytes", "wire_bytes", "tasks", "calls", "blocks")


@dataclass(frozen=True)
class Paired:
    """What the rounds found out.

    Attributes:
        rounds: for each contender's name, what each round found out.
        seed: of the bootstrap, so that the same rounds give the same words.
    """

    rounds: dict[str, tuple[Numbers, ...]]
    seed: int = 0

    @property
    def names(self) -> list[str]:
        """The contenders."""
        return list(self.rounds)

    @property
    def measured(self) -> list[str]:
        """What was measured of all of them: "cpu_us", "p50_us", ..."""
        rows = [one for rows in self.rounds.values() for one in rows]
        return [what for what in UNITS if all(what in one for one in rows)]

    @checked
    def values(self, name: str, what: str) -> tuple[float, ...]:
        """One number a round.

        Raises:
            Refusal: there is no such contender, or this was not measured of it.
        """
        need(name in self.rounds, f"one of {', '.join(self.rounds)}", name, "Pass a contender's name")
        rows = self.rounds[name]
        known = [one for one in rows[0] if all(one in row for row in rows)]
        need(what in known, f"one of {', '.join(known)}", what, "Pass what was measured")
        return tuple(row[what] for row in rows)

    @checked
    def median(self, name: str, what: str) -> float:
        """The median of the rounds."""
        return median(self.values(name, what))

    @checked
    def interval(self, name: str, what: str) -> Interval:
        """The median of the rounds, and its bootstrap interval."""
        return interval(self.values(name, what), Random(self.seed))

    @checked
    def ratio(self, ours: str, theirs: str, what: str, margin: float | None = None) -> Ratio:
        """How many times as much one contender needs as another, round by round.

        Args:
            ours, theirs: names of contenders.
            what: one of `measured`.
            margin: how far from 1 a difference begins; None: nothing for what is counted, `MARGIN` for what varies.
        """
        if margin is None:
            margin = 0.0 if what in COUNTS else MARGIN
        return ratio(self.values(ours, what), self.values(theirs, what), Random(self.seed), margin)

    @checked
    def least(self, what: str, *names: str) -> str:
        """Of these contenders (of all, without names) the one that needs least."""
        return min(names or self.names, key=lambda name: self.median(name, what))

    def table(self, title: str = "medians of the rounds") -> Table:
        """A row for each contender, a column for each thing measured."""
        rows = tuple((name, *(f"{self.median(name, what):.3g}" for what in self.measured)) for name in self.names)
        return Table(title, ("", *(UNITS[what] for what in self.measured)), rows)

    def __str__(self) -> str:
        return str(self.table(f"{len(next(iter(self.rounds.values())))} rounds, medians"))

    __repr__ = __str__
