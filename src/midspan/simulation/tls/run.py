"""One run, and a search, on real sockets: the same implementation and schedule as in `midspan.simulation.run`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cache, partial

from midspan.errors import checked
from midspan.net.servers import Authority
from midspan.simulation.forbidden_io import SimulationError
from midspan.simulation.guarantees import judge
from midspan.simulation.history import History
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import Player, ScheduleRun, Watch, need_no_nodes, to_the_end
from midspan.simulation.schedule import Schedule, Shape
from midspan.simulation.searching import Findings, search_by_seeds
from midspan.simulation.shrinking import Counterexample, counterexample
from midspan.simulation.tls.link import RealNetwork
from midspan.simulation.tls.loop import VirtualTimeSelectorLoop


@checked
def play_real(
    implementation: Implementation, schedule: Schedule, watch: Watch | None = None, *, speed: float = math.inf
) -> History:
    """Run one schedule to its end over TLS on loopback, on this thread.

    The code under test gets real `websockets` connections, or brings its own. It ends as `midspan.simulation.run` does.

    Args:
        implementation: the code under test.
        schedule: who says what, and what goes wrong.
        watch: what else to write down.
        speed: seconds of the run per real second of waiting; as fast as it goes by default.
    """
    need_no_nodes(schedule)
    with implementation.around(schedule.seed):
        loop = VirtualTimeSelectorLoop(speed)
        network = partial(RealNetwork, authority=shared_authority(), counts=implementation.counts)
        return to_the_end_and_close(ScheduleRun(loop, implementation, schedule, watch or Watch(), network))


def to_the_end_and_close(schedule_run: ScheduleRun) -> History:
    """As `to_the_end`; then close every socket of the run, and its loop."""
    try:
        return to_the_end(schedule_run)
    finally:
        assert isinstance(schedule_run.network, RealNetwork)
        schedule_run.loop.run_until_complete(schedule_run.network.close())
        schedule_run.loop.run_until_complete(schedule_run.loop.shutdown_asyncgens())
        schedule_run.loop.close()


@cache
def shared_authority() -> Authority:
    """One for all runs of this process: a run takes a tenth of a second, and making keys would be a part of it."""
    return Authority()


MOST_RUNS = 60  # that shrinking a counterexample over TLS may take: some seconds


@checked
def search_real(
    implementation: Implementation,
    seeds: Iterable[int] = range(30),
    shape: Shape | None = None,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
    *,
    speed: float = math.inf,
) -> Findings:
    """Play the schedule of each seed over TLS. Runs in a thread beside the caller's loop.

    The code under test is not searched for real clocks, as it is on the simulated link. A hundred times slower than
    there. Arguments as of `midspan.simulation.search` and `play_real`.
    """
    player = partial(play_real, speed=speed)
    return search_by_seeds(
        "search_real", lambda _: nullcontext(player), implementation, seeds, shape, names, keep_going, examine=_smallest
    )


def _smallest(
    implementation: Implementation, found: Schedule, predicate: str, replay: str, player: Player
) -> Counterexample:
    """Shrink in virtual time, a hundred times faster, if what comes out breaks the predicate over TLS as well."""
    with suppress(SimulationError):
        simulated = counterexample(implementation, found, predicate).schedule
        verdict = judge(player(implementation, simulated, None), (predicate,))[predicate]
        if simulated != found and verdict.outcome == "violated":
            return replace(
                counterexample(implementation, simulated, predicate, replay, player, most_runs=0), found=found
            )
    return counterexample(implementation, found, predicate, replay, player, MOST_RUNS)
