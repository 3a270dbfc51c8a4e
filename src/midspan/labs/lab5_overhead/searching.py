"""Stand-ins for what a part of the session meets: a wire that writes nothing, a connection that is looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosedError
from websockets.protocol import State

from collections.abc import Iterator
from dataclasses import dataclass, replace

from midspan.grading import Transcript
from midspan.labs import lab3_failure
from midspan.labs.lab3_failure.searching import Search
from midspan.simulation import PREDICATES, Implementation, Fault, Refuse, Say, Schedule, Shape

from midspan.errors import checked
from midspan.grading.finished_labs import show
from midspan.labs.lab3_failure.session import of_step, session_parts, seen, seen_again
from midspan.labs.lab5_overhead.cost import Costs, costs
from midspan.simulation import Implementation, Counterexample
from midspan.grading import Lab

STORES = (0.0, 0.0, 0.005, 0.03)  # s that an append takes: some write at once
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


class Plain:
    """A wire whose messages are the packets."""

    def write(self, packets: Packets) -> Packets:
        return [tuple(packet) for packet in packets]

    def read(self, data: Packets) -> Packets:
        return data


class ListeningConnection:
    """A connection on which we hear what is sent, and when; `cut()` ends it."""

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
    """A connection whose other end reads nothing until `read()`: what is written waits in its buffer.

    It has what `websockets.broadcast` and `send` need, `transport` and `protocol` among it.
    """

    send_in_progress = None
    logger = logging.getLogger("midspan.grading.lab5")
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
        """The other end reads all that waits; all that it has read so far."""
        self.read_ += self.waits
        self.waits.clear()
        self._room.set()
        return self.read_


# The schedules of each step. They are lab 3's, and what is said are events, as well as texts that are none.


SPOKEN = ('["typing_start",{{"room":"{0}"}}]', "{0}", '["message","{0}",{{"at":[1,{1}]}}]')


@dataclass(frozen=True)
class Spoken(Search):
    """As `Search`; the bodies are events and texts."""

    def schedules(self) -> Iterator[Schedule]:
        return map(spoken, super().schedules())


FEWER = 3  # frames, where several messages or acknowledgements share one


def spoken(schedule: Schedule) -> Schedule:
    """The same schedule, in which events are said. Bodies stay unique.

    Moments count messages of WebSocket, and this session needs fewer of them. So they are counted in `FEWER`, and what
    is said comes in as many times the time: else most faults would wait for a frame that never comes.
    """
    says = (_spoken(number, say) for number, say in enumerate(schedule.says))
    return replace(schedule, says=tuple(says), faults=tuple(map(_sooner, schedule.faults)))


def _spoken(number: int, say: Say) -> Say:
    body = SPOKEN[number % len(SPOKEN)].format(say.body, number)
    return replace(say, at_s=round(FEWER * say.at_s, 3), body=body)


def _sooner(fault: Fault) -> Fault:
    if isinstance(fault, Refuse):
        return fault
    return replace(fault, at=replace(fault.at, n=1 + (fault.at.n - 1) // FEWER))


def search_holds(t: Transcript, implementation: Implementation, step: str) -> None:
    """The searches of a step find nothing; else the smallest counterexample is told."""
    lab3_failure.searching.search_holds(t, implementation, step, SEARCHES[step])


BUSY = ("Cut", "Cut", "Cut", "ServerRestart", "ClientRestart", "HalfOpen", "Delay")
LONG = Shape(messages=12, faults=2, bursts=0.1, kinds=BUSY)
SEARCHES: dict[str, tuple[Search, ...]] = {
    "wire": (Spoken("cut links, restarts", LONG, {"no_loss": "", "no_duplicate": "", "order": ""}, seeds=60),),
    "shapes": (
        Spoken(
            "links that are cut again and again, servers that restart",
            Shape(messages=12, faults=3, kinds=("Cut", "Cut", "ServerRestart")),
            {"liveness": "shapes-kept", "no_loss": "shapes-kept", "no_phantom": ""},
            seeds=60,
        ),
    ),
    "deflate": (Spoken("cut links, restarts", LONG, {"no_loss": "", "no_phantom": ""}, seeds=40),),
    "sender": (
        Spoken(
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
        Spoken(
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
        Spoken(
            "cut links, restarts, slow stores",
            LONG,
            {"ack_after_durable": "ack-before-durable", "liveness": "acks-never-flushed", "bounded_recovery": ""},
        ),
    ),
    "path": (
        Spoken(
            "links that fall silent or are late, and restarts",
            Shape(messages=12, faults=2, bursts=0.2, kinds=("Silence", "Delay", "Cut", "ServerRestart")),
            {"no_loss": "gives-up-when-full", "convergence": "store-skipped", "liveness": "", "no_crash": ""},
        ),
    ),
    "direct": (
        Spoken(
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
        Spoken(
            "all faults, all predicates",
            Shape(messages=10, bursts=0.1, stores=STORES),
            dict.fromkeys(PREDICATES, ""),
            seeds=120,
        ),
    ),
}


# Demonstrations of this lab: what the session costs as it stands, what breaks it, and one schedule once more.


PARTS = ("head", "read_head", "Wire", "Shapes", "block", "read_block", "Sender", "runs", "Feed", "flush")


@checked
def cost(implementation: Implementation) -> Costs | None:
    """What an event costs in this session; None, and a sentence, while a part of it is to do.

    Args:
        implementation: the session, as `ours`.
    """
    found: Costs | None = show(lambda: costs(implementation), *session_parts(implementation, PARTS), limit_s=30)
    return found


@checked
def look(implementation: Implementation, step: str) -> Counterexample | None:
    """What the searches of a step find: the smallest counterexample; None, and a sentence, when they find nothing.

    Args:
        implementation: the session, as `ours`.
        step: name of the step whose schedules are played.

    Raises:
        Refusal: there is no such step.
    """
    return seen(implementation, of_step(SEARCHES, step), step, session_parts(implementation, PARTS))


@checked
def again(implementation: Implementation, step: str, seed: int | None = None) -> Counterexample | None:
    """The schedule of one seed once more: the line that a check prints. None, and a sentence, when all holds now.

    Raises:
        Refusal: there is no such step, or no seed was given.
    """
    return seen_again(implementation, of_step(SEARCHES, step), step, seed, session_parts(implementation, PARTS))
