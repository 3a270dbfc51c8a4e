"""What may be said of two numbers that vary: right verdicts, honest intervals, and nothing from noise."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest

from midspan.benchmark.statistics import Comparison, Paired, Reached, coverage, interval, ratio
from midspan.errors import Refusal

SPREAD = 0.12  # from process to process, as a light server has


def drawn(rng: Random, rounds: int, factor: float = 1.0) -> list[float]:
    """What a server needs in each round, if it needs `factor` and the machine wavers."""
    return [factor * rng.lognormvariate(0, SPREAD) for _ in range(rounds)]


def verdicts(factor: float, rounds: int, trials: int = 100) -> list[Comparison]:
    rng = Random(f"{factor} {rounds}")
    return [ratio(drawn(rng, rounds, factor), drawn(rng, rounds), rng).verdict for _ in range(trials)]


@pytest.mark.parametrize(
    ("factor", "expected"), [(2.0, Comparison.LARGER), (0.5, Comparison.SMALLER)], ids=["twice", "half"]
)
@pytest.mark.parametrize("rounds", [5, 7])
def test_a_clear_difference_is_told(factor: float, expected: Comparison, rounds: int) -> None:
    assert set(verdicts(factor, rounds)) == {expected}


@pytest.mark.parametrize("rounds", [5, 7])
def test_of_noise_nothing_is_told(rounds: int) -> None:
    """Two equal servers, a hundred times: at most one is taken for a difference."""
    assert verdicts(1.0, rounds).count(Comparison.NOISE) >= 99


def test_what_slows_both_slows_neither() -> None:
    """The machine is slower by up to five times from round to round: pairing takes it out."""
    rng = Random(1)
    slow = [rng.uniform(1, 5) for _ in range(7)]
    theirs = [way * one for way, one in zip(slow, drawn(rng, 7), strict=True)]
    ours = [way * one for way, one in zip(slow, drawn(rng, 7, 2.0), strict=True)]
    assert ratio(ours, theirs, rng).verdict is Comparison.LARGER


@pytest.mark.parametrize("rounds", [5, 7, 11])
def test_an_interval_covers_the_truth(rounds: int) -> None:
    """Of a hundred intervals at least 85 hold the true median (of so many one expects 93 and more)."""
    rng = Random(2)
    found = [interval(drawn(rng, rounds), rng) for _ in range(100)]
    assert sum(one.low <= 1.0 <= one.high for one in found) >= 85
    assert all(one.low <= one.median <= one.high for one in found)


def test_fewer_than_five_rounds_say_nothing() -> None:
    few = ratio([4.0] * 4, [1.0] * 4, Random(3))
    assert (few.median, few.verdict, few.at_most(5.0)) == (4.0, Comparison.NOISE, Reached.UNSURE)


def test_a_bar_is_reached_only_by_the_whole_interval() -> None:
    found = ratio([0.30, 0.36, 0.38, 0.40, 0.50], [1.0] * 5, Random(4))
    assert (found.low, found.high) == (0.30, 0.50)
    assert [found.at_most(bar) for bar in (0.55, 0.40, 0.25)] == [Reached.YES, Reached.UNSURE, Reached.NO]


def test_in_words() -> None:
    found = ratio([2.0, 2.5, 2.6, 2.7, 3.0], [1.0] * 5, Random(5))
    assert str(found) == "2.60x (2.00 to 3.00, 5 rounds): larger"
    assert str(interval([1.0, 2.0, 3.0], Random(0))) == "2 (1 to 3)"


def test_the_seed_alone_decides() -> None:
    values = drawn(Random(6), 9)
    assert interval(values, Random(7)) == interval(values, Random(7))


def test_counts_have_no_noise() -> None:
    """A byte less in every round is a byte less; a microsecond is nothing."""
    row = {"frame_bytes": 70.0, "cpu_us": 100.0}
    run = Paired({"a": (row,) * 5, "b": ({"frame_bytes": 71.0, "cpu_us": 101.0},) * 5})
    assert run.ratio("a", "b", "frame_bytes").verdict is Comparison.SMALLER
    assert run.ratio("a", "b", "cpu_us").verdict is Comparison.NOISE
    assert run.measured == ["cpu_us", "frame_bytes"]
    assert run.least("cpu_us") == "a"
    assert median(run.values("b", "cpu_us")) == run.median("b", "cpu_us") == 101.0
    assert str(run).splitlines()[2].split() == ["a", "100", "70"]


def test_what_cannot_be_compared_is_refused() -> None:
    run = Paired({"a": ({"cpu_us": 1.0},)})
    for call, words in (
        (lambda: ratio([1.0], [1.0, 2.0], Random(0)), "as many rounds"),
        (lambda: ratio([1.0], [0.0], Random(0)), "numbers above 0"),
        (lambda: interval([], Random(0)), "at least one round"),
        (lambda: run.median("b", "cpu_us"), "one of a"),
        (lambda: run.median("a", "kib"), "one of cpu_us"),
    ):
        with pytest.raises(Refusal, match=words):
            call()


@pytest.mark.parametrize("rounds", [3, 5, 7])
def test_few_rounds_are_spanned_and_their_coverage_is_told(rounds: int) -> None:
    """Of ten thousand draws as many spans contain the true median as `coverage` says; the bootstrap gives the span."""
    rng = Random(rounds)
    spans = [drawn(rng, rounds) for _ in range(10_000)]
    held = sum(min(one) <= 1.0 <= max(one) for one in spans) / len(spans)
    assert held == pytest.approx(coverage(rounds), abs=0.02)
    found = interval(spans[0], rng)
    assert (found.low, found.high) == (min(spans[0]), max(spans[0]))


def test_eight_rounds_would_be_99_of_100() -> None:
    assert coverage(7) < 0.99 < coverage(8)
