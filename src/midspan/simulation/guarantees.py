"""The guarantees as predicates: each asks whether its guarantee holds in one history.

The verdict is holds, violated or vacuous. For each guarantee one function says what is wrong with a history, and
another one says why a history has not tested the guarantee. `PREDICATES` lists them with their promises.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from midspan.errors import checked, need
from midspan.simulation.history import History, HistoryRecord, Index

Outcome = Literal["holds", "violated", "vacuous"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one predicate for one history.

    Args:
        predicate: its name.
        outcome: holds, violated, or vacuous: the run did not test the guarantee, so the verdict proves nothing.
        reason: one sentence; for a violation it names the message and the times.
    """

    predicate: str
    outcome: Outcome
    reason: str

    def __str__(self) -> str:
        return f"{self.predicate}: {self.outcome}. {self.reason}"


@dataclass(frozen=True, slots=True)
class Predicate:
    """The function that asks whether a guarantee holds in one history.

    Args:
        name: of the guarantee.
        claims: what the guarantee promises, as a sentence.
        violation: gives a sentence that says how a history violates the guarantee; "" if it does not.
        vacuity: gives a sentence that says why a history has not tested the guarantee; "" if it has.
    """

    name: str
    claims: str
    violation: Callable[[Index], str]
    vacuity: Callable[[Index], str]
    holds: Verdict = field(init=False, repr=False, compare=False)  # made once: a search needs it thousands of times

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", Verdict(self.name, "holds", self.claims))

    def __str__(self) -> str:
        return f"{self.name}: {self.claims}"

    def judge(self, index: Index) -> Verdict:
        """Judge one history."""
        reason = self.violation(index)
        if reason:
            return Verdict(self.name, "violated", reason)
        reason = self.vacuity(index)
        return Verdict(self.name, "vacuous", reason) if reason else self.holds


# The guarantees with a number. The numbers are the bounds of the history: those that the session itself promises.


SLACK_S = 0.25  # tolerance: the latency of a few messages may add so much to a bound


def bounded_memory(index: Index) -> str:
    limits = {"outbox": index.bounds.outbox, "dedupe": index.bounds.dedupe, "replay": index.bounds.replay}
    for record in index.of("size"):
        limit = limits.get(record.detail, math.inf)
        if record.value > limit:
            return f"The {record.detail} of {record.who} held {record.value:.0f} entries; its bound is {limit}."
    return ""


def _no_size(index: Index) -> str:
    return "" if index.of("size") else "Neither end reported its sizes."


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


def _long_silences(index: Index) -> list[HistoryRecord]:
    """The silences longer than the bound, if the run went on for longer than the bound too."""
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
                f"all faults were over; the bound is {index.bounds.recovery_s:g} s."
            )
    return ""


def _nothing_to_recover(index: Index) -> str:
    if not index.troubles:
        return "No fault happened."
    late = any(r.at_s >= index.healed_s for r in (*index.acknowledged.values(), *index.deliveries))
    return "" if late else "Nothing was delivered or acknowledged after the faults were over."


def no_herd(index: Index) -> str:
    return _in_lockstep(index) or _all_the_time(index)


def _in_lockstep(index: Index) -> str:
    """Whether two clients reconnected at the same time twice, as with equal waits. Once may be chance."""
    together: set[frozenset[str]] = set()
    for one, two in pairwise(index.returns):
        if one.who != two.who and two.at_s - one.at_s <= index.bounds.lockstep_s:
            pair = frozenset({one.who, two.who})
            if pair in together:
                both = f"{one.who} and {two.who} reconnected at the same moment again"
                return f"{both}, at {one.at_s:.3f} s: their waits are equal."
            together.add(pair)
    return ""


def _all_the_time(index: Index) -> str:
    most = index.bounds.attempts_per_s
    for who in index.clients:
        times = [record.at_s for record in index.of("attempt") if record.who == who]
        for first, last in zip(times, times[most:], strict=False):  # no pair for a client with fewer attempts
            if last - first < 1.0:
                return f"{who} tried to connect {most + 1} times within a second, from {first:.3f} s on."
    return ""


