"""What a run may say about two numbers that both vary: a ratio, how sure we are of it, and a verdict.

Each round measures both, one right after the other, so that what slows the machine slows both: the ratio is taken in
each round, then the median over the rounds. How much that median could have been another is told by the bootstrap
(Efron 1979): draw as many rounds as there were, with repetition, take the median again, two thousand times; the
middle 99 % of those medians is the interval. (Of so few rounds the middle 95 % would hold the truth less than nine
times in ten.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from statistics import median

from midspan.arguments import Fitting, checked
from midspan.refusal import need

RESAMPLES = 2000
LEVEL = 0.99
LEAST_ROUNDS = 5  # for a verdict: fewer give no interval worth the name
MARGIN = 0.1  # processes of one and the same program differ by as much: a ratio this near to 1 says nothing


class Verdict(StrEnum):
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
class Interval(Fitting):
    """A median, and between which values it lies as far as these rounds can tell."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Ratio(Fitting):
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
    def verdict(self) -> Verdict:
        """*larger* or *smaller* when the whole interval of enough rounds says so, else *within the noise*."""
        if self.rounds < LEAST_ROUNDS:
            return Verdict.NOISE
        if self.low > 1 + self.margin:
            return Verdict.LARGER
        return Verdict.SMALLER if self.high < 1 / (1 + self.margin) else Verdict.NOISE

    @checked
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
