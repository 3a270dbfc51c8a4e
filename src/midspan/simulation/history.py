"""The history of a run: all that happened, as a list of records. The predicates see nothing else.

A `Recorder` writes it. The simulated link and the real link use the same recorder, so the same predicates judge an
implementation on either link.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from midspan.errors import Fitting, Refusal, checked, need

What = Literal[
    "sent",  # the application gave the message to its session, which accepted it
    "declined",  # the session refused it after all (a full outbox)
    "acknowledged",  # the session told its application that the message is safe
    "durable",  # the server's store has it, so that it survives a crash
    "delivered",  # the session gave the message to the application `who`
    "reset",  # the session told the application `who` to forget all deliveries: a snapshot follows
    "attempt",  # the client `who` tries to connect
    "refused",  # the attempt of the client `who` was refused
    "opened",  # a connection is open at the end `who` ("a" for the client, "server/a" for the server's end)
    "closed",  # the end `who` has closed it, or has noticed that it is lost; detail: the close code
    "fault",  # a fault happened; detail: its `str()`, value: how long it lasts (s)
    "silent",  # the open connection of `who` carries nothing from now on; value: until when (s)
    "healed",  # a fault is over
    "restarted",  # the process `who` starts again
    "wiped",  # the server's store is empty
    "revoked",  # the client `who` has lost its right to connect
    "size",  # a buffer or table of `who`; detail: its name, value: its size now
    "crashed",  # the code of `who` raised an error of its own; detail: the error
    "gave up",  # the client `who` ended by itself; detail: the reason
    "ended",  # the run is over
]


_tuple = tuple.__new__  # faster than HistoryRecord(...): a search makes a million of them


class HistoryRecord(NamedTuple):
    """One thing that happened. It is a tuple because a run makes thousands each second."""

    at_s: float
    who: str
    what: What
    message: str = ""
    detail: str = ""
    value: float = 0.0

    def __str__(self) -> str:
        value = f" {self.value:g}" if self.value else ""
        words = " ".join(filter(None, (self.message, self.detail)))
        return f"{self.at_s:9.3f} s  {self.who:9} {self.what:12} {words}{value}".rstrip()


@dataclass(frozen=True, slots=True)
class Bounds(Fitting):
    """The numbers that a session promises. The predicates check them.

    Args:
        detection_s: a connection that carries nothing is closed within this time.
        recovery_s: when all faults are over, everything is delivered and acknowledged within this time.
        outbox, dedupe, replay: the most entries that each of these buffers may hold.
        attempts_per_s: the most connection attempts of one client within any second.
        lockstep_s: two clients that reconnect within this time of each other count as simultaneous. In virtual time
            equal waits end at exactly the same time; on a real link allow some milliseconds.
    """

    detection_s: float = 4.0
    recovery_s: float = 10.0
    outbox: int = 8
    dedupe: int = 4
    replay: int = 4
    attempts_per_s: int = 10
    lockstep_s: float = 1e-6

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        counts = (self.outbox, self.dedupe, self.replay, self.attempts_per_s)
        need(min(counts) >= 0, "bounds of 0 or more", counts, "A bound says how many there may be")


@dataclass(frozen=True)
class History:
    """The records of one run, in order of time, and the bounds that were promised.

    Args:
        rooms: each room and its clients, where a run has rooms; a message belongs to the room of its sender.
    """

    records: tuple[HistoryRecord, ...]
    bounds: Bounds = field(default_factory=Bounds)
    rooms: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __iter__(self) -> Iterator[HistoryRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __str__(self) -> str:
        return "\n".join(map(str, self.records))

    def of(self, *what: What) -> tuple[HistoryRecord, ...]:
        """The records of these kinds."""
        return tuple(record for record in self.records if record.what in what)

    def by_room(self) -> dict[str, History]:
        """The history of each room: its own clients, its own log, and all that happened to nodes and broker."""
        return {room: self._of_room(room, members) for room, members in self.rooms}

    def _of_room(self, room: str, members: tuple[str, ...]) -> History:
        others = {who for name, clients in self.rooms if name != room for who in clients}
        records = (r for r in self.records if (r.detail == room if r.what == "durable" else not _by(r, others)))
        return History(tuple(records), self.bounds, ((room, members),))

    def to_json(self) -> str:
        """The bounds, the rooms if there are any, and one record a line, readable and comparable."""
        lines = ",\n".join(json.dumps(list(record)) for record in self.records)
        rooms = f'"rooms": {json.dumps(dict(self.rooms))},\n' if self.rooms else ""
        return f'{{"bounds": {json.dumps(asdict(self.bounds))},\n{rooms}"records": [\n{lines}\n]}}\n'

    @classmethod
    def from_json(cls, text: str) -> History:
        """The history that `to_json` wrote. Raises `Refusal` for anything else."""
        try:
            made = json.loads(text)
            records, bounds = tuple(HistoryRecord(*record) for record in made["records"]), Bounds(**made["bounds"])
            return cls(records, bounds, tuple((room, tuple(who)) for room, who in made.get("rooms", {}).items()))
        except (TypeError, KeyError, ValueError) as error:
            raise Refusal("the JSON of a history", text, f"Pass what History.to_json() wrote ({error})") from error


def _by(record: HistoryRecord, clients: set[str]) -> bool:
    """Whether the record belongs to one of these clients. A fault belongs to all, whichever link triggered it."""
    return record.what not in ("fault", "healed", "restarted") and record.who.removeprefix("server/") in clients


class Recorder:
    """Writes the history of one run.

    Args:
        now: the clock of the run, in seconds from its start.
    """

    @checked
    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.records: list[HistoryRecord] = []
        self.views: dict[str, list[str]] = {}  # messages delivered to each application since its last reset
        self.log: list[str] = []  # durable messages since the last wipe, in order
        self.logs: dict[str, list[str]] = {}  # by client: the log of its room, where there are rooms
        self.accepted: set[str] = set()
        self.unacknowledged: dict[str, str] = {}  # message to sender
        self.on_durable: Callable[[], None] = lambda: None
        self.on_progress: Callable[[], None] = lambda: None  # called after each delivery and acknowledgement

    def note(self, who: str, what: What, message: str = "", detail: str = "", value: float = 0.0) -> None:
        """Write one record."""
        self.records.append(_tuple(HistoryRecord, (self.now(), who, what, message, detail, value)))

    def sent(self, who: str, body: str) -> None:
        self.note(who, "sent", body)
        self.accepted.add(body)
        self.unacknowledged[body] = who

    def declined(self, who: str, body: str, why: str) -> None:
        """The session refused the message that `sent` has just noted, so it does not count as sent."""
        self.note(who, "declined", body, why)
        self.accepted.discard(body)
        self.unacknowledged.pop(body, None)

    def log_of(self, who: str) -> list[str]:
        """The log whose messages this client must have at the end."""
        return self.logs.get(who, self.log)

    def durable(self, body: str) -> None:
        self.note("server", "durable", body)
        self.log.append(body)
        self.on_durable()

    def wiped(self) -> None:
        self.note("server", "wiped")
        self.log.clear()

    def app(self, who: str) -> App:
        """The application of one client process."""
        return App(self, who)

    def history(self, bounds: Bounds) -> History:
        """What was recorded so far."""
        return History(tuple(self.records), bounds)


class App:
    """The application above a client's session. The session calls the three methods. They take no time."""

    def __init__(self, recorder: Recorder, who: str) -> None:
        self.recorder, self.who = recorder, who
        self.gone = False  # its process was killed: later calls do not count

    def delivered(self, body: str) -> None:
        """Take a message of the shared log. The client's own messages are delivered too."""
        if not self.gone:
            self.recorder.note(self.who, "delivered", body)
            self.recorder.views.setdefault(self.who, []).append(body)
            self.recorder.on_progress()

    def acknowledged(self, body: str) -> None:
        """Note that a message of this client is safe. The client needs no copy of it any more."""
        if not self.gone:
            self.recorder.note(self.who, "acknowledged", body)
            self.recorder.unacknowledged.pop(body, None)
            self.recorder.on_progress()

    def reset(self) -> None:
        """Forget all deliveries. A snapshot follows."""
        if not self.gone:
            self.recorder.note(self.who, "reset")
            self.recorder.views[self.who] = []