def _no_return(index: Index) -> str:
    return "" if index.returns else "No client had to reconnect."


BOUNDED = (
    Predicate("bounded_memory", "Buffers and tables stay under their stated bounds.", bounded_memory, _no_size),
    Predicate(
        "bounded_detection", "A dead connection is ended within the stated time.", bounded_detection, _no_silence
    ),
    Predicate(
        "bounded_recovery",
        "Messages that arrive after the last fault arrive within the stated time.",
        bounded_recovery,
        _nothing_to_recover,
    ),
    Predicate("no_herd", "Clients reconnect at different times, and not too often.", no_herd, _no_return),
)


# The guarantees without a number.
#
# A message that the server's store lost after its acknowledgement is excused: no session can bring it back.


def _idle(index: Index) -> str:
    if not index.sent:
        return "No message was accepted, so none could be at risk."
    if not index.faults:
        return "No fault happened."
    return "" if index.in_flight else "No message was on its way when a fault happened."


def no_loss(index: Index) -> str:
    for who in index.present:
        message = index.lost_to(who)
        if message:
            sent, ack = index.sent[message], index.acknowledged.get(message)
            told = f"was told at {_at(ack)} that it is safe" if ack else "was never told that it is safe"
            return f"{message} was sent at {_at(sent)} and never reached {who}; its sender {sent.who} {told}."
    return ""


def no_duplicate(index: Index) -> str:
    for who, view in index.views.items():
        seen: dict[str, HistoryRecord] = {}
        for record in view:
            first = seen.setdefault(record.message, record)
            if first is not record:
                return f"{record.message} was delivered to {who} at {_at(first)} and again at {_at(record)}."
    return ""


def order(index: Index) -> str:
    place = {message: i for i, message in enumerate(index.sent)}
    for who, view in index.views.items():
        latest: dict[str, HistoryRecord] = {}
        for record in view:
            sent = index.sent.get(record.message)
            if sent is None:
                continue
            before = latest.get(sent.who)
            if before is not None and place[record.message] < place[before.message]:
                return (
                    f"{sent.who} sent {record.message} before {before.message}, "
                    f"but {who} got {before.message} at {_at(before)} and {record.message} at {_at(record)}."
                )
            latest[sent.who] = record
    return ""


def no_phantom(index: Index) -> str:
    for record in index.deliveries:
        if record.message not in index.sent:
            refused = " its session had refused it" if record.message in index.declined else " no client had sent it"
            return f"{record.message} was delivered to {record.who} at {_at(record)}, but{refused}."
        if record.at_s < index.sent[record.message].at_s:
            return f"{record.message} was delivered to {record.who} at {_at(record)}, before it was sent."
    return ""


def ack_after_durable(index: Index) -> str:
    for message, record in index.acknowledged.items():
        durable_s = index.durable.get(message)
        if durable_s is None:
            return f"{message} was acknowledged to {record.who} at {_at(record)} and never became durable."
        if durable_s > record.at_s:
            return f"{message} was acknowledged to {record.who} at {_at(record)}, durable only at {durable_s:.3f} s."
    return ""


def convergence(index: Index) -> str:
    for who in index.present:
        view = [record.message for record in index.views.get(who, ())]
        if view == index.log:
            continue
        common = set(view) & set(index.log)
        here, there = [m for m in view if m in common], [m for m in dict.fromkeys(index.log) if m in common]
        if list(dict.fromkeys(here)) != there:
            return f"{who} ends with {' '.join(view)}, the log with {' '.join(index.log)}."
        if not index.log and view:
            return f"{who} still shows {' '.join(view)}, but the log is empty since {index.wiped_s:.3f} s."
        stale = [m for m in view if m not in common and m in index.sent]
        if stale and index.wiped_s > -1:
            return f"{who} still shows {stale[0]}, which the log lost at {index.wiped_s:.3f} s."
    return ""


