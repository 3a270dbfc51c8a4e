"""Search on nodes: as `midspan.sim.search` and `draw`, on three nodes and a real broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from midspan.arguments import checked
from midspan.bench.nodes.bus import bus
from midspan.bench.nodes.play import play_nodes
from midspan.bench.nodes.seats import ROOMS
from midspan.sim.beside import beside
from midspan.sim.cast import Cast
from midspan.sim.counterexample import Counterexample, counterexample
from midspan.sim.generate import Shape, generate
from midspan.sim.history import History
from midspan.sim.ladder import Ladder, draw
from midspan.sim.play import Player
from midspan.sim.schedule import Schedule
from midspan.sim.search import Findings, explore, names_or_all

MOST_RUNS = 100  # that shrinking a counterexample may take
NODE_SHAPE = Shape(
    messages=6,
    clients=4,
    faults=4,
    kinds=(
        *("Cut",) * 3,
        *("NodeKill",) * 3,
        *("NodeDrain", "BrokerCut", "BrokerRestart") * 2,
        *("BalancerCut", "ClientRestart", "HalfOpen", "Silence", "Delay", "Refuse", "Revoke"),
    ),
)


@checked
def generate_nodes(seed: int, shape: Shape = NODE_SHAPE) -> Schedule:
    """The schedule of this seed, its clients spread over the rooms in turn."""
    made = generate(seed, shape)
    joins = tuple(replace(join, room=ROOMS[i % len(ROOMS)]) for i, join in enumerate(made.joins))
    return replace(made, joins=joins)


@checked
def search_nodes(
    cast: Cast,
    seeds: Iterable[int] = range(30),
    shape: Shape | None = None,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
) -> Findings:
    """Play the schedule of each seed on one broker. Runs in a thread beside the caller's loop.

    Arguments as of `midspan.sim.search`; without a shape it is `NODE_SHAPE`.
    """
    schedules = (generate_nodes(seed, shape or NODE_SHAPE) for seed in seeds)
    how = "" if shape is None else f", {shape}"

    def replay(seed: int) -> str:
        return f"search_nodes(cast, [{seed}]{how})"

    def body() -> Findings:
        with bus():
            return explore(cast, schedules, names_or_all(names), keep_going, replay, play_nodes, _smallest)

    return beside(body)


def _smallest(cast: Cast, found: Schedule, predicate: str, replay: str, player: Player) -> Counterexample:
    return counterexample(cast, found, predicate, replay, player, MOST_RUNS)


@checked
def draw_nodes(cast: Cast, schedule: Schedule) -> tuple[History, Ladder]:
    """Play a schedule once more on nodes, and write down every message. In a thread, as `search_nodes`."""
    return beside(draw, cast, schedule, play_nodes)
