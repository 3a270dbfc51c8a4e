"""A history, sorted once for all predicates: who sent what when, what arrived where, what went wrong."""

from __future__ import annotations

import math
from functools import cached_property

from midspan.sim.history import History, Record


class Index:
    """What the predicates look up in one history. All times in seconds from its start."""

    def __init__(self, history: History) -> None:
        self.history, self.bounds = history, history.bounds
        self.sent: dict[str, Record] = {}  # accepted by a session, by message
        self.declined: set[str] = set()
        self.acknowledged: dict[str, Record] = {}
        self.durable: dict[str, float] = {}  # when first
        self.log: list[str] = []  # what is durable at the end, in its order
        self.views: dict[str, list[Record]] = {}  # deliveries to each client since its last reset
        self.deliveries: list[Record] = []
        self.clients: dict[str, None] = {}  # in order of first appearance
        self.wiped_s = -math.inf  # when the server last lost its log
        self.revoked: dict[str, float] = {}
        self.faults: list[Record] = []
        self.troubles: list[Record] = []  # faults, their ends, and refusals: what recovery is counted from
        self.others: dict[str, list[Record]] = {}
        for record in history.records:
            self._add(record)

    def _add(self, record: Record) -> None:
        what = record.what
        if what == "delivered":
            self.deliveries.append(record)
            self.views.setdefault(record.who, []).append(record)
        elif what == "acknowledged":
            self.acknowledged.setdefault(record.message, record)
        elif what == "durable":
            self.durable.setdefault(record.message, record.at_s)
            self.log.append(record.message)
        elif what == "sent":
            self.sent[record.message] = record
            self.clients.setdefault(record.who)
        elif what == "declined":
            self.sent.pop(record.message, None)
            self.declined.add(record.message)
        elif what == "reset":
            self.views[record.who] = []
        elif what == "wiped":
            self.wiped_s = record.at_s
            self.log.clear()
        else:
            self._add_event(record)

    def _add_event(self, record: Record) -> None:
        if record.what == "fault":
            self.faults.append(record)
        if record.what in ("fault", "healed", "refused", "restarted"):
            self.troubles.append(record)
        if record.what == "revoked":
            self.revoked[record.who] = record.at_s
        if record.what == "attempt":
            self.clients.setdefault(record.who)
        self.others.setdefault(record.what, []).append(record)

    def of(self, what: str) -> list[Record]:
        """The records of a kind that has no table of its own."""
        return self.others.get(what, [])

    @cached_property
    def present(self) -> list[str]:
        """The clients that have a right to be here at the end."""
        return [who for who in self.clients if who not in self.revoked]

    @cached_property
    def healed_s(self) -> float:
        """When the last trouble was over; -inf without any."""
        return max((trouble.at_s for trouble in self.troubles), default=-math.inf)

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

    @cached_property
    def in_flight(self) -> bool:
        """Was there a fault while a message was sent, and not yet known to be safe or not yet everywhere?"""
        done = {message: record.at_s for message, record in self.acknowledged.items()}
        for record in self.deliveries:
            done[record.message] = max(done.get(record.message, 0.0), record.at_s)
        return any(
            record.at_s <= fault.at_s <= done.get(message, math.inf)
            for fault in self.faults
            for message, record in self.sent.items()
        )
