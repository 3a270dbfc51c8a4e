"""Lab 3: its doubles, unit checks in virtual time, and the searches for a schedule that violates a guarantee."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, ClassVar

from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from midspan.errors import Words
from midspan.grading import Lab, Transcript
from midspan.grading.transcript import Wrong, in_words
from midspan.simulation import (
    PREDICATES,
    Counterexample,
    Implementation,
    Schedule,
    ServerRestart,
    Shape,
    SimulationError,
    counterexample,
    generate,
    judge,
    run_in_virtual_time,
)
from midspan.simulation.run import Player
from midspan.simulation.searching import guarded
from midspan.simulation.shrinking import MOST_RUNS

lab = Lab(
    "lab3_failure",
    title="Nothing lost, nothing twice, in order",
    misconceptions={
        "vacuous": "A run in which nothing was at risk proves nothing: the verdict is vacuous, not passed."
    },
    plays="ours",
)


def in_virtual_time(checks: Coroutine[Any, Any, None], limit_s: float = 3600.0) -> None:
    """Run these checks to their end. A deadlock, a loop that never waits, or a real clock is a wrong answer."""
    try:
        run_in_virtual_time(checks, limit_s)
    except SimulationError as error:
        raise Wrong(str(error)) from None


# Doubles for a connection and for an outbox.


MANY = 1000  # reads of an outbox to which nothing was added


class ListeningConnection:
    """A connection that records what is sent, messages of the form `says`; `cut()` ends it."""

    def __init__(self, says: str = '["say", number, body]') -> None:
        self.says = says
        self.said: list[Any] = []
        self.is_cut = False

    async def send(self, text: str) -> None:
        await asyncio.sleep(0)
        if self.is_cut:
            raise ConnectionClosedError(None, None)
        try:
            self.said.append(json.loads(text))
        except (TypeError, ValueError):
            raise Wrong(f"Expected: the JSON text of {self.says}; got: {in_words(text)}.") from None

    def cut(self) -> None:
        self.is_cut = True


class MemoryOutbox:
    """An outbox in memory, with the methods that a sender needs."""

    def __init__(self) -> None:
        self.bodies: dict[int, str] = {}
        self.last = 0
        self.asked = 0  # reads since the last `put`

    @property
    def base(self) -> int:
        return min(self.bodies, default=self.last + 1)

    def __len__(self) -> int:
        return len(self.bodies)

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.last, self.asked = self.last + 1, 0
            self.bodies[self.last] = body

    def after(self, number: int) -> list[tuple[int, str]]:
        self.asked += 1
        if self.asked > MANY:
            raise Wrong(lab.misconceptions["sender-never-waits"], "sender-never-waits")
        return [(n, body) for n, body in self.bodies.items() if n > number]

    def acknowledge(self, number: int) -> list[str]:
        return [self.bodies.pop(n) for n in list(self.bodies) if n <= number]


async def start_sender(sender: Any, line: ListeningConnection) -> asyncio.Future[None]:
    """Let the sender run on this connection for a second; return its task."""
    running: asyncio.Future[None] = asyncio.ensure_future(sender.run(line))
    await asyncio.wait([running], timeout=1.0)
    if running.done() and running.exception() is not None:
        running.result()
    return running


def ended(running: asyncio.Future[None]) -> BaseException | None:
    """Return what a sender raised, or None. Raise an error that is wrong with any connection."""
    error = running.exception() if running.done() and not running.cancelled() else None
    if error is not None and not isinstance(error, ConnectionClosed):
        raise error
    return error


# A check of this lab plays many schedules with one session.
#
# A `Search` says which schedules stress a step, and which predicates they must not violate. Its seeds are fixed, so
# that a check gives the same words on each run. `FIRST` moves all seeds at once, to play other schedules.


FIRST = 0  # the seed with which each search begins


@dataclass(frozen=True)
class Search:
    """Schedules that stress a step, and the predicates that they must not violate.

    Args:
        faults: what happens in them, in words.
        shape: the shape of the schedules.
        breaks: predicate -> the misconception that violates it; the first violated one is shown.
        seeds: how many schedules.
        wipes: whether to play those in which the server loses its log, too.
        only: play only this seed.
    """

    faults: str
    shape: Shape
    breaks: Mapping[str, str]
    seeds: int = 100
    wipes: bool = True
    only: int | None = None

    where: ClassVar[str] = ""  # where they are played, in words
    most_runs: ClassVar[int] = MOST_RUNS  # that shrinking a counterexample may take

    def schedules(self) -> Iterator[Schedule]:
        """Yield the first schedules of this shape, from `FIRST` on; or that of the seed `only`."""
        if self.only is not None:
            return iter([generate(self.only, self.shape)])
        made = (generate(seed, self.shape) for seed in count(FIRST))
        return islice((one for one in made if self.wipes or not _wipes(one)), self.seeds)

    def player(self, implementation: Implementation, /) -> AbstractContextManager[Player]:
        """Return the player of this implementation, on this thread; it raises when the real clock is read."""
        return guarded(implementation)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the predicates to judge by; each search also looks for an error of the answer."""
        return (*self.breaks, *({"no_crash"} - set(self.breaks)))


