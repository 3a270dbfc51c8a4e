"""The report of one run: a ladder with every message, and the verdict of each predicate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Literal

from midspan.errors import checked, need
from midspan.simulation.faults import NODES, Way
from midspan.simulation.guarantees import PREDICATES, Verdict, judge
from midspan.simulation.history import History, HistoryRecord
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import Player, Watch, play, run_in_thread
from midspan.simulation.schedule import Schedule

# The ladder of a run, as data for a picture; `str()` gives the same as text.


SHOWN = ("delivered", "acknowledged", "durable", "closed", "reset", "restarted", "wiped", "declined", "crashed")
SERVER, BROKER = "server", "broker"  # lanes
MarkKind = Literal["fault", "event", "fold"]


@dataclass(frozen=True, slots=True)
class Rung:
    """A message from one lane to another. `arrives_s` is None for one that never arrived."""

    at_s: float
    sender: str
    receiver: str
    text: str
    arrives_s: float | None

    def __str__(self) -> str:
        if self.arrives_s is None:
            return f"{self.at_s:8.3f}  {self.sender:>6} --- {self.text} --x  ({self.receiver} never gets it)"
        return f"{self.at_s:8.3f}  {self.sender:>6} --> {self.text} --> {self.receiver} at {self.arrives_s:.3f}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened on one lane. A "fold" stands for steps that a picture leaves out; it has no lane."""

    at_s: float
    lane: str
    text: str
    kind: MarkKind = "event"

    def __str__(self) -> str:
        return (
            f"{self.at_s:8.3f}  *** {self.text} ***"
            if self.kind == "fault"
            else f"{self.at_s:8.3f}  {self.lane:>6} {self.text}"
        )


@dataclass(frozen=True)
class Ladder:
    """All rungs and marks of one run, in order of time.

    Args:
        lanes: from left to right: the clients, then the server, or the nodes and their broker.
        steps: the rungs and marks.
    """

    lanes: tuple[str, ...]
    steps: tuple[Rung | Mark, ...]

    def __iter__(self) -> Iterator[Rung | Mark]:
        return iter(self.steps)

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


@dataclass
class _Tracer:
    """Collects the messages of a run as they leave and arrive; used as `Watch.trace`."""

    left: dict[tuple[str, Way, int], tuple[float, int, bytes]] = field(default_factory=dict)
    arrived: dict[tuple[str, Way, int], float] = field(default_factory=dict)

    def __call__(self, at_s: float, records: int, link: str, way: Way, number: int, data: bytes, what: str) -> None:
        if what == "left":
            self.left[link, way, number] = at_s, records, data
        else:
            self.arrived[link, way, number] = at_s

    def rungs(self, history: History) -> Iterator[tuple[float, Rung]]:
        """Each rung, with a number that sorts it before the next record of the history."""
        for key, (at_s, records, data) in self.left.items():
            client, server = key[0], _served_by(history, key[0], records)
            ends = (client, server) if key[1] == "up" else (server, client)
            yield records - 0.5, Rung(at_s, *ends, _as_text(data), self.arrived.get(key))


@checked
def draw(implementation: Implementation, schedule: Schedule, player: Player = play) -> tuple[History, Ladder]:
    """Play a schedule, and collect every message. Returns the history and the ladder."""
    tracer = _Tracer()
    history = player(implementation, schedule, Watch(trace=tracer))
    lanes = (*schedule.clients, *((*NODES, BROKER) if history.rooms else (SERVER,)))
    steps: list[tuple[float, Rung | Mark]] = list(tracer.rungs(history))
    steps += [(i, mark) for i, record in enumerate(history) if (mark := _mark(record, lanes)) is not None]
    in_order = (step for _, step in sorted(steps, key=lambda step: step[0]))
    return history, Ladder(lanes, tuple(_end_by_end(in_order)))


def _end_by_end(steps: Iterable[Rung | Mark]) -> Iterator[Rung | Mark]:
    """Sort the steps of the same instant by the ends that they belong to.

    Without this the order would differ between Python versions: the `wait_for` of 3.12, which python-socketio uses to
    write, takes fewer turns of the loop than that of 3.11. No end can observe the order of steps at two other ends.
    """
    for _, instant in groupby(steps, key=lambda step: (type(step), step.at_s, getattr(step, "kind", ""))):
        ends: dict[object, list[Rung | Mark]] = {}
        for step in instant:
            end = step.lane if isinstance(step, Mark) else frozenset((step.sender, step.receiver))
            ends.setdefault(end, []).append(step)
        yield from chain.from_iterable(ends.values())


def _served_by(history: History, client: str, records: int) -> str:
    """The node to which this client was connected after so many records; the server in a run without nodes."""
    here = f"server/{client}"
    seen = (r.detail for r in reversed(history.records[:records]) if r.what == "opened" and r.who == here)
    return next(seen, "") or SERVER


def _mark(record: HistoryRecord, lanes: tuple[str, ...]) -> Mark | None:
    if record.what == "fault":
        return Mark(record.at_s, record.who, record.detail, "fault")
    if record.what not in SHOWN or (record.what == "closed" and record.who.startswith("server/")):
        return None
    text = " ".join(filter(None, (record.what, record.message, record.detail)))
    if record.who.removeprefix("server/") in lanes:
        return Mark(record.at_s, record.who, text)
    return Mark(record.at_s, lanes[-1], f"{record.who} {text}")  # such as a task: it has no lane


def _as_text(data: bytes, most: int = 60) -> str:
    text = data.decode("utf-8", "backslashreplace")
    if text.isprintable() is False:
        text = json.dumps(text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


@dataclass(frozen=True, repr=False)
class RunReport:
    """A run with its ladder and verdicts.

    Args:
        history: of the run.
        ladder: every message of the run.
        verdicts: of the predicates that were asked, by name.
    """

    history: History
    ladder: Ladder
    verdicts: Mapping[str, Verdict]

    @property
    def violated(self) -> dict[str, str]:
        """The guarantees that were violated, by name, each with the reason."""
        return {name: one.reason for name, one in self.verdicts.items() if one.outcome == "violated"}

    @property
    def judged(self) -> tuple[str, ...]:
        """One line of text for each predicate that was asked."""
        return tuple(f"{name}: {one.outcome}. {one.reason}" for name, one in self.verdicts.items())

    def __str__(self) -> str:
        return "\n".join([str(self.ladder), "", *self.judged])

    __repr__ = __str__


@checked
def show_run(implementation: Implementation, schedule: Schedule, *names: str) -> RunReport:
    """Play a schedule in a thread beside the caller's loop, and judge it with these predicates.

    Raises:
        Refusal: there is no predicate with that name.
        WallClock: the code under test cannot be simulated.
    """
    for name in names:
        need(name in PREDICATES, f"a predicate, one of {', '.join(PREDICATES)}", name, "Correct its name")
    history, ladder = run_in_thread(draw, implementation, schedule)
    return RunReport(history, ladder, judge(history, names))
