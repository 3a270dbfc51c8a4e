"""Lab 5, the doubles for its checks (a wire, two connections), its schedules and its demonstrations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from websockets.exceptions import ConnectionClosedError
from websockets.protocol import State

from midspan.errors import checked
from midspan.grading import Lab, Transcript
from midspan.grading.finished_labs import show
from midspan.labs import lab3_failure
from midspan.labs.lab3_failure.searching import Search
from midspan.labs.lab3_failure.session import of_step, seen, seen_again, session_parts
from midspan.labs.lab5_overhead.cost import Costs, costs
from midspan.simulation import PREDICATES, Counterexample, Fault, Implementation, Refuse, Say, Schedule, Shape

STORES = (0.0, 0.0, 0.005, 0.03)  # seconds that an append takes; 0 writes at once
lab = Lab(
    "lab5_overhead",
    title="The guarantees, cheaper",
    misconceptions={
        "vacuous": "A run in which nothing was at risk proves nothing: the verdict is vacuous, not passed."
    },
    serves="serve_session",
    plays="ours",
    stores=STORES,
)


Packets = list[tuple[str, Any]]


class PacketWire:
    """A wire whose messages are the packets themselves."""

    def write(self, packets: Packets) -> Packets:
        return [tuple(packet) for packet in packets]

    def read(self, data: Packets) -> Packets:
        return data


class ListeningConnection:
    """A connection that records what is sent, and when; `cut()` ends it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.said: list[Packets] = []
        self.at_s: list[float] = []
        self.is_cut = False

    async def send(self, packets: Packets) -> None:
        await asyncio.sleep(0)
        if self.is_cut:
            raise ConnectionClosedError(None, None)
        self.said.append(packets)
        self.at_s.append(self.now())

    def cut(self) -> None:
        self.is_cut = True


class SlowReader:
    """A connection whose other end reads nothing until `read()`; data waits in the buffer until then.

    It has the attributes that `websockets.broadcast` and `send` need, such as `transport` and `protocol`.
    """

    send_in_progress = None
    logger = logging.getLogger("midspan.labs.lab5_overhead")
    state = State.OPEN

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.waits: list[bytes] = []
        self.read_: list[bytes] = []
        self.most_bytes = 0
        self._room = asyncio.Event()
        self.transport = self.protocol = self

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.waits))

    def send_binary(self, data: bytes) -> None:
        self.waits.append(bytes(data))
        self.most_bytes = max(self.most_bytes, self.get_write_buffer_size())

    send_text = send_binary

    def send_data(self) -> None:
        pass

    async def send(self, data: bytes) -> None:
        self.send_binary(data)
        while self.get_write_buffer_size() > self.limit_bytes:
            self._room.clear()
            await self._room.wait()

    def read(self) -> list[bytes]:
        """Let the other end read all that waits; return all that it has read so far."""
        self.read_ += self.waits
        self.waits.clear()
        self._room.set()
        return self.read_


# The schedules of each step: those of lab 3, in which clients send events, and texts that are not events.


BODIES = ('["typing_start",{{"room":"{0}"}}]', "{0}", '["message","{0}",{{"at":[1,{1}]}}]')


@dataclass(frozen=True)
class EventSearch(Search):
    """A `Search` whose bodies are events and texts."""

    def schedules(self) -> Iterator[Schedule]:
        return map(with_events, super().schedules())


FEWER = 3  # as many messages or acknowledgements share a frame, about


def with_events(schedule: Schedule) -> Schedule:
    """Return the same schedule with events as bodies. Bodies stay unique.

    A trigger counts WebSocket messages, and this session sends fewer of them. So its number is divided by `FEWER`, and
    the times of messages are multiplied by it; else most faults would wait for a message that is never sent.
    """
    says = (_with_event(number, say) for number, say in enumerate(schedule.says))
    return replace(schedule, says=tuple(says), faults=tuple(map(_sooner, schedule.faults)))


def _with_event(number: int, say: Say) -> Say:
    body = BODIES[number % len(BODIES)].format(say.body, number)
    return replace(say, at_s=round(FEWER * say.at_s, 3), body=body)


