"""Search on a real link: as `midspan.sim.search` and `draw`, a hundred times slower."""

from __future__ import annotations

import math
from collections.abc import Iterable

from midspan.arguments import checked
from midspan.bench.real.play import play_real
from midspan.sim.beside import beside
from midspan.sim.cast import Cast
from midspan.sim.generate import Shape, generate
from midspan.sim.history import History
from midspan.sim.ladder import Ladder, draw
from midspan.sim.schedule import Schedule
from midspan.sim.search import Findings, explore, names_or_all
from midspan.sim.world import Watch

MOST_RUNS = 60  # that shrinking a counterexample may take: some seconds


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

    What it finds is shrunk on the real link too, in few runs: the simulated link gets further. Nothing looks for wall
    clocks in the code under test: there, too, the simulated link does. Arguments as of `midspan.sim.search` and
    `play_real`.
    """
    schedules = (generate(seed, shape) for seed in seeds)
    how = "" if shape is None else f", {shape}"

    def player(cast: Cast, schedule: Schedule, watch: Watch | None) -> History:
        return play_real(cast, schedule, watch, speed=speed)

    def replay(seed: int) -> str:
        return f"search_real(cast, [{seed}]{how})"

    return beside(explore, cast, schedules, names_or_all(names), keep_going, replay, player, MOST_RUNS)


@checked
def draw_real(cast: Cast, schedule: Schedule) -> tuple[History, Ladder]:
    """Play a schedule once more on a real link, and write down every message. In a thread, as `search_real`."""
    return beside(draw, cast, schedule, play_real)
