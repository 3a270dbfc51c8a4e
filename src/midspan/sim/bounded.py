"""The guarantees that name a number: the bounds come with the history, so each session is held to what it states."""

from __future__ import annotations

import math
from itertools import pairwise

from midspan.sim.history import Record
from midspan.sim.index import Index
from midspan.sim.verdict import Predicate

SLACK_S = 0.25  # what a few hops may add to a stated bound


def bounded_memory(index: Index) -> str:
    limits = {"outbox": index.bounds.outbox, "dedupe": index.bounds.dedupe, "replay": index.bounds.replay}
    for record in index.of("size"):
        limit = limits.get(record.detail, math.inf)
        if record.value > limit:
            return f"The {record.detail} of {record.who} held {record.value:.0f} entries; its bound is {limit}."
    return ""


def _no_size(index: Index) -> str:
    return "" if index.of("size") else "Neither end told its sizes."


def bounded_detection(index: Index) -> str:
    closed: dict[str, list[float]] = {}
    for record in index.of("closed"):
        closed.setdefault(record.who, []).append(record.at_s)
    for record in _long_silences(index):
        latest_s = record.at_s + index.bounds.detection_s + SLACK_S
        times = [at_s for at_s in closed.get(record.who, ()) if at_s >= record.at_s]
        if not times or min(times) > latest_s:
            ended = f"let go of after {min(times) - record.at_s:.3f} s" if times else "never let go of"
            return (
                f"The connection of {record.who} carried nothing from {record.at_s:.3f} s on; "
                f"it was {ended}, the bound is {index.bounds.detection_s:g} s."
            )
    return ""


def _long_silences(index: Index) -> list[Record]:
    """The silences that outlast the bound, and that the run outlasted too."""
    ended_s = index.history.records[-1].at_s
    due_s = index.bounds.detection_s + SLACK_S
    return [r for r in index.of("silent") if r.value - r.at_s > due_s and r.at_s + due_s < ended_s]


def _no_silence(index: Index) -> str:
    return "" if _long_silences(index) else "No open connection was silent for longer than the bound."


def bounded_recovery(index: Index) -> str:
    if not index.troubles or index.history.records[-1].at_s <= index.healed_s + index.bounds.recovery_s:
        return ""
    for record in (*index.acknowledged.values(), *index.deliveries):
        sent = index.sent.get(record.message)
        whole_s = max(index.healed_s, sent.at_s if sent else 0.0)
        if record.at_s > whole_s + index.bounds.recovery_s:
            return (
                f"{record.message} was {record.what} ({record.who}) {record.at_s - whole_s:.3f} s after "
                f"all was whole again; the bound is {index.bounds.recovery_s:g} s."
            )
    return ""


def _nothing_to_recover(index: Index) -> str:
    return "" if index.troubles else "No fault happened."


def no_herd(index: Index) -> str:
    return _in_lockstep(index) or _all_the_time(index)


def _in_lockstep(index: Index) -> str:
    """Two clients whose waits are equal come back together every time; once may be chance."""
    together: set[frozenset[str]] = set()
    for one, two in pairwise(index.returns):
        if one.who != two.who and two.at_s - one.at_s <= index.bounds.lockstep_s:
            pair = frozenset({one.who, two.who})
            if pair in together:
                return f"{one.who} and {two.who} came back at the same moment again, at {one.at_s:.3f} s: equal waits."
            together.add(pair)
    return ""


def _all_the_time(index: Index) -> str:
    most = index.bounds.attempts_per_s
    for who in index.clients:
        times = [record.at_s for record in index.of("attempt") if record.who == who]
        for first, last in zip(times, times[most:], strict=False):  # none for who tried less often
            if last - first < 1.0:
                return f"{who} tried to connect {most + 1} times within a second, from {first:.3f} s on."
    return ""


def _nobody_returned(index: Index) -> str:
    return "" if index.returns else "Nobody had to come back."


BOUNDED = (
    Predicate("bounded_memory", "Buffers and tables stay under their stated bounds.", bounded_memory, _no_size),
    Predicate(
        "bounded_detection", "A dead connection is let go of within the stated time.", bounded_detection, _no_silence
    ),
    Predicate(
        "bounded_recovery",
        "When all faults are over, everything arrives within the stated time.",
        bounded_recovery,
        _nothing_to_recover,
    ),
    Predicate("no_herd", "Clients come back spread out, and not all the time.", no_herd, _nobody_returned),
)