@dataclass(frozen=True)
class Found:
    """The result of a search: how often each predicate was tested, and a counterexample of the first violated one."""

    runs: int
    tested: Counter[str]
    example: Counterexample | None


def _wipes(schedule: Schedule) -> bool:
    return any(isinstance(fault, ServerRestart) and not fault.keeps_log for fault in schedule.faults)


def run_search(implementation: Implementation, search: Search, step: str) -> Found:
    """Play the schedules, on this thread; shrink a violation of the first of `search.names` that any of them violates.

    All are played unless the first name is violated, so that the result does not depend on the order of the schedules.
    Raises `NotImplementedError` when a part is still to do.
    """
    runs, tested = 0, Counter[str]()
    broken: dict[str, Schedule] = {}
    with search.player(implementation) as player:
        for schedule in search.schedules():
            runs += 1
            verdicts = judge(player(implementation, schedule, None), search.names)
            _to_do(verdicts["no_crash"].reason)
            tested.update(name for name, verdict in verdicts.items() if verdict.outcome != "vacuous")
            for name, verdict in verdicts.items():
                if verdict.outcome == "violated":
                    broken.setdefault(name, schedule)
            if search.names[0] in broken or "no_crash" in broken:
                break
        worst = next((name for name in ("no_crash", *search.names) if name in broken), None)
        if worst is None:
            return Found(runs, tested, None)
        again = f'again(ours, "{step}", {broken[worst].seed})'
        return Found(
            runs, tested, counterexample(implementation, broken[worst], worst, again, player, search.most_runs)
        )


def _to_do(crash: str) -> None:
    """Raise `NotImplementedError` if the crash shows an unwritten answer of another step: that is to do, not wrong."""
    if "NotImplementedError" in crash:
        raise NotImplementedError


def search_holds(
    t: Transcript, implementation: Implementation, step: str, searches: tuple[Search, ...] | None = None
) -> None:
    """Check that the searches of a step find nothing; else show the smallest counterexample."""
    for search in SEARCHES[step] if searches is None else searches:
        t.say(f"{search.seeds} schedules{search.where}: {search.faults}")
        found = _search(implementation, search, step)
        for name, id in search.breaks.items():
            what, example = str(PREDICATES[name]), found.example
            if example is not None and example.predicate in (name, "no_crash"):
                recognised = id if example.predicate == name else ""
                got = Words(example.reason)
                t.fail(what, got=got, expected="no violation", because=counterexample_text(example), id=recognised)
            nothing = Words(f"vacuous in all {found.runs}: nothing was at risk")
            t.true(what, found.tested[name], got=nothing, expected="a run that tests it", id="vacuous")


def _search(implementation: Implementation, search: Search, step: str) -> Found:
    try:
        return run_search(implementation, search, step)
    except SimulationError as error:
        raise Wrong(str(error)) from None