def _sooner(fault: Fault) -> Fault:
    if isinstance(fault, Refuse):
        return fault
    return replace(fault, at=replace(fault.at, n=1 + (fault.at.n - 1) // FEWER))


def search_holds(t: Transcript, implementation: Implementation, step: str) -> None:
    """Check that the searches of a step find nothing; else show the smallest counterexample."""
    lab3_failure.searching.search_holds(t, implementation, step, SEARCHES[step])


BUSY = ("Cut", "Cut", "Cut", "ServerRestart", "ClientRestart", "HalfOpen", "Delay")
LONG = Shape(messages=12, faults=2, bursts=0.1, kinds=BUSY)
SEARCHES: dict[str, tuple[Search, ...]] = {
    "wire": (EventSearch("cut links, restarts", LONG, {"no_loss": "", "no_duplicate": "", "order": ""}, seeds=60),),
    "shapes": (
        EventSearch(
            "links that are cut again and again, servers that restart",
            Shape(messages=12, faults=3, kinds=("Cut", "Cut", "ServerRestart")),
            {"liveness": "shapes-kept", "no_loss": "shapes-kept", "no_phantom": ""},
            seeds=60,
        ),
    ),
    "deflate": (EventSearch("cut links, restarts", LONG, {"no_loss": "", "no_phantom": ""}, seeds=40),),
    "sender": (
        EventSearch(
            "cut links, clients and servers that restart, messages in bursts",
            LONG,
            {
                "order": "batch-reorders",
                "no_loss": "numbers-not-resynchronised",
                "liveness": "numbers-not-resynchronised",
                "no_duplicate": "",
            },
            seeds=80,
        ),
    ),
    "runs": (
        EventSearch(
            "cut links, servers that restart with their log and without it",
            Shape(messages=12, faults=3, kinds=("Cut", "Cut", "ServerRestart", "ClientRestart", "Silence")),
            {
                "convergence": "run-overtakes",
                "no_loss": "acknowledged-by-welcome",
                "no_duplicate": "acknowledged-by-welcome",
                "liveness": "",
            },
        ),
    ),
    "acks": (
        EventSearch(
            "cut links, restarts, slow stores",
            LONG,
            {"ack_after_durable": "ack-before-durable", "liveness": "acks-never-flushed", "bounded_recovery": ""},
        ),
    ),
    "path": (
        EventSearch(
            "links that fall silent or are late, and restarts",
            Shape(messages=12, faults=2, bursts=0.2, kinds=("Silence", "Delay", "Cut", "ServerRestart")),
            {"no_loss": "gives-up-when-full", "convergence": "store-skipped", "liveness": "", "no_crash": ""},
        ),
    ),
    "direct": (
        EventSearch(
            "cut links, restarts, stores that write at once and others",
            Shape(messages=12, faults=3, bursts=0.1, kinds=BUSY, stores=STORES),
            {
                "no_loss": "direct-numbers",
                "no_duplicate": "direct-twice",
                "ack_after_durable": "direct-not-durable",
                "liveness": "direct-reads-first",
                "no_phantom": "",
            },
            seeds=120,
        ),
    ),
    "cheaper": (
        EventSearch(
            "all faults, all predicates",
            Shape(messages=10, bursts=0.1, stores=STORES),
            dict.fromkeys(PREDICATES, ""),
            seeds=120,
        ),
    ),
}


# Demonstrations of this lab: count the cost of the current session, search for a violation, play one schedule again.


PARTS = ("head", "read_head", "Wire", "Shapes", "block", "read_block", "Sender", "runs", "Feed", "flush")


@checked
def cost(implementation: Implementation) -> Costs | None:
    """Return the cost of an event in this session; if a part is to do, print a sentence and return None.

    Args:
        implementation: the session, as `ours`.
    """
    found: Costs | None = show(lambda: costs(implementation), *session_parts(implementation, PARTS), limit_s=30)
    return found


@checked
def look(implementation: Implementation, step: str) -> Counterexample | None:
    """Return the smallest counterexample that the searches of a step find; if none, print a sentence and return None.

    Args:
        implementation: the session, as `ours`.
        step: name of the step whose schedules are played.

    Raises:
        Refusal: there is no such step.
    """
    return seen(implementation, of_step(SEARCHES, step), step, session_parts(implementation, PARTS))


@checked
def again(implementation: Implementation, step: str, seed: int | None = None) -> Counterexample | None:
    """Play the schedule of one seed again; a check prints this line. If all holds now, print a sentence, return None.

    Raises:
        Refusal: there is no such step, or no seed was given.
    """
    return seen_again(implementation, of_step(SEARCHES, step), step, seed, session_parts(implementation, PARTS))
