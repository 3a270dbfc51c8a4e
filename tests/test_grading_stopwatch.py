"""Minutes of the steps: kept only where the learner agrees, counted between cells, once a step."""

from __future__ import annotations

import pytest

from midspan.grading import progress, stopwatch
from midspan.grading.stopwatch import PAUSE_S, Stopwatch, minutes, step_passed


class Clock:
    """A clock that the test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this kernel's stopwatch."""
    clock = Clock()
    monkeypatch.setattr(stopwatch, "_watch", Stopwatch(clock))
    return clock


def test_the_time_between_cells_counts_and_a_long_pause_counts_as_a_short_one(clock: Clock) -> None:
    watch = Stopwatch(clock)
    for pause_s in (60.0, 30.0, 8 * 3600.0):
        clock.now_s += pause_s
        watch.cell_ran()
    clock.now_s += 10.0
    assert watch.lap_s() == 100.0 + PAUSE_S
    assert watch.lap_s() == 0.0


def test_nothing_is_kept_unless_the_learner_agrees(clock: Clock) -> None:
    clock.now_s += 120.0
    step_passed("lab1", "mask")
    assert not progress.path().parent.exists()
    assert str(minutes()) == "Minutes are not kept.\nTo keep them from now on: minutes(keep=True)"


def test_a_step_counts_once_with_what_was_spent_since_the_step_before(clock: Clock) -> None:
    minutes(keep=True)
    for step, spent_s in (("accept_key", 90.0), ("mask", 150.0), ("accept_key", 60.0)):
        clock.now_s += spent_s
        step_passed("lab1", step)
    kept = minutes()
    assert kept.took == {"lab1": {"accept_key": 1.5, "mask": 2.5}}
    assert str(kept).splitlines()[1:] == ["      2  accept_key", "      2  mask"]


def test_a_learner_who_takes_the_agreement_back_leaves_nothing(clock: Clock) -> None:
    minutes(keep=True)
    clock.now_s += 60.0
    step_passed("lab1", "mask")
    assert not minutes(keep=False).kept
    assert progress.read_progress()["minutes"] == {}
    minutes(keep=True)
    assert minutes().took == {}