def counterexample_text(example: Counterexample) -> str:
    """Write a counterexample: the smallest schedule as a table, the ladder, and the line that plays it again."""
    rows = [f"  {row}" for row in schedule_table(example.schedule)]
    ladder = [f"  {line}" for line in str(example.ladder).splitlines()]
    lines = [f"The smallest schedule, found from seed {example.found.seed}:", *rows, "What happens:", *ladder]
    return "\n".join([*lines, f"To see it drawn: {example.replay}"])


def schedule_table(schedule: Schedule) -> list[str]:
    """Write a schedule as a table: a line for each client, a line for each fault."""
    rows = [("who", "starts", "says")]
    for join in schedule.joins:
        says = ", ".join(f"{say.body} at {say.at_s:g} s" for say in schedule.says if say.who == join.who)
        rows.append((join.who, f"{join.at_s:g} s", says or "nothing"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *(f"fault: {fault}" for fault in schedule.faults or ("none",))]


LINK = ("Cut", "Cut", "HalfOpen", "Silence", "Delay", "Refuse")
SEARCHES: dict[str, tuple[Search, ...]] = {
    "heartbeat": (
        Search(
            "half-open links",
            Shape(kinds=("HalfOpen", "Silence")),
            {"bounded_detection": ""},
        ),
    ),
    "reconnect": (
        Search(
            "servers that restart, links that are cut and refused",
            Shape(kinds=("ServerRestart", "ServerRestart", "Cut", "Refuse")),
            {"no_herd": "no-jitter", "bounded_recovery": "no-cap"},
            wipes=False,
        ),
    ),
    "outbox": (
        Search(
            "clients that restart",
            Shape(kinds=("ClientRestart",)),
            {"no_loss": "outbox-in-memory"},
        ),
    ),
    "retry": (
        Search(
            "links that are cut, fall silent, are late or refused, and clients that restart",
            Shape(kinds=(*LINK, "ClientRestart")),
            {"no_loss": "sent-is-acknowledged", "liveness": "sent-is-acknowledged"},
        ),
    ),
    "dedupe": (
        Search(
            "cut links, clients and servers that restart",
            Shape(kinds=("Cut", "Cut", "ClientRestart", "ServerRestart", "Delay")),
            {"no_duplicate": "no-dedupe", "order": "no-dedupe"},
            wipes=False,
        ),
    ),
    "desk": (
        Search(
            "cut links, servers and clients that restart, messages that come late",
            Shape(kinds=("Cut", "Cut", "ServerRestart", "ServerRestart", "ClientRestart", "HalfOpen", "Delay")),
            {
                "ack_after_durable": "ack-before-durable",
                "no_duplicate": "no-lock",
                "order": "gap-taken",
                "no_loss": "ack-before-durable",
            },
            seeds=150,
            wipes=False,
        ),
    ),
    "cursor": (
        Search(
            "one client, and a server that restarts with its log or without it",
            Shape(clients=1, faults=1, kinds=("ServerRestart",)),
            {"convergence": "no-reset", "no_loss": "offset-by-assignment"},
        ),
    ),
    "log": (
        Search(
            "servers that restart with their log and without it, cut links",
            Shape(kinds=("ServerRestart", "ServerRestart", "Cut", "Silence", "ClientRestart")),
            {
                "convergence": "epoch-ignored",
                "no_loss": "epoch-ignored",
                "liveness": "base-ignored",
                "bounded_memory": "replay-unbounded",
            },
        ),
    ),
    "feed": (
        Search(
            "cut links and slow stores, so that entries are added while we read",
            Shape(faults=1, kinds=("Cut", "Cut", "ServerRestart", "HalfOpen", "Delay")),
            {"no_loss": "woken-too-late", "liveness": "woken-too-late"},
        ),
    ),
    "greet": (
        Search(
            "clients that lose their right, and their link",
            Shape(kinds=("Revoke", "Revoke", "Cut")),
            {"authorised": "resume-unauthorised"},
        ),
    ),
    "control": (Search("all faults, all predicates", Shape(), dict.fromkeys(PREDICATES, ""), seeds=120),),
}