def liveness(index: Index) -> str:
    for message, record in index.sent.items():
        if message not in index.acknowledged and record.who in index.present:
            return f"{message} was sent at {_at(record)} and never acknowledged to {record.who}."
    last: dict[str, HistoryRecord] = {}
    for record in sorted(index.of("opened") + index.of("closed"), key=lambda r: r.at_s):
        last[record.who] = record
    for who in index.present:
        if who in last and last[who].what == "closed":
            return f"{who} lost its connection at {_at(last[who])} and has not come back."
    return ""


def authorised(index: Index) -> str:
    for record in index.deliveries:
        if record.at_s > index.revoked.get(record.who, record.at_s):
            since = f"whose right ended at {index.revoked[record.who]:.3f} s"
            return f"{record.message} was delivered at {_at(record)} to {record.who}, {since}."
    return ""


def _never_revoked(index: Index) -> str:
    return "" if index.revoked else "No client lost its right."


def no_crash(index: Index) -> str:
    for record in index.of("crashed"):
        return f"The code of {record.who} raised at {_at(record)}: {record.detail}."
    return ""


def _nothing_ran(index: Index) -> str:
    return "" if index.sent else "No message was accepted."


def _nothing_acknowledged(index: Index) -> str:
    return _idle(index) or ("" if index.acknowledged else "Nothing was acknowledged.")


def _at(record: HistoryRecord) -> str:
    return f"{record.at_s:.3f} s"


PREDICATES: dict[str, Predicate] = {
    made.name: made
    for made in (
        Predicate("no_crash", "Neither end raises an error of its own.", no_crash, _nothing_ran),
        Predicate("no_loss", "What a session has accepted reaches every client.", no_loss, _idle),
        Predicate("no_duplicate", "No application is given a message twice.", no_duplicate, _idle),
        Predicate("order", "The messages of one sender arrive in the order in which it sent them.", order, _idle),
        Predicate("no_phantom", "Every message that arrives was sent before.", no_phantom, _idle),
        Predicate(
            "ack_after_durable",
            "A message is acknowledged only after it is durable.",
            ack_after_durable,
            _nothing_acknowledged,
        ),
        Predicate(
            "convergence", "At the end every client has the entries of the log, in the same order.", convergence, _idle
        ),
        Predicate(
            "liveness",
            "After the last fault, every message is acknowledged and every client connected.",
            liveness,
            _idle,
        ),
        Predicate(
            "authorised", "A client that has lost its right receives no more messages.", authorised, _never_revoked
        ),
        *BOUNDED,
    )
}


@checked
def judge(history: History, names: tuple[str, ...] | None = None) -> dict[str, Verdict]:
    """The verdict of each predicate (or of those named) on one history."""
    for name in names or ():
        need(name in PREDICATES, f"a predicate, one of {', '.join(PREDICATES)}", name, "Correct its name")
    chosen = PREDICATES.values() if names is None else [PREDICATES[name] for name in names]
    if not history.rooms:
        index = Index(history)
        return {predicate.name: predicate.judge(index) for predicate in chosen}
    rooms = {room: Index(own) for room, own in history.by_room().items()}
    return {predicate.name: _worst(predicate, rooms) for predicate in chosen}


def violates(history: History, name: str) -> bool:
    """Whether a history violates one guarantee."""
    return judge(history, (name,))[name].outcome == "violated"


def _worst(predicate: Predicate, rooms: dict[str, Index]) -> Verdict:
    """One verdict for all rooms: violated if it is violated in one room, vacuous if it is vacuous in all of them."""
    verdicts = {room: predicate.judge(index) for room, index in rooms.items()}
    for outcome in ("violated", "holds"):
        for room, verdict in verdicts.items():
            if verdict.outcome == outcome:
                where = f"In the room {room}: " if outcome == "violated" else ""
                return replace(verdict, reason=where + verdict.reason)
    return next(iter(verdicts.values()))
