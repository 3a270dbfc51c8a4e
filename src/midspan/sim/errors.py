"""What a simulation says when it cannot go on: one sentence, and what to do now."""

from __future__ import annotations

import traceback

CELLS = ("<cell ", "<ipython-input")  # how the files of a notebook's cells begin; a kernel's lie in ipykernel_123/


class SimulationError(RuntimeError):
    """The code under test did what cannot be simulated."""

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class Deadlock(SimulationError):
    """Nothing is ready and no timer is set: everyone waits for someone who waits."""


class OutOfTime(SimulationError):
    """A run went past its virtual seconds or its steps."""


class WallClock(SimulationError):
    """The code under test asked for something that lives outside virtual time."""


def outside(what: str, do: str) -> WallClock:
    """The sentence for something that virtual time cannot contain."""
    return WallClock(f"Your code uses {what}, which virtual time does not reach, so a run could not be replayed: {do}.")


def in_words(error: BaseException) -> str:
    """An error of the code under test in one line: with the line of the notebook's cell, if it came from one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(CELLS) or "ipykernel_" in frame.filename]
    where = f" in {own[-1].name}(), line {own[-1].lineno}: {own[-1].line}" if own else ""
    return f"{type(error).__name__}: {error}{where}"
