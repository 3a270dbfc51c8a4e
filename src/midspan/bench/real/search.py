"""Search on a real link: as `midspan.sim.search` and `draw`, a hundred times slower."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from midspan.arguments import checked
from midspan.bench.real.play import play_real
from midspan.sim.beside import beside
from midspan.sim.cast import Cast
from midspan.sim.counterexample import Counterexample, counterexample
from midspan.sim.errors import SimulationError
from midspan.sim.generate import Shape, generate
from midspan.sim.history import History
from midspan.sim.ladder import Ladder, draw
from midspan.sim.play import Player
from midspan.sim.predicates import judge
from midspan.sim.schedule import Schedule
from midspan.sim.search import Findings, explore, names_or_all
from midspan.sim.world import Watch

MOST_RUNS = 60  # that shrinking a counterexample over TLS may take: some seconds


@checked
def search_real(
    cast: Cast,
    seeds: Iterable[int] = range(30),
    shape: Shape | None = None,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
    *,
    speed: float = math.inf,
) -> Findings:
    """Play the schedule of each seed over TLS. Runs in a thread beside the caller's loop.

    Nothing looks for wall clocks in the code under test: the simulated link does. Arguments as of `midspan.sim.search`
    and `play_real`.
    """
    schedules = (generate(seed, shape) for seed in seeds)
    how = "" if shape is None else f", {shape}"

    def player(cast: Cast, schedule: Schedule, watch: Watch | None) -> History:
        return play_real(cast, schedule, watch, speed=speed)

    def replay(seed: int) -> str:
        return f"search_real(cast, [{seed}]{how})"

    return beside(explore, cast, schedules, names_or_all(names), keep_going, replay, player, _smallest)


def _smallest(cast: Cast, found: Schedule, predicate: str, replay: str, player: Player) -> Counterexample:
    """Shrink in virtual time, a hundred times faster, if what comes out breaks the predicate over TLS as well."""
    with suppress(SimulationError):
        simulated = counterexample(cast, found, predicate).schedule
        verdict = judge(player(cast, simulated, None), (predicate,))[predicate]
        if simulated != found and verdict.outcome == "violated":
            return replace(counterexample(cast, simulated, predicate, replay, player, most_runs=0), found=found)
    return counterexample(cast, found, predicate, replay, player, MOST_RUNS)


@checked
def draw_real(cast: Cast, schedule: Schedule) -> tuple[History, Ladder]:
    """Play a schedule once more on a real link, and write down every message. In a thread, as `search_real`."""
    return beside(draw, cast, schedule, play_real)
