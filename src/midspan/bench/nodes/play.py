"""One run of three nodes and a real broker, in this process, on a clock that does not wait."""

from __future__ import annotations

from functools import partial

from midspan.arguments import checked
from midspan.bench.nodes.bus import bus
from midspan.bench.nodes.lent import chance, clients
from midspan.bench.nodes.network import NodesNetwork
from midspan.bench.nodes.world import NodesWorld
from midspan.bench.real.clock import HastyLoop
from midspan.bench.real.play import shared_authority, to_the_end_and_close
from midspan.sim.cast import Cast
from midspan.sim.history import History
from midspan.sim.schedule import Schedule
from midspan.sim.world import Watch


@checked
def play_nodes(cast: Cast, schedule: Schedule, watch: Watch | None = None) -> History:
    """Run one schedule on three nodes and a broker, on this thread.

    Args:
        cast: the node and the client under test (`NodeSeat`, `MemberSeat`).
        schedule: who is in which room and says what, and what goes wrong.
        watch: what else to write down.
    """
    with bus() as broker, broker.turn, cast.around(schedule.seed), chance(schedule.seed), clients() as left:
        loop = HastyLoop()
        loop.wait_for_others = broker.settle
        network = partial(NodesNetwork, authority=shared_authority(), counts=cast.counts, bus=broker, left=left)
        world = NodesWorld(loop, cast, schedule, watch or Watch(), network)
        try:
            return to_the_end_and_close(world)
        finally:
            broker.start()
            broker.settle()
            broker.forget(world.network.prefix)
