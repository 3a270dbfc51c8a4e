"""One run: a cast of server and clients plays one schedule, and a history comes out."""

from __future__ import annotations

from collections.abc import Callable

from midspan.arguments import checked
from midspan.refusal import need
from midspan.sim.cast import Cast
from midspan.sim.clock import VirtualLoop
from midspan.sim.errors import SimulationError
from midspan.sim.history import History
from midspan.sim.outages import OUTAGES
from midspan.sim.schedule import Schedule
from midspan.sim.world import Watch, World

Player = Callable[[Cast, Schedule, Watch | None], History]  # `play`, or the same on a real link

STEPS, STEPS_A_MESSAGE = 20_000, 1_000  # at most in a run: a hundred times what the reference session takes


@checked
def play(cast: Cast, schedule: Schedule, watch: Watch | None = None) -> History:
    """Run one schedule to its end in virtual time, on this thread.

    The run ends when every message has been acknowledged and every client has what the log has, for `SETTLE_S`, or
    when that has not come about `cast.patience` times `bounds.recovery_s` after the last fault and the last message.
    Raises `WallClock` for code that cannot be simulated.
    """
    need_no_nodes(schedule)
    with cast.around(schedule.seed):
        return _play(cast, schedule, watch or Watch())


def need_no_nodes(schedule: Schedule) -> None:
    """Refuse a schedule in which something happens to nodes or their broker: here one server stands alone."""
    for fault in schedule.faults:
        need(not isinstance(fault, OUTAGES), "a fault of one server and its clients", fault, "Play it on nodes")


def _play(cast: Cast, schedule: Schedule, watch: Watch) -> History:
    loop = VirtualLoop(limit_steps=STEPS + STEPS_A_MESSAGE * len(schedule.says))
    try:
        world = World(loop, cast, schedule, watch)
        history = to_the_end(world)
    finally:
        loop.clear()
    world.let_go()
    if loop.refused is not None:
        raise loop.refused
    return history


def to_the_end(world: World) -> History:
    """Let a world run until it has ended, or cannot go on, and give what happened."""
    try:
        world.loop.run_until_complete(world.ended)
    except SimulationError as error:
        world.recorder.note("run", "crashed", detail=f"{type(error).__name__}: {error}")
    world.stage.record_the_end()
    return world.recorder.history(world.stage.cast.bounds)