class Index:
    """One history, sorted once for all predicates. All times are in seconds from the start of the run.

    Args:
        sent: by message, the record of each message that a session accepted and did not decline.
        acknowledged: by message, the first record.
        durable: by message, the time of the first record.
        log: the messages that are durable at the end, in order.
        wiped_s: when the server last lost its log; -inf if never.
        views: by client, the deliveries since its last reset.
        clients: in order of first appearance.
        present: the clients that still have the right to connect at the end.
        troubles: faults, the ends of faults, refusals and restarts. The recovery time begins after the last of them.
        healed_s: when the last trouble was over; -inf without any.
        returns: the attempts to connect, without the first attempt of each client.
        in_flight: whether a fault happened while a message was sent and not yet acknowledged or not yet delivered.
    """

    def __init__(self, history: History) -> None:
        self.history, self.bounds = history, history.bounds
        self._kinds: defaultdict[str, list[HistoryRecord]] = defaultdict(list)
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

    def of(self, kind: What, *others: What) -> list[HistoryRecord]:
        """The records of this kind, or of these kinds, in their order."""
        if self._kinds.keys().isdisjoint(others):
            return self._kinds.get(kind, [])
        kinds = (kind, *others)
        return [record for record in self.history.records if record.what in kinds]

    def _views(self) -> dict[str, list[HistoryRecord]]:
        views: dict[str, list[HistoryRecord]] = {}
        for record in self.of("delivered", "reset"):
            if record.what == "reset":
                views[record.who] = []
            else:
                views.setdefault(record.who, []).append(record)
        return views

    def _returns(self) -> list[HistoryRecord]:
        """The attempts to connect, without the first attempt of each client."""
        seen: set[str] = set()
        made = []
        for record in self.of("attempt"):
            if record.who in seen:
                made.append(record)
            seen.add(record.who)
        return made

    def _in_flight(self) -> bool:
        """Whether a fault happened while a message was sent and not yet acknowledged or not yet delivered."""
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
        """Whether the server's store lost this message after it was acknowledged. No session can bring it back."""
        return message in self.acknowledged and self.durable.get(message, math.inf) <= self.wiped_s

    def lost_to(self, who: str) -> str:
        """The first message that was not delivered to `who`, or ""."""
        have = {record.message for record in self.views.get(who, ())}
        for message, record in self.sent.items():
            if message not in have and record.who not in self.revoked and not self.excused(message):
                return message
        return ""


def _first(records: list[HistoryRecord]) -> dict[str, HistoryRecord]:
    """By message, its first record."""
    first: dict[str, HistoryRecord] = {}
    for record in records:
        first.setdefault(record.message, record)
    return first


def _since_the_last(kind: What, records: list[HistoryRecord]) -> list[HistoryRecord]:
    """The records after the last one of this kind; all records if there is none."""
    places = [i for i, record in enumerate(records) if record.what == kind]
    return records[places[-1] + 1 :] if places else records
