"""One run, as data: who says what and when, on what kind of link, and what goes wrong.

Two runs of one schedule on one program are equal. A schedule goes to JSON and back, and `str()` is one line.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from midspan.arguments import Fitting, checked
from midspan.refusal import Refusal, need
from midspan.sim.faults import FAULTS, Fault, Moment


@dataclass(frozen=True, slots=True)
class Say(Fitting):
    """A client gives its session a message to send. Bodies are unique within a schedule: "a1", "a2", "b1"."""

    at_s: float
    who: str
    body: str

    def __str__(self) -> str:
        return f"{self.who} says {self.body} at {self.at_s:g} s"


@dataclass(frozen=True, slots=True)
class Join(Fitting):
    """A client starts; `room` is the one that it belongs to, where a run has rooms."""

    at_s: float
    who: str
    room: str = ""

    def __str__(self) -> str:
        return f"{self.who} starts at {self.at_s:g} s"


@dataclass(frozen=True, slots=True)
class Schedule(Fitting):
    """What one run is made of.

    Args:
        seed: of the chance that the code under test is given (`rng`); also the name of a generated schedule.
        joins: the clients, in order of start.
        says: the messages, in order of time.
        faults: what goes wrong.
        latency_s: of a frame, one way.
        write_s: what an append to a store takes; a read takes half of it.
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
        made["at"] = Moment(**made["at"])
    return FAULTS[name](**made)


@checked
def simple(
    messages: int = 3, clients: tuple[str, ...] = ("a", "b"), gap_s: float = 0.0, faults: tuple[Fault, ...] = ()
) -> Schedule:
    """A schedule by hand: the clients start at once and speak in turn."""
    need(messages >= 0, "a number of messages", messages, "Pass 0 or more")
    need(len(clients) >= 1, "at least one client", clients, "Pass a tuple of names")
    return Schedule(0, tuple(Join(0.0, who) for who in clients), says_in_turn(messages, clients, gap_s), faults)


def says_in_turn(messages: int, clients: tuple[str, ...], gap_s: float) -> tuple[Say, ...]:
    """`messages` messages, the clients taking turns: a1, b1, a2, b2, ..."""
    made = []
    for i in range(messages):
        turn, who = divmod(i, len(clients))
        made.append(Say(i * gap_s, clients[who], f"{clients[who]}{turn + 1}"))
    return tuple(made)
