"""Schedules for three nodes and a broker: what a check of this lab plays when its quick checks hold.

A `Search` is lab 3's: which schedules stress a step, which predicates they must not break. A schedule takes a quarter
of a second here, since sockets, TLS and broker are real; so a check plays few, and the end of the lab plays many.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from midspan.bench.nodes import NODE_SHAPE, bus, generate_nodes, play_nodes
from midspan.checks import Transcript, lab3_failure
from midspan.checks.lab3_failure.searching import Search
from midspan.sim import PREDICATES, Cast, Schedule, Shape
from midspan.sim.play import Player

FIRST = 0  # the seed with which each search begins


@dataclass(frozen=True)
class OnNodes(Search):
    """As `Search`; three nodes play the schedules, on one broker."""

    where: ClassVar[str] = " on three nodes"
    most_runs: ClassVar[int] = 25  # each takes its time

    def schedules(self) -> Iterator[Schedule]:
        seeds = range(FIRST, FIRST + self.seeds) if self.only is None else [self.only]
        return (generate_nodes(seed, self.shape) for seed in seeds)

    @contextmanager
    def player(self, _cast: Cast, /) -> Iterator[Player]:
        with bus():
            yield play_nodes


def _shape(*kinds: str, messages: int = 6, clients: int = 4, faults: int = 2) -> Shape:
    return Shape(messages, clients, faults, bursts=0.0, kinds=kinds)


SEARCHES: dict[str, OnNodes] = {
    "streams": OnNodes(
        "links that are cut, nodes that are killed, a balancer that goes away",
        _shape("Cut", "NodeKill", "BalancerCut", "ClientRestart"),
        {
            "no_loss": "lost-while-away",
            "no_duplicate": "dedupe-in-the-node",
            "order": "gap-taken",
            "convergence": "epoch-ignored",
        },
        seeds=8,
    ),
    "accept": OnNodes(
        "links to the broker that are cut, a broker that restarts with its data and without",
        _shape("BrokerCut", "BrokerRestart", "Cut", messages=3, clients=2),
        {"ack_after_durable": "ack-before-durable", "no_loss": "ack-before-durable", "liveness": ""},
        seeds=8,
    ),
    "leaving": OnNodes(
        "nodes that leave, one after the other",
        _shape("NodeDrain", "NodeDrain", "Cut", faults=3),
        {"no_loss": "", "no_duplicate": "", "liveness": "", "bounded_recovery": ""},
        seeds=4,
    ),
    "control": OnNodes("all faults, all predicates", NODE_SHAPE, dict.fromkeys(PREDICATES, ""), seeds=8),
}


def holds(t: Transcript, cast: Cast, step: str) -> None:
    """The search of a step finds nothing; else the smallest counterexample is told."""
    lab3_failure.searching.holds(t, cast, step, (SEARCHES[step],))
