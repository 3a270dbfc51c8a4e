"""The guarantees, each a question to a history. One function says what is wrong, another why nothing was tested.

| name | promise |
|---|---|
| no_loss | what a session has accepted reaches every client |
| no_duplicate | no application is given a message twice |
| order | the messages of one sender arrive in the order in which it sent them |
| no_phantom | nothing arrives that nobody sent |
| ack_after_durable | nothing is acknowledged before a crash can no longer take it |
| convergence | in the end all clients have what the log has, in its order |
| liveness | when the link heals, everything is acknowledged and everybody is connected |
| authorised | who has lost the right to be here is given nothing more |

The bounded ones (memory, detection, recovery, herd) are in `bounded.py`.

A message that the server's store lost after it had been acknowledged is excused: no session can bring it back.
"""

from __future__ import annotations

from dataclasses import replace

from midspan.arguments import checked
from midspan.refusal import need
from midspan.sim.bounded import BOUNDED
from midspan.sim.history import History, Record
from midspan.sim.index import Index
from midspan.sim.verdict import Predicate, Verdict


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
        seen: dict[str, Record] = {}
        for record in view:
            first = seen.setdefault(record.message, record)
            if first is not record:
                return f"{record.message} was delivered to {who} at {_at(first)} and again at {_at(record)}."
    return ""


def order(index: Index) -> str:
    place = {message: i for i, message in enumerate(index.sent)}
    for who, view in index.views.items():
        latest: dict[str, Record] = {}
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
            refused = " its session had refused it" if record.message in index.declined else " nobody had sent it"
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
    last: dict[str, Record] = {}
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
    return "" if index.revoked else "Nobody lost a right."


def no_crash(index: Index) -> str:
    for record in index.of("crashed"):
        return f"The code of {record.who} raised at {_at(record)}: {record.detail}."
    return ""


def _nothing_ran(index: Index) -> str:
    return "" if index.sent else "No message was accepted."


def _nothing_acknowledged(index: Index) -> str:
    return _idle(index) or ("" if index.acknowledged else "Nothing was acknowledged.")


def _at(record: Record) -> str:
    return f"{record.at_s:.3f} s"


PREDICATES: dict[str, Predicate] = {
    made.name: made
    for made in (
        Predicate("no_crash", "Neither end raises an error of its own.", no_crash, _nothing_ran),
        Predicate("no_loss", "What a session has accepted reaches every client.", no_loss, _idle),
        Predicate("no_duplicate", "No application is given a message twice.", no_duplicate, _idle),
        Predicate("order", "The messages of one sender arrive in the order in which it sent them.", order, _idle),
        Predicate("no_phantom", "Nothing arrives that nobody sent.", no_phantom, _idle),
        Predicate(
            "ack_after_durable",
            "Nothing is acknowledged before a crash can no longer take it.",
            ack_after_durable,
            _nothing_acknowledged,
        ),
        Predicate("convergence", "In the end all clients have what the log has, in its order.", convergence, _idle),
        Predicate("liveness", "When the link heals, all is acknowledged and everybody connected.", liveness, _idle),
        Predicate("authorised", "Who has lost the right to be here gets nothing more.", authorised, _never_revoked),
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


def _worst(predicate: Predicate, rooms: dict[str, Index]) -> Verdict:
    """Of all rooms: violated if one is, vacuous if all are."""
    verdicts = {room: predicate.judge(index) for room, index in rooms.items()}
    for outcome in ("violated", "holds"):
        for room, verdict in verdicts.items():
            if verdict.outcome == outcome:
                where = f"In the room {room}: " if outcome == "violated" else ""
                return replace(verdict, reason=where + verdict.reason)
    return next(iter(verdicts.values()))
