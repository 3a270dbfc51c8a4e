"""Schedules made from a seed, and all schedules of a small size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import TypeVar

from midspan.arguments import Fitting, checked
from midspan.refusal import need
from midspan.sim.faults import (
    FAULTS,
    WHEN,
    BalancerCut,
    BrokerCut,
    BrokerRestart,
    ClientRestart,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    Moment,
    NodeDrain,
    NodeKill,
    Refuse,
    Revoke,
    ServerRestart,
    Silence,
    Way,
)
from midspan.sim.outages import NODES
from midspan.sim.schedule import Join, Say, Schedule, simple

BURST = 4
LATER_S = (0.0, 0.0, 0.002, 0.006, 0.02, 0.5)  # within a write, between write and answer, an answer's way, later
_NAMES = "abcdefgh"
_moment = cache(Moment)  # there are some hundred of them: a search draws the same ones again and again
T = TypeVar("T")
Crossing = tuple[str, Way, int]


@dataclass(frozen=True, slots=True)
class Shape(Fitting):
    """What generated schedules look like.

    Args:
        messages: how many at most, in all.
        clients: how many at most.
        faults: how many at most.
        bursts: the share of schedules with `BURST` times as many messages.
        kinds: the faults to choose from; a kind that is named twice is chosen twice as often.
        stores: seconds that an append to a store may take; one of these in each schedule.
    """

    messages: int = 5
    clients: int = 2
    faults: int = 3
    bursts: float = 0.03
    kinds: tuple[str, ...] = (
        *("Cut",) * 5,
        *("ServerRestart",) * 3,
        *("ClientRestart",) * 2,
        *("HalfOpen", "Silence", "Delay", "Refuse", "Revoke"),
    )
    stores: tuple[float, ...] = (0.005, 0.005, 0.03, 0.2)

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        counts = (self.messages, self.clients, self.faults)
        need(min(counts) >= 1, "1 message, client and fault or more", counts, "Ask for more")
        need(self.clients <= len(_NAMES), f"{len(_NAMES)} clients at most", self.clients, "Ask for fewer")
        known = bool(self.kinds) and all(kind in FAULTS for kind in self.kinds)
        need(known, f"kinds of fault, from {', '.join(FAULTS)}", self.kinds, "Correct the names")
        times = bool(self.stores) and min(self.stores) >= 0
        need(times, "seconds, 0 or more", self.stores, "Say what an append may take")


_SHAPE = Shape()


@checked
def generate(seed: int, shape: Shape | None = None) -> Schedule:
    """The schedule of this seed. The same seed and shape give the same schedule, on each machine."""
    shape = shape or _SHAPE
    rng = Random(seed)
    clients = _NAMES[: 1 + _below(rng, shape.clients)]
    joins = tuple(Join(0.0 if rng.random() < 0.5 else round(rng.random() * 0.3, 3), who) for who in clients)
    says = _says(rng, shape, clients)
    count = 1 + _below(rng, shape.faults)
    faults = tuple(_fault(rng, shape, clients, says) for _ in range(count))
    latency_s, write_s = _one(rng, (0.01, 0.02, 0.05)), _one(rng, shape.stores)
    return Schedule(seed, joins, says, faults, latency_s, write_s)


def _says(rng: Random, shape: Shape, clients: str) -> tuple[Say, ...]:
    gap_s = _one(rng, (0.0, 0.01, 0.03, 0.1))
    counts = dict.fromkeys(clients, 0)
    made, at_s = [], 0.0
    burst = BURST if rng.random() < shape.bursts else 1
    for _ in range(max(1, shape.messages - _below(rng, 2)) * burst):
        who = _one(rng, clients)
        counts[who] += 1
        made.append(Say(round(at_s, 3), who, f"{who}{counts[who]}"))
        at_s += gap_s * 2 * rng.random()
    return tuple(made)


def _fault(rng: Random, shape: Shape, clients: str, says: tuple[Say, ...]) -> Fault:
    kind, who = _one(rng, shape.kinds), _one(rng, clients)
    if kind == "Refuse":
        return Refuse(who, 1 + _below(rng, 3), 1 + _below(rng, 4))
    way: Way = "up" if rng.random() < 0.6 else "down"
    own = sum(say.who == who for say in says)  # up: a greeting and these; down: as many answers, and everybody's
    n = 1 + _below(rng, own + 2 if way == "up" else own + len(says) + 1)
    return _MAKE[kind](rng, _moment(who, way, n, _one(rng, WHEN), _one(rng, LATER_S)))


_MAKE: dict[str, Callable[[Random, Moment], Fault]] = {
    "Cut": lambda _rng, at: Cut(at),
    "HalfOpen": lambda _rng, at: HalfOpen(at),
    "Silence": lambda rng, at: Silence(at, _one(rng, (0.5, 3.0, 6.0, 15.0))),
    "Delay": lambda rng, at: Delay(at, _one(rng, (0.05, 0.3, 1.0))),
    "ServerRestart": lambda rng, at: ServerRestart(at, _one(rng, (0.05, 0.3, 2.0, 30.0)), rng.random() < 0.7),
    "ClientRestart": lambda rng, at: ClientRestart(at, _one(rng, (0.05, 0.3))),
    "Revoke": lambda _rng, at: Revoke(at),
    "NodeKill": lambda rng, at: NodeKill(at, _node(rng), _one(rng, (0.05, 0.3, 2.0, 30.0))),
    "NodeDrain": lambda rng, at: NodeDrain(at, _node(rng), _one(rng, (0.05, 0.3, 2.0))),
    "BrokerCut": lambda rng, at: BrokerCut(at, _node(rng), _one(rng, (0.05, 0.3, 1.0, 3.0, 15.0))),
    "BrokerRestart": lambda rng, at: BrokerRestart(at, _one(rng, (0.05, 0.3, 2.0)), rng.random() < 0.7),
    "BalancerCut": lambda rng, at: BalancerCut(at, _one(rng, (0.05, 0.3, 2.0))),
}


def _node(rng: Random) -> str:
    return _one(rng, ("", "", "", *NODES))  # most often the one in whose work the moment comes


def _below(rng: Random, n: int) -> int:
    return int(rng.random() * n)  # randrange takes four times as long, and we draw twenty of them a schedule


def _one(rng: Random, of: Sequence[T]) -> T:
    return of[int(rng.random() * len(of))]


@checked
def exhaustive(
    crossings: Callable[[Schedule], list[Crossing]], messages: int = 4, clients: Sequence[str] = ("a",), cuts: int = 2
) -> Iterator[Schedule]:
    """Every placement of up to `cuts` cuts in a session of `messages` messages.

    The second cut is placed among the messages that cross after the first, in a run in which the first has happened:
    what is sent again counts as well.

    Args:
        crossings: runs a schedule and says which messages crossed its links, in order.
    """
    need(0 <= messages <= 4 and 0 <= cuts <= 2, "at most 4 messages and 2 cuts", (messages, cuts), "Ask for fewer")
    yield from _with_cuts(simple(messages, tuple(clients)), crossings, 0, cuts)


def _with_cuts(
    schedule: Schedule, crossings: Callable[[Schedule], list[Crossing]], after: int, cuts: int
) -> Iterator[Schedule]:
    yield schedule
    if cuts == 0:
        return
    for i, (link, way, n) in enumerate(crossings(schedule)):
        if i >= after:
            for when in WHEN:
                cut = Cut(Moment(link, way, n, when))
                more = replace(schedule, faults=(*schedule.faults, cut))
                yield from _with_cuts(more, crossings, i + 1, cuts - 1)
