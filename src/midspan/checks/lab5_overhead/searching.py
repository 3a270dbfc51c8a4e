"""The schedules of each step. They are lab 3's, and what is said are events, as well as texts that are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from midspan.checks import Transcript, lab3_failure
from midspan.checks.lab3_failure.searching import Search
from midspan.checks.lab5_overhead.lab import STORES
from midspan.sim import PREDICATES, Cast, Fault, Refuse, Say, Schedule, Shape

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


def holds(t: Transcript, cast: Cast, step: str) -> None:
    """The searches of a step find nothing; else the smallest counterexample is told."""
    lab3_failure.searching.holds(t, cast, step, SEARCHES[step])


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
