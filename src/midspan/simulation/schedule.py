"""A schedule: what the clients send in one run, and which faults happen, as data.

A schedule is written by hand (`simple`), made from a seed (`generate`), or one of all small ones (`exhaustive`). Two
runs of one schedule with one program are equal. It can be written to JSON and read again; `str()` is one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from random import Random
from typing import Any, TypeVar

from midspan.errors import Fitting, Refusal, checked, need
from midspan.simulation.faults import (
    FAULTS,
    NODES,
    WHEN,
    BalancerCut,
    BrokerCut,
    BrokerRestart,
    ClientRestart,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    NodeDrain,
    NodeKill,
    Refuse,
    Revoke,
    ServerRestart,
    Silence,
    Trigger,
    Way,
)


@dataclass(frozen=True, slots=True)
class Say(Fitting):
    """The application of a client gives its session a message. The bodies in a schedule are unique ("a1", "b1")."""

    at_s: float
    who: str
    body: str

    def __str__(self) -> str:
        return f"{self.who} says {self.body} at {self.at_s:g} s"


@dataclass(frozen=True, slots=True)
class Join(Fitting):
    """A client starts. `room`: its room, where a run has rooms."""

    at_s: float
    who: str
    room: str = ""

    def __str__(self) -> str:
        return f"{self.who} starts at {self.at_s:g} s"


@dataclass(frozen=True, slots=True)
class Schedule(Fitting):
    """The clients, messages and faults of one run.

    Args:
        seed: of the random numbers that the code under test gets (`rng`). It also identifies a generated schedule.
        joins: the clients, in order of start.
        says: the messages, in order of time.
        faults: which faults happen.
        latency_s: of a frame, one way.
        write_s: seconds that an append to a store takes; a read takes half of it.
    """

    seed: int
    joins: tuple[Join, ...]
    says: tuple[Say, ...]
    faults: tuple[Fault, ...] = ()
    latency_s: float = 0.01
    write_s: float = 0.005

    @property
    def clients(self) -> tuple[str, ...]:
        return tuple(join.who for join in self.joins)

    def __str__(self) -> str:
        counts = {who: sum(say.who == who for say in self.says) for who in self.clients}
        said = ", ".join(f"{_with_room(join)} says {counts[join.who]}" for join in self.joins)
        wrong = "; ".join(map(str, self.faults)) or "no fault"
        return f"seed {self.seed}: {said}; {wrong}"

    def to_json(self) -> str:
        """One line of JSON."""
        made = asdict(self)
        for join in made["joins"]:
            if not join["room"]:
                del join["room"]
        made["faults"] = [{"fault": type(fault).__name__, **asdict(fault)} for fault in self.faults]
        return json.dumps(made, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """The schedule that `to_json` wrote. Raises `Refusal` for anything else."""
        try:
            made = json.loads(text)
            made["joins"] = tuple(Join(**join) for join in made["joins"])
            made["says"] = tuple(Say(**say) for say in made["says"])
            made["faults"] = tuple(_fault(fault) for fault in made["faults"])
            return cls(**made)
        except (TypeError, KeyError, ValueError) as error:
            raise Refusal("the JSON of a schedule", text, f"Pass what Schedule.to_json() wrote ({error})") from error


def _with_room(join: Join) -> str:
    return f"{join.who} ({join.room})" if join.room else join.who


def _fault(made: dict[str, Any]) -> Fault:
    name = made.pop("fault")
    need(name in FAULTS, f"one of the faults {', '.join(FAULTS)}", name, "Correct the name of the fault")
    if "at" in made:
        made["at"] = Trigger(**made["at"])
    return FAULTS[name](**made)


@checked
def simple(
    messages: int = 3, clients: tuple[str, ...] = ("a", "b"), gap_s: float = 0.0, faults: tuple[Fault, ...] = ()
) -> Schedule:
    """A schedule without random numbers: the clients start at 0 s and send in turn, `gap_s` apart."""
    need(messages >= 0, "a number of messages", messages, "Pass 0 or more")
    need(len(clients) >= 1, "at least one client", clients, "Pass a tuple of names")
    return Schedule(0, tuple(Join(0.0, who) for who in clients), says_in_turn(messages, clients, gap_s), faults)


def says_in_turn(messages: int, clients: tuple[str, ...], gap_s: float) -> tuple[Say, ...]:
    """`messages` messages; the clients send in turn: a1, b1, a2, b2, ..."""
    made = []
    for i in range(messages):
        turn, who = divmod(i, len(clients))
        made.append(Say(i * gap_s, clients[who], f"{clients[who]}{turn + 1}"))
    return tuple(made)


# Schedules made from a seed, and all schedules of a small size.


BURST = 4
LATER_S = (0.0, 0.0, 0.002, 0.006, 0.02, 0.5)  # in a write, before or during an answer, later
_NAMES = "abcdefgh"
_trigger = cache(Trigger)  # a search needs the same few hundred triggers again and again
T = TypeVar("T")
Crossing = tuple[str, Way, int]


@dataclass(frozen=True, slots=True)
class Shape(Fitting):
    """What generated schedules look like.

    Args:
        messages: the most messages, of all clients together.
        clients: the most clients.
        faults: the most faults.
        bursts: the share (0 to 1) of schedules with `BURST` times as many messages.
        kinds: the faults to choose from; a kind that is listed twice is chosen twice as often.
        stores: values for `write_s`; each schedule takes one of them.
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
    """The schedule of this seed. The same seed and shape give the same schedule on every machine."""
    shape = shape or _SHAPE
    rng = Random(seed)
    clients = _NAMES[: 1 + _random_below(rng, shape.clients)]
    joins = tuple(Join(0.0 if rng.random() < 0.5 else round(rng.random() * 0.3, 3), who) for who in clients)
    says = _says(rng, shape, clients)
    count = 1 + _random_below(rng, shape.faults)
    faults = tuple(_generate_fault(rng, shape, clients, says) for _ in range(count))
    latency_s, write_s = _choose(rng, (0.01, 0.02, 0.05)), _choose(rng, shape.stores)
    return Schedule(seed, joins, says, faults, latency_s, write_s)


