"""The minutes that a learner took for each step, kept on this machine alone, where the learner agrees."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from midspan.errors import need
from midspan.grading import progress

# We count the time between two cells that run one after the other; a longer pause counts as PAUSE_S. All that was
# counted since the last step passed belongs to the step that passes next. So a stated number of minutes can be compared
# with what the step took; reading, trying and thinking are in it.

PAUSE_S = 300.0


class Stopwatch:
    """Adds up the time between the cells of one kernel.

    Args:
        clock: seconds, as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last_s, self._spent_s = clock, clock(), 0.0

    def cell_ran(self) -> None:
        """Count the time since the cell before."""
        now_s = self._clock()
        self._spent_s += min(now_s - self._last_s, PAUSE_S)
        self._last_s = now_s

    def lap_s(self) -> float:
        """Return the seconds since the last lap, up to now."""
        self.cell_ran()
        spent_s, self._spent_s = self._spent_s, 0.0
        return spent_s


_watch = Stopwatch()


def cell_ran() -> None:
    """Count the time of a cell in this kernel."""
    _watch.cell_ran()


def step_passed(lab: str, step: str) -> None:
    """Store what a step took, the first time that it passes, if the learner agreed."""
    progress.took(lab, step, _watch.lap_s() / 60)


@dataclass(frozen=True, slots=True)
class Minutes:
    """What each step took: lab -> step -> minutes. `str()` is a table."""

    kept: bool
    took: dict[str, dict[str, float]]

    def __str__(self) -> str:
        head = "Minutes are kept in .midspan/progress.json, and nowhere else." if self.kept else "Minutes are not kept."
        rows = [f"  {minutes:5.0f}  {step}" for steps in self.took.values() for step, minutes in steps.items()]
        end = [] if self.kept else ["To keep them from now on: minutes(keep=True)"]
        return "\n".join([head, *rows, *end])

    __repr__ = __str__


def minutes(keep: bool | None = None) -> Minutes:
    """Show what the steps took on this machine; `keep` says whether to keep it from now on (at first it is not)."""
    need(keep in (True, False, None), "True or False", keep, "Leave it out to see what is kept")
    if keep is not None:
        progress.keep_minutes(keep)
    return Minutes(*progress.minutes_kept())
