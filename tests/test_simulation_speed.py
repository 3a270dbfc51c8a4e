"""What a simulated run costs, counted and not timed: a count is the same on each machine, however busy it is.

By these counts the search over thousands of schedules stays quick. Who makes one grow reads here what it was.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from midspan.simulation import Shape, VirtualLoop, generate, judge, play
from midspan.simulation.baseline import NAIVE
from tests.solved import LAB3

ONE_CUT = Shape(messages=5, clients=1, faults=1, bursts=0.0, kinds=("Cut",))
SEEDS = range(60)
STEPS = 95  # of the loop in a run, those of cancelled timers among them; 90 when this was written
CALLS = 1250  # of our Python functions, and resumptions, from the seed to the verdicts; 1,174 when this was written


def test_a_run_takes_few_steps_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[VirtualLoop] = []

    class Counted(VirtualLoop):
        def __init__(self, *, limit_steps: int) -> None:
            super().__init__(limit_steps=limit_steps)
            loops.append(self)

    monkeypatch.setattr(sys.modules["midspan.simulation.run"], "VirtualLoop", Counted)
    for seed in SEEDS:
        play(LAB3.reference, generate(seed, ONE_CUT))
    assert len(loops) == len(SEEDS)
    assert sum(loop.steps for loop in loops) / len(SEEDS) <= STEPS


def test_a_run_takes_few_calls_of_our_functions() -> None:
    """The session's own, those of asyncio and json among them, come on top: some 700."""

    def some() -> None:
        for seed in SEEDS:
            judge(play(LAB3.reference, generate(seed, ONE_CUT)))

    some()  # what is made once
    assert calls_of(some) / len(SEEDS) <= CALLS


def test_nothing_of_a_run_is_left_to_the_collector() -> None:
    """Its parts let go of each other, so that a search does not stop to look through the kernel's whole memory."""
    gc.collect()
    gc.disable()
    try:
        for seed in SEEDS:
            play(LAB3.reference, generate(seed))
            play(NAIVE, generate(seed))
        assert gc.collect() < len(SEEDS)  # each run left 280 objects when its parts held each other
    finally:
        gc.enable()


def calls_of(work: Callable[[], None]) -> int:
    """How many functions of midspan the work enters, without those of a session, which stand with its lab."""
    count = 0

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        file = frame.f_code.co_filename.replace("\\", "/")
        count += event == "call" and "/midspan/" in file and "/midspan/labs/" not in file

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
