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

    The code under test gets real `websockets` connections, or makes its own. A run ends as in `midspan.simulation.run`.

    Args:
        implementation: the code under test.
        schedule: what the clients send, and which faults happen.
        watch: what to observe besides the history.
        speed: seconds of the run for each real second of waiting; by default the run never waits.
    """
    need_no_nodes(schedule)
    with implementation.around(schedule.seed):
        loop = VirtualTimeSelectorLoop(speed)
        network = partial(RealNetwork, authority=shared_authority(), counts=implementation.counts)
        return to_the_end_and_close(ScheduleRun(loop, implementation, schedule, watch or Watch(), network))


def to_the_end_and_close(schedule_run: ScheduleRun) -> History:
    """As `run.to_the_end`; then close every socket of the run, and its loop."""
    try:
        return to_the_end(schedule_run)
    finally:
        assert isinstance(schedule_run.network, RealNetwork)
        schedule_run.loop.run_until_complete(schedule_run.network.close())
        schedule_run.loop.run_until_complete(schedule_run.loop.shutdown_asyncgens())
        schedule_run.loop.close()


@cache
def shared_authority() -> Authority:
    """One authority for all runs of this process: new keys would take a large part of a run's tenth of a second."""
    return Authority()


MOST_RUNS = 60  # the most runs for shrinking a counterexample over TLS: some seconds


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

    The arguments are those of `midspan.simulation.search` and `play_real`. This is a hundred times slower than the
    simulated link, and the code under test is not checked for real clocks.
    """
    player = partial(play_real, speed=speed)
    return search_by_seeds(
        "search_real", lambda _: nullcontext(player), implementation, seeds, shape, names, keep_going, examine=_smallest
    )


def _smallest(
    implementation: Implementation, found: Schedule, predicate: str, replay: str, player: Player
) -> Counterexample:
    """Shrink in virtual time, which is faster, and check the result over TLS; otherwise shrink over TLS."""
    with suppress(SimulationError):
        simulated = counterexample(implementation, found, predicate).schedule
        verdict = judge(player(implementation, simulated, None), (predicate,))[predicate]
        if simulated != found and verdict.outcome == "violated":
            return replace(
                counterexample(implementation, simulated, predicate, replay, player, most_runs=0), found=found
            )
    return counterexample(implementation, found, predicate, replay, player, MOST_RUNS)
