"""What happened, as a list of records: the only thing that the guarantees' predicates see."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from midspan.errors import Fitting, Refusal, checked, need

# What happened, as a list of records: the only thing that the predicates see.
#
# A `Recorder` writes it down. The simulated link and the real one feed the same recorder, so the same predicates
# judge any implementation on either.


What = Literal[
    "sent",  # the application gave the message to its session, which took it
    "declined",  # ... which refused it (a full outbox)
    "acknowledged",  # the session told its application that the message is safe
    "durable",  # the server's store has it, and a crash cannot take it away
    "delivered",  # the session gave the message to the application `who`
    "reset",  # the session told the application `who` to forget what it had: a snapshot follows
    "attempt",  # the client `who` tries to connect
    "refused",  # ... and is refused
    "opened",  # a connection is open, seen from `who` ("a" for the client, "server/a" for the other end)
    "closed",  # `who` has let go of it; detail: its code
    "fault",  # a fault happened; detail: its line, value: how long it lasts in s
    "silent",  # the open connection of `who` carries nothing from now on; value: until when (s)
    "healed",  # a fault is over
    "restarted",  # the process `who` starts again
    "wiped",  # the server's store is empty
    "revoked",  # the client `who` has no right to be here any more
    "size",  # a buffer or table of `who`; detail: its name, value: its size now
    "crashed",  # the code of `who` raised an error of its own; detail: which
    "gave up",  # the client `who` ended by itself; detail: why
    "ended",  # the run is over
]


_tuple = tuple.__new__  # a HistoryRecord(...) without the detour through Python: a search makes a million of them


class HistoryRecord(NamedTuple):
    """One thing that happened. (A tuple: thousands are made each second.)"""

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
    """What a session promises, and is held to.

    Args:
        detection_s: a connection that carries nothing is let go of within this time.
        recovery_s: once all faults are over, everything is delivered and acknowledged within this time.
        outbox, dedupe, replay: the most entries each of these may hold.
        attempts_per_s: the most connection attempts of one client within any second.
        lockstep_s: two clients that come back within this time do so together. In virtual time equal waits are
            equal; on a real link allow for some milliseconds.
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
        """What each room saw: its own clients and its own log, and whatever happened to nodes and broker."""
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
    """Is it something that one of these clients did or met? A fault is everybody's, whoever's moment it came at."""
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
        self.views: dict[str, list[str]] = {}  # what each application has been given since its last reset
        self.log: list[str] = []  # what is durable, in its order, since the last wipe
        self.logs: dict[str, list[str]] = {}  # the same of the room that a client is in, where there are rooms
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
        """The session did not take the message that `sent` has just noted: it was not sent after all."""
        self.note(who, "declined", body, why)
        self.accepted.discard(body)
        self.unacknowledged.pop(body, None)

    def log_of(self, who: str) -> list[str]:
        """The log that this client is to have in the end."""
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
    """The application that sits on a client's session. The session calls these three; they take no time."""

    def __init__(self, recorder: Recorder, who: str) -> None:
        self.recorder, self.who = recorder, who
        self.gone = False  # its process was killed: nothing it is told counts

    def delivered(self, body: str) -> None:
        """A message of the shared log, this client's own included."""
        if not self.gone:
            self.recorder.note(self.who, "delivered", body)
            self.recorder.views.setdefault(self.who, []).append(body)
            self.recorder.on_progress()

    def acknowledged(self, body: str) -> None:
        """The message that this client sent is safe: it may be shown as sent, and forgotten by the sender."""
        if not self.gone:
            self.recorder.note(self.who, "acknowledged", body)
            self.recorder.unacknowledged.pop(body, None)
            self.recorder.on_progress()

    def reset(self) -> None:
        """Forget what was delivered: what comes next is a snapshot."""
        if not self.gone:
            self.recorder.note(self.who, "reset")
            self.recorder.views[self.who] = []


# A history, sorted once for all predicates: who sent what when, what arrived where, what went wrong.


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


def _first(records: list[HistoryRecord]) -> dict[str, HistoryRecord]:
    """By message, the first of its records."""
    first: dict[str, HistoryRecord] = {}
    for record in records:
        first.setdefault(record.message, record)
    return first


def _since_the_last(kind: What, records: list[HistoryRecord]) -> list[HistoryRecord]:
    """Those behind the last record of this kind; all if there is none."""
    places = [i for i, record in enumerate(records) if record.what == kind]
    return records[places[-1] + 1 :] if places else records
