"""A history, sorted once for all predicates: who sent what when, what arrived where, what went wrong."""

from __future__ import annotations

import math
from collections import defaultdict

from midspan.sim.history import History, Record, What


class Index:
    """What the predicates look up in one history. All times in seconds from its start.

    Args:
        sent: accepted by a session, by message; what it declined is not.
        acknowledged, durable: by message, the first time.
        log: what is durable at the end, in its order.
        wiped_s: when the server last lost its log; -inf if never.
        views: deliveries to each client since its last reset.
        clients: in order of first appearance.
        present: those of them that have a right to be here at the end.
        troubles: faults, their ends, and refusals: what recovery is counted from.
        healed_s: when the last trouble was over; -inf without any.
        returns: attempts to connect, but for the first of each client.
        in_flight: was there a fault while a message was sent, and not yet known to be safe or not yet everywhere?
    """

    def __init__(self, history: History) -> None:
        self.history, self.bounds = history, history.bounds
        self._kinds: defaultdict[str, list[Record]] = defaultdict(list)
        for record in history.records:
            self._kinds[record.what].append(record)
        self.declined = {record.message for record in self.of("declined")}
        self.sent = {r.message: r for r in self.of("sent") if r.message not in self.declined}
        self.acknowledged = _first(self.of("acknowledged"))
        self.durable = {message: record.at_s for message, record in _first(self.of("durable")).items()}
        self.wiped_s = max((record.at_s for record in self.of("wiped")), default=-math.inf)
        self.log = [record.message for record in _since_the_last("wiped", self.of("durable", "wiped"))]
        self.deliveries = self.of("delivered")
        self.views = self._views()
        self.revoked = {record.who: record.at_s for record in self.of("revoked")}
        self.clients = dict.fromkeys(record.who for record in self.of("attempt", "sent"))
        self.present = [who for who in self.clients if who not in self.revoked]
        self.faults = self.of("fault")
        self.troubles = self.of("fault", "healed", "refused", "restarted")
        self.healed_s = max((trouble.at_s for trouble in self.troubles), default=-math.inf)
        self.returns = self._returns()
        self.in_flight = self._in_flight()

    def of(self, kind: What, *others: What) -> list[Record]:
        """The records of this kind, or of these kinds, in their order."""
        if self._kinds.keys().isdisjoint(others):
            return self._kinds.get(kind, [])
        kinds = (kind, *others)
        return [record for record in self.history.records if record.what in kinds]

    def _views(self) -> dict[str, list[Record]]:
        views: dict[str, list[Record]] = {}
        for record in self.of("delivered", "reset"):
            if record.what == "reset":
                views[record.who] = []
            else:
                views.setdefault(record.who, []).append(record)
        return views

    def _returns(self) -> list[Record]:
        """Attempts to connect, but for the first of each client."""
        seen: set[str] = set()
        made = []
        for record in self.of("attempt"):
            if record.who in seen:
                made.append(record)
            seen.add(record.who)
        return made

    def _in_flight(self) -> bool:
        """Was there a fault while a message was sent, and not yet known to be safe or not yet everywhere?"""
        if not self.faults:
            return False
        done = {message: record.at_s for message, record in self.acknowledged.items()}
        for record in self.deliveries:
            if record.at_s > done.get(record.message, -math.inf):
                done[record.message] = record.at_s
        faults = [fault.at_s for fault in self.faults]
        times = [(record.at_s, done.get(message, math.inf)) for message, record in self.sent.items()]
        return any(sent_s <= at_s <= done_s for at_s in faults for sent_s, done_s in times)

    def excused(self, message: str) -> bool:
        """The server's store lost it, with all it held, after its sender had been told that it was safe."""
        return message in self.acknowledged and self.durable.get(message, math.inf) <= self.wiped_s

    def lost_to(self, who: str) -> str:
        """The first message that `who` should have and has not, or ""."""
        have = {record.message for record in self.views.get(who, ())}
        for message, record in self.sent.items():
            if message not in have and record.who not in self.revoked and not self.excused(message):
                return message
        return ""


def _first(records: list[Record]) -> dict[str, Record]:
    """By message, the first of its records."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.message, record)
    return first


def _since_the_last(kind: What, records: list[Record]) -> list[Record]:
    """Those behind the last record of this kind; all if there is none."""
    places = [i for i, record in enumerate(records) if record.what == kind]
    return records[places[-1] + 1 :] if places else records