def _says(rng: Random, shape: Shape, clients: str) -> tuple[Say, ...]:
    gap_s = _choose(rng, (0.0, 0.01, 0.03, 0.1))
    counts = dict.fromkeys(clients, 0)
    made, at_s = [], 0.0
    burst = BURST if rng.random() < shape.bursts else 1
    for _ in range(max(1, shape.messages - _random_below(rng, 2)) * burst):
        who = _choose(rng, clients)
        counts[who] += 1
        made.append(Say(round(at_s, 3), who, f"{who}{counts[who]}"))
        at_s += gap_s * 2 * rng.random()
    return tuple(made)


def _generate_fault(rng: Random, shape: Shape, clients: str, says: tuple[Say, ...]) -> Fault:
    kind, who = _choose(rng, shape.kinds), _choose(rng, clients)
    if kind == "Refuse":
        return Refuse(who, 1 + _random_below(rng, 3), 1 + _random_below(rng, 4))
    way: Way = "up" if rng.random() < 0.6 else "down"
    own = sum(say.who == who for say in says)  # up: a greeting and these; down: answers, and all messages
    n = 1 + _random_below(rng, own + 2 if way == "up" else own + len(says) + 1)
    return _MAKE[kind](rng, _trigger(who, way, n, _choose(rng, WHEN), _choose(rng, LATER_S)))


_MAKE: dict[str, Callable[[Random, Trigger], Fault]] = {
    "Cut": lambda _rng, at: Cut(at),
    "HalfOpen": lambda _rng, at: HalfOpen(at),
    "Silence": lambda rng, at: Silence(at, _choose(rng, (0.5, 3.0, 6.0, 15.0))),
    "Delay": lambda rng, at: Delay(at, _choose(rng, (0.05, 0.3, 1.0))),
    "ServerRestart": lambda rng, at: ServerRestart(at, _choose(rng, (0.05, 0.3, 2.0, 30.0)), rng.random() < 0.7),
    "ClientRestart": lambda rng, at: ClientRestart(at, _choose(rng, (0.05, 0.3))),
    "Revoke": lambda _rng, at: Revoke(at),
    "NodeKill": lambda rng, at: NodeKill(at, _node(rng), _choose(rng, (0.05, 0.3, 2.0, 30.0))),
    "NodeDrain": lambda rng, at: NodeDrain(at, _node(rng), _choose(rng, (0.05, 0.3, 2.0))),
    "BrokerCut": lambda rng, at: BrokerCut(at, _node(rng), _choose(rng, (0.05, 0.3, 1.0, 3.0, 15.0))),
    "BrokerRestart": lambda rng, at: BrokerRestart(at, _choose(rng, (0.05, 0.3, 2.0)), rng.random() < 0.7),
    "BalancerCut": lambda rng, at: BalancerCut(at, _choose(rng, (0.05, 0.3, 2.0))),
}


def _node(rng: Random) -> str:
    return _choose(rng, ("", "", "", *NODES))  # most often "": the node that serves the client of the trigger


def _random_below(rng: Random, n: int) -> int:
    return int(rng.random() * n)  # four times as fast as randrange; a schedule needs about twenty


def _choose(rng: Random, of: Sequence[T]) -> T:
    return of[int(rng.random() * len(of))]


@checked
def exhaustive(
    crossings: Callable[[Schedule], list[Crossing]], messages: int = 4, clients: Sequence[str] = ("a",), cuts: int = 2
) -> Iterator[Schedule]:
    """The schedules with every placement of up to `cuts` cuts in a session of `messages` messages.

    The second cut comes at a message that crosses the link after the first cut, in a run with the first cut. So it can
    also come at a message that is sent again.

    Args:
        crossings: plays a schedule and returns the messages that crossed its links, in order.
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
                cut = Cut(Trigger(link, way, n, when))
                more = replace(schedule, faults=(*schedule.faults, cut))
                yield from _with_cuts(more, crossings, i + 1, cuts - 1)
