"""Statistics for numbers that vary: ratios inside pairs, intervals, verdicts, and their tables."""

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

# Two numbers that both vary are compared by a ratio, its interval, and a verdict.
#
# Each round measures both directly after each other, so that what slows the machine slows both. We take the ratio in
# each round, then the median over the rounds. The bootstrap (Efron 1979) gives its interval: draw as many rounds as
# there were, with repetition, and take their median; repeat this two thousand times; the middle 99 % of these medians
# is the interval. (With so few rounds, the middle 95 % would contain the true value in fewer than nine of ten cases.)
#
# Of at most seven rounds this interval spans all of them, from the least to the greatest. That is no interval of 99 %:
# see `coverage`.


RESAMPLES = 2000
LEVEL = 0.99
SPANNED = 7  # of so many rounds the interval spans all
LEAST_ROUNDS = 5  # for a verdict: fewer rounds give no useful interval
MARGIN = 0.1  # two processes of one program differ by so much, so a ratio this near to 1 says nothing


class Comparison(StrEnum):
    """The verdict of a ratio."""

    LARGER = "larger"
    SMALLER = "smaller"
    NOISE = "within the noise"

    def __repr__(self) -> str:
        return self.value


class Reached(StrEnum):
    """The verdict of a ratio on a bar that it must not exceed."""

    YES = "reached"
    NO = "missed"
    UNSURE = "within the noise of the bar"

    def __repr__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Interval:
    """A median and its bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Ratio:
    """How many times as much A needs as B.

    Attributes:
        rounds: how many pairs the median is of.
        margin: how far from 1 its whole interval must be for a difference.
    """

    median: float
    low: float
    high: float
    rounds: int
    margin: float = MARGIN

    @property
    def verdict(self) -> Comparison:
        """*larger* or *smaller* if the whole interval says so and there are enough rounds, else *within the noise*."""
        if self.rounds < LEAST_ROUNDS:
            return Comparison.NOISE
        if self.low > 1 + self.margin:
            return Comparison.LARGER
        return Comparison.SMALLER if self.high < 1 / (1 + self.margin) else Comparison.NOISE

    def at_most(self, bar: float) -> Reached:
        """Return whether it keeps to `bar`: its whole interval must, with enough rounds."""
        if self.rounds < LEAST_ROUNDS:
            return Reached.UNSURE
        if self.high <= bar:
            return Reached.YES
        return Reached.NO if self.low > bar else Reached.UNSURE

    def __str__(self) -> str:
        return f"{self.median:.2f}x ({self.low:.2f} to {self.high:.2f}, {self.rounds} rounds): {self.verdict}"

    __repr__ = __str__


def coverage(rounds: int) -> float:
    """Return in which share of cases the span of so many rounds, least to greatest, contains the true median.

    It does not if all rounds are above the true median, or all below: each has a probability of 1 / 2**rounds.
    """
    return 1 - 2 * 0.5**rounds


def interval(values: Sequence[float], rng: Random) -> Interval:
    """Return the median of `values` and its bootstrap interval.

    Args:
        values: one for each round.
        rng: which rounds the bootstrap draws.

    Raises:
        Refusal: no values.
    """
    need(len(values) > 0, "at least one round", values, "Measure first")
    drawn = sorted(median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    aside = int(RESAMPLES * (1 - LEVEL) / 2)
    return Interval(median(values), drawn[aside], drawn[-1 - aside])


def ratio(ours: Sequence[float], theirs: Sequence[float], rng: Random, margin: float = MARGIN) -> Ratio:
    """Divide `ours` by `theirs`, round by round.

    Args:
        ours, theirs: one number for each round, in the same order; none of `theirs` is 0.
        rng: which rounds the bootstrap draws.
        margin: see `Ratio`.

    Raises:
        Refusal: the lengths differ, there are no numbers, or one of `theirs` is 0.
    """
    as_many = len(ours) == len(theirs)
    need(as_many, "as many rounds of the one as of the other", (len(ours), len(theirs)), "Measure both in each round")
    need(all(theirs), "numbers above 0 to divide by", theirs, "Measure longer: nothing was counted")
    found = interval([a / b for a, b in zip(ours, theirs, strict=True)], rng)
    return Ratio(found.median, found.low, found.high, len(ours), margin)


# A table of text: for a terminal, as Markdown, and as rows of a CSV file.


WIDE = 100  # characters: JupyterLab breaks a longer line, and then columns are lost
HEAD_CHARS = 9  # in a line of a column's name that is broken, if its cells are not longer


@dataclass(frozen=True)
class Table:
    """Rows of text below a head.

    Attributes:
        title: what it shows, in a few words.
        head: the names of the columns; the first one says what the rows are.
        rows: each as long as the head.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        """Return the first cell of each row."""
        return [row[0] for row in self.rows]

    def markdown(self) -> str:
        """Return it as GitHub's Markdown; the first column is left-aligned, the others right-aligned."""
        rule = ("---", *("---:" for _ in self.head[1:]))
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.head, rule, *self.rows))

    def csv(self) -> str:
        """Return it as CSV, with the table's title as the first column."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows((self.title, *row) for row in (self.head, *self.rows))
        return out.getvalue()

    def __str__(self) -> str:
        """Return it as text; the head takes several lines if it would make the table wider than `WIDE`."""
        bare, whole = (self._lines([head]) for head in ([""] * len(self.head), self.head))
        lines = self._lines(self._head_in_lines()) if _width(bare) <= WIDE < _width(whole) else whole
        return "\n".join([self.title, *lines])

    __repr__ = __str__

    def _lines(self, head: Iterable[Iterable[str]]) -> list[str]:
        """Return head and rows as text; the first column is left-aligned, the others right-aligned."""
        cells = [list(row) for row in (*head, *self.rows)]
        first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
        lines = [[row[0].ljust(first), *map(str.rjust, row[1:], others)] for row in cells]
        return ["  ".join(line).rstrip() for line in lines]

    def _head_in_lines(self) -> list[tuple[str, ...]]:
        """Return the names of the columns, each broken into the lines that it needs; all end in the last line."""
        columns = zip(self.head, *self.rows, strict=True)
        names = [wrap(name, max([HEAD_CHARS, *map(len, cells)]), break_long_words=False) for name, *cells in columns]
        height = max(map(len, names))
        return list(zip(*([""] * (height - len(lines)) + lines for lines in names), strict=True))


def _width(lines: list[str]) -> int:
    return max(map(len, lines))


Numbers = dict[str, float]  # what one round measured of one contender, by name

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
}  # for one event, delivery or connection, as the probe says
COUNTS = ("frame_bytes", "payload_bytes", "wire_bytes", "tasks", "calls", "blocks")


@dataclass(frozen=True)
class Paired:
    """The results of paired rounds.

    Attributes:
        rounds: contender -> the numbers of each round.
        seed: the seed of the bootstrap, so that the same rounds give the same words.
    """

    rounds: dict[str, tuple[Numbers, ...]]
    seed: int = 0

    @property
    def names(self) -> list[str]:
        """The contenders."""
        return list(self.rounds)

    @property
    def measured(self) -> list[str]:
        """The names of the numbers that all contenders have: "cpu_us", "p50_us", ..."""
        rows = [one for rows in self.rounds.values() for one in rows]
        return [what for what in UNITS if all(what in one for one in rows)]

    @checked
    def values(self, name: str, what: str) -> tuple[float, ...]:
        """Return one number for each round.

        Raises:
            Refusal: there is no such contender, or it does not have this number.
        """
        need(name in self.rounds, f"one of {', '.join(self.rounds)}", name, "Pass a contender's name")
        rows = self.rounds[name]
        known = [one for one in rows[0] if all(one in row for row in rows)]
        need(what in known, f"one of {', '.join(known)}", what, "Pass what was measured")
        return tuple(row[what] for row in rows)

    @checked
    def median(self, name: str, what: str) -> float:
        """Return the median of the rounds."""
        return median(self.values(name, what))

    @checked
    def interval(self, name: str, what: str) -> Interval:
        """Return the median of the rounds, and its bootstrap interval."""
        return interval(self.values(name, what), Random(self.seed))

    @checked
    def ratio(self, ours: str, theirs: str, what: str, margin: float | None = None) -> Ratio:
        """Return how many times as much one contender needs as another, round by round.

        Args:
            ours, theirs: names of contenders.
            what: one of `measured`.
            margin: how far from 1 a difference begins; None: 0 for counted numbers, `MARGIN` for numbers that vary.
        """
        if margin is None:
            margin = 0.0 if what in COUNTS else MARGIN
        return ratio(self.values(ours, what), self.values(theirs, what), Random(self.seed), margin)

    @checked
    def least(self, what: str, *names: str) -> str:
        """Return the contender that needs least, of these `names` (without names: of all)."""
        return min(names or self.names, key=lambda name: self.median(name, what))

    def table(self, title: str = "medians of the rounds") -> Table:
        """Return a row for each contender, with a column for each number."""
        rows = tuple((name, *(f"{self.median(name, what):.3g}" for what in self.measured)) for name in self.names)
        return Table(title, ("", *(UNITS[what] for what in self.measured)), rows)

    def __str__(self) -> str:
        return str(self.table(f"{len(next(iter(self.rounds.values())))} rounds, medians"))

    __repr__ = __str__
