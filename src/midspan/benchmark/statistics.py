"""What a run may say about numbers that vary: ratios inside pairs, intervals, verdicts, and tables of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from statistics import median
from textwrap import wrap

from midspan.errors import checked, need

# What a run may say about two numbers that both vary: a ratio, how sure we are of it, and a verdict.
#
# Each round measures both, one right after the other, so that what slows the machine slows both: the ratio is taken
# in each round, then the median over the rounds. How much that median could have been another is told by the
# bootstrap (Efron 1979): draw as many rounds as there were, with repetition, take the median again, two thousand
# times; the middle 99 % of those medians is the interval. (Of so few rounds the middle 95 % would hold the truth less
# than nine times in ten.)


RESAMPLES = 2000
LEVEL = 0.99
LEAST_ROUNDS = 5  # for a verdict: fewer give no interval worth the name
MARGIN = 0.1  # processes of one and the same program differ by as much: a ratio this near to 1 says nothing


class Comparison(StrEnum):
    """What a ratio says."""

    LARGER = "larger"
    SMALLER = "smaller"
    NOISE = "within the noise"

    def __repr__(self) -> str:
        return self.value


class Reached(StrEnum):
    """What a ratio says about a bar that it must not exceed."""

    YES = "reached"
    NO = "missed"
    UNSURE = "within the noise of the bar"

    def __repr__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Interval:
    """A median, and between which values it lies as far as these rounds can tell."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Ratio:
    """How many times as much A needs as B does.

    Attributes:
        rounds: how many pairs it is the median of.
        margin: how far from 1 it must be, with its whole interval, before we call it a difference.
    """

    median: float
    low: float
    high: float
    rounds: int
    margin: float = MARGIN

    @property
    def verdict(self) -> Comparison:
        """*larger* or *smaller* when the whole interval of enough rounds says so, else *within the noise*."""
        if self.rounds < LEAST_ROUNDS:
            return Comparison.NOISE
        if self.low > 1 + self.margin:
            return Comparison.LARGER
        return Comparison.SMALLER if self.high < 1 / (1 + self.margin) else Comparison.NOISE

    def at_most(self, bar: float) -> Reached:
        """Does it keep to `bar`? Only if its whole interval does, of enough rounds."""
        if self.rounds < LEAST_ROUNDS:
            return Reached.UNSURE
        if self.high <= bar:
            return Reached.YES
        return Reached.NO if self.low > bar else Reached.UNSURE

    def __str__(self) -> str:
        return f"{self.median:.2f}x ({self.low:.2f} to {self.high:.2f}, {self.rounds} rounds): {self.verdict}"

    __repr__ = __str__


def interval(values: Sequence[float], rng: Random) -> Interval:
    """The median of `values` and its bootstrap interval.

    Args:
        values: one a round.
        rng: which rounds the bootstrap draws.

    Raises:
        Refusal: no values.
    """
    need(len(values) > 0, "at least one round", values, "Measure first")
    drawn = sorted(median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    aside = int(RESAMPLES * (1 - LEVEL) / 2)
    return Interval(median(values), drawn[aside], drawn[-1 - aside])


def ratio(ours: Sequence[float], theirs: Sequence[float], rng: Random, margin: float = MARGIN) -> Ratio:
    """How many times `theirs` `ours` is, round by round.

    Args:
        ours, theirs: one number a round, of the same rounds in the same order; none of `theirs` is 0.
        rng: which rounds the bootstrap draws.
        margin: see `Ratio`.

    Raises:
        Refusal: not as many of the one as of the other, none at all, or nothing to divide by.
    """
    as_many = len(ours) == len(theirs)
    need(as_many, "as many rounds of the one as of the other", (len(ours), len(theirs)), "Measure both in each round")
    need(all(theirs), "numbers above 0 to divide by", theirs, "Measure longer: nothing was counted")
    found = interval([a / b for a, b in zip(ours, theirs, strict=True)], rng)
    return Ratio(found.median, found.low, found.high, len(ours), margin)


# A table of text: for a terminal, as Markdown, and as rows for a CSV file.


WIDE = 100  # characters: JupyterLab breaks a longer line, and then nothing stands in a column
HEAD_CHARS = 9  # in a line of a name that goes over several, where the cells below it are no longer


@dataclass(frozen=True)
class Table:
    """Rows of text under a head.

    Attributes:
        title: what it shows, in a few words.
        head: the columns' names; that of the first is what the rows are.
        rows: each as long as the head.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        """The first cell of each row."""
        return [row[0] for row in self.rows]

    def markdown(self) -> str:
        """As GitHub reads it; the first column to the left, the others to the right."""
        rule = ("---", *("---:" for _ in self.head[1:]))
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.head, rule, *self.rows))

    def csv(self) -> str:
        """A row for each row, with the table's title in front."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows((self.title, *row) for row in (self.head, *self.rows))
        return out.getvalue()

    def __str__(self) -> str:
        """The head goes over several lines where it is what makes the table wider than `WIDE`."""
        bare, whole = (self._lines([head]) for head in ([""] * len(self.head), self.head))
        lines = self._lines(self._head_in_lines()) if _width(bare) <= WIDE < _width(whole) else whole
        return "\n".join([self.title, *lines])

    __repr__ = __str__

    def _lines(self, head: Iterable[Iterable[str]]) -> list[str]:
        """Head and rows as text; the first column to the left, the others to the right."""
        cells = [list(row) for row in (*head, *self.rows)]
        first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
        lines = [[row[0].ljust(first), *map(str.rjust, row[1:], others)] for row in cells]
        return ["  ".join(line).rstrip() for line in lines]

    def _head_in_lines(self) -> list[tuple[str, ...]]:
        """The columns' names, each over as many lines as it needs; all end in the last one."""
        columns = zip(self.head, *self.rows, strict=True)
        names = [wrap(name, max([HEAD_CHARS, *map(len, cells)]), break_long_words=False) for name, *cells in columns]
        height = max(map(len, names))
        return list(zip(*([""] * (height - len(lines)) + lines for lines in names), strict=True))


def _width(lines: list[str]) -> int:
    return max(map(len, lines))


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
