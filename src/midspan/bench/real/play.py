"""One run on a real link: the same cast and schedule as in `midspan.sim.play`, the same history."""

from __future__ import annotations

import math
from functools import cache, partial

from midspan.arguments import checked
from midspan.bench.real.clock import HastyLoop
from midspan.bench.real.network import RealNetwork
from midspan.sim.cast import Cast
from midspan.sim.history import History
from midspan.sim.play import need_no_nodes, to_the_end
from midspan.sim.schedule import Schedule
from midspan.sim.world import Watch, World
from midspan.wires.certs import Authority


@checked
def play_real(cast: Cast, schedule: Schedule, watch: Watch | None = None, *, speed: float = math.inf) -> History:
    """Run one schedule to its end over TLS on loopback, on this thread.

    The code under test gets real `websockets` connections, or brings its own. It ends as `midspan.sim.play` does.

    Args:
        cast: the code under test.
        schedule: who says what, and what goes wrong.
        watch: what else to write down.
        speed: seconds of the run per real second of waiting; as fast as it goes by default.
    """
    need_no_nodes(schedule)
    with cast.around(schedule.seed):
        loop = HastyLoop(speed)
        network = partial(RealNetwork, authority=shared_authority(), counts=cast.counts)
        return to_the_end_and_close(World(loop, cast, schedule, watch or Watch(), network))


def to_the_end_and_close(world: World) -> History:
    """As `to_the_end`; then close every socket of the run, and its loop."""
    try:
        return to_the_end(world)
    finally:
        assert isinstance(world.network, RealNetwork)
        world.loop.run_until_complete(world.network.close())
        world.loop.run_until_complete(world.loop.shutdown_asyncgens())
        world.loop.close()


@cache
def shared_authority() -> Authority:
    """One for all runs of this process: a run takes a tenth of a second, and making keys would be a part of it."""
    return Authority()
