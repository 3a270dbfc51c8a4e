"""Shrink a schedule that violates a guarantee, and show the smallest one as a counterexample.

This is delta debugging (Zeller and Hildebrandt, 2002). First faults are removed, in halves and one by one, then
messages and clients. Then each fault is replaced by a simpler, earlier or shorter one. A candidate is kept if it is
smaller and violates the same guarantee. After each success all is tried again, until no candidate is left. No random
numbers are used, so the same schedule always gives the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from midspan.errors import checked
from midspan.simulation.faults import (
    OUTAGES,
    WHEN,
    ClientRestart,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    Refuse,
    Revoke,
    ServerRestart,
    Silence,
    TimedFault,
    Trigger,
    lasting,
    lasts_s,
)
from midspan.simulation.guarantees import judge, violates
from midspan.simulation.history import History
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import Player, play
from midspan.simulation.run_report import Ladder, draw
from midspan.simulation.schedule import Schedule

# kinds of fault, the simplest first
_KINDS = (Cut, HalfOpen, Delay, Silence, ClientRestart, ServerRestart, Refuse, Revoke, *OUTAGES)
_SECONDS = (0.05, 0.3, 1.0, 3.0, 6.0, 15.0)
_LATER_S = (0.0, 0.002, 0.006, 0.02)

MOST_RUNS = 500  # about half a second of real time

Key = tuple[float, ...]


@checked
def shrink(schedule: Schedule, breaks: Callable[[Schedule], bool], most_runs: int = MOST_RUNS) -> Schedule:
    """The smallest schedule that shrinking finds.

    Args:
        schedule: one that violates the guarantee.
        breaks: plays a schedule, and returns whether it violates the guarantee too.
        most_runs: after so many plays, return the smallest schedule so far.
    """
    runs, tried = 0, {schedule}
    progress = True
    while progress and runs < most_runs:
        progress = False
        for smaller in _smaller(schedule):
            if smaller in tried or size(smaller) >= size(schedule):
                continue
            tried.add(smaller)
            runs += 1
            if breaks(smaller):
                schedule, progress = smaller, True
                break
            if runs >= most_runs:
                break
    return schedule


def size(schedule: Schedule) -> Key:
    """The size of a schedule as a tuple. Of two schedules the one with the smaller tuple is smaller."""
    timing = sum(say.at_s for say in schedule.says) + sum(join.at_s for join in schedule.joins)
    link = (schedule.latency_s != 0.01) + (schedule.write_s != 0.005)
    faults = tuple(map(sum, zip(*map(_fault_size, schedule.faults), strict=True))) or (0.0, 0.0)
    return (len(schedule.faults), len(schedule.joins), len(schedule.says), *faults, link, timing)


def _fault_size(fault: Fault) -> Key:
    kind = _KINDS.index(type(fault))
    if isinstance(fault, Refuse):
        return kind, fault.attempt + fault.count
    extra = (lasts_s(fault) if lasting(fault) else 0.0) + 100 * (not _keeps_log(fault)) + _names_a_node(fault)
    return kind, fault.at.n + WHEN.index(fault.at.when) / 10 + fault.at.later_s + extra


def _keeps_log(fault: Fault) -> bool:
    return getattr(fault, "keeps_log", True)


def _names_a_node(fault: Fault) -> bool:
    return bool(getattr(fault, "node", ""))


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    yield from _fewer_faults(schedule)
    yield from _fewer_clients(schedule)
    yield from _fewer_messages(schedule)
    for i, fault in enumerate(schedule.faults):
        for simpler in _simpler(fault):
            yield replace(schedule, faults=(*schedule.faults[:i], simpler, *schedule.faults[i + 1 :]))
    yield replace(schedule, latency_s=0.01)
    yield replace(schedule, write_s=0.005)
    yield replace(schedule, joins=tuple(replace(join, at_s=0.0) for join in schedule.joins))
    yield replace(schedule, says=tuple(replace(say, at_s=0.0) for say in schedule.says))
    for i, say in enumerate(schedule.says):
        earlier = schedule.says[i - 1].at_s if i else 0.0
        yield replace(schedule, says=(*schedule.says[:i], replace(say, at_s=earlier), *schedule.says[i + 1 :]))


def _fewer_faults(schedule: Schedule) -> Iterator[Schedule]:
    faults, half = schedule.faults, len(schedule.faults) // 2
    if faults:
        yield replace(schedule, faults=())
    if half > 1:
        yield replace(schedule, faults=faults[:half])
        yield replace(schedule, faults=faults[half:])
    for i in range(len(faults)):
        yield replace(schedule, faults=faults[:i] + faults[i + 1 :])


def _fewer_clients(schedule: Schedule) -> Iterator[Schedule]:
    if len(schedule.joins) == 1:
        return
    for gone in reversed(schedule.clients):
        yield replace(
            schedule,
            joins=tuple(join for join in schedule.joins if join.who != gone),
            says=tuple(say for say in schedule.says if say.who != gone),
            faults=tuple(fault for fault in schedule.faults if _link(fault) != gone),
        )


def _fewer_messages(schedule: Schedule) -> Iterator[Schedule]:
    says = schedule.says
    for count in (1, len(says) // 2):
        if 0 < count < len(says):
            yield replace(schedule, says=says[:count])
    for i in reversed(range(len(says))):
        if len(says) > 1:
            yield replace(schedule, says=says[:i] + says[i + 1 :])


def _simpler(fault: Fault) -> Iterator[Fault]:
    if isinstance(fault, Refuse):
        yield from (replace(fault, count=count) for count in range(1, fault.count))
        yield from (replace(fault, attempt=attempt) for attempt in range(1, fault.attempt))
        return
    yield Cut(fault.at)
    if not _keeps_log(fault):
        yield _with(fault, keeps_log=True)
    if _names_a_node(fault):
        yield _with(fault, node="")
    yield from _shorter(fault)
    yield from (replace(fault, at=at) for at in _earlier(fault.at))


def _shorter(fault: TimedFault) -> Iterator[Fault]:
    name = lasting(fault)
    if name:
        yield from (_with(fault, **{name: seconds}) for seconds in _SECONDS if seconds < lasts_s(fault))


def _with(fault: TimedFault, **changes: Any) -> TimedFault:
    return replace(fault, **changes)


def _earlier(at: Trigger) -> Iterator[Trigger]:
    yield from (replace(at, later_s=seconds) for seconds in _LATER_S if seconds < at.later_s)
    yield from (replace(at, n=n) for n in range(1, at.n))
    yield from (replace(at, when=when) for when in WHEN[: WHEN.index(at.when)])


def _link(fault: Fault) -> str:
    return fault.link if isinstance(fault, Refuse) else fault.at.link


MOST_RECORDS = 20_000  # limit for shrinking one schedule, since a run of a faulty session may be very long


@dataclass(frozen=True)
class Counterexample:
    """The smallest schedule found that violates a guarantee, with its ladder.

    Args:
        predicate: the name of the guarantee.
        reason: one sentence: what went wrong with which message.
        schedule: the smallest schedule.
        found: the schedule from which shrinking began.
        history: of the smallest schedule.
        ladder: all messages of the smallest schedule.
        replay: a line of Python that finds or shows it again.
    """

    predicate: str
    reason: str
    schedule: Schedule
    found: Schedule
    history: History
    ladder: Ladder
    replay: str

    def __str__(self) -> str:
        return (
            f"{self.predicate} is violated. {self.reason}\n"
            f"Smallest schedule: {self.schedule}\n{self.ladder}\nAgain: {self.replay}"
        )


@checked
def counterexample(
    implementation: Implementation,
    found: Schedule,
    predicate: str,
    replay: str = "",
    player: Player = play,
    most_runs: int = MOST_RUNS,
) -> Counterexample:
    """Shrink a schedule that violates this guarantee, and play the smallest one with its ladder.

    Args:
        implementation: the code under test.
        found: a schedule that violates the guarantee.
        predicate: the name of the guarantee.
        replay: a line of Python that finds the schedule again; "": a line that plays the smallest schedule.
        player: plays a schedule, on the simulated link or on a real one.
        most_runs: the most runs for shrinking.
    """

    spent = 0

    def breaks(schedule: Schedule) -> bool:
        nonlocal spent
        if spent > MOST_RECORDS:
            return False
        history = player(implementation, schedule, None)
        spent += len(history)
        return violates(history, predicate)

    smallest = shrink(found, breaks, most_runs)
    history, ladder = draw(implementation, smallest, player)
    reason = judge(history, (predicate,))[predicate].reason
    replay = replay or f"draw(implementation, Schedule.from_json({smallest.to_json()!r}))"
    return Counterexample(predicate, reason, smallest, found, history, ladder, replay)
