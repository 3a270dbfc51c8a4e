"""How long a client takes to notice that its connection is dead, against the settings of its heartbeat.

The connection is opened, carries a message, and from some point of the heartbeat's period on carries nothing more,
while nobody says so (half-open). What counts is when the client tries to connect again: then its application knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import dropwhile, islice
from typing import Any, ClassVar

from midspan.arguments import checked
from midspan.bench.contenders import framework
from midspan.bench.contenders.contender import named
from midspan.refusal import need
from midspan.sim.beside import beside
from midspan.sim.cast import Cast
from midspan.sim.faults import Cut, HalfOpen, Moment
from midspan.sim.history import History
from midspan.sim.play import play
from midspan.sim.schedule import Join, Say, Schedule

PHASES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the heartbeat's period
CLOSE_TIMEOUT_S = 10.0  # `websockets` waits so long for an answer to its close frame
FIRST_WAIT_S = 1.5  # python-socketio's first wait before it connects again, at most
SAID_S = 0.5
Player = Callable[[Cast, Schedule], History]


@dataclass(frozen=True)
class Noticed:
    """What was seen of one library with one setting.

    Args:
        made_of: the library and its version.
        interval_s, timeout_s: between two pings, and for the answer to one.
        after_s: from the last byte to the next attempt to connect, for each phase of the period.
        bound_s: what the settings promise.
    """

    made_of: str
    interval_s: float
    timeout_s: float
    after_s: tuple[float, ...]
    bound_s: float

    def __str__(self) -> str:
        first, last = min(self.after_s), max(self.after_s)
        settings = f"ping every {self.interval_s:g} s, {self.timeout_s:g} s to answer"
        return f"{self.made_of}, {settings}: after {first:.0f} to {last:.0f} s, bound {self.bound_s:.1f} s"


@checked
def noticed(name: str, interval_s: float, timeout_s: float, player: Player = play) -> Noticed:
    """Let connections go half-open at each phase of the heartbeat's period.

    Args:
        name: "websockets" or "python-socketio".
        interval_s: between two pings.
        timeout_s: for the answer to a ping.
        player: `play` for the simulated link, `play_real` for the real one.

    Raises:
        Refusal: another name; a setting that is not above zero.
    """
    need(name in ("websockets", "python-socketio"), "websockets or python-socketio", name, "Choose one of them")
    need(min(interval_s, timeout_s) > 0, "seconds above zero", (interval_s, timeout_s), "Correct the settings")
    cast = _websockets(interval_s, timeout_s) if name == "websockets" else _socketio(interval_s, timeout_s)
    after = tuple(_after_s(beside(player, cast, _half_open(share * interval_s))) for share in PHASES)
    closing_s = CLOSE_TIMEOUT_S if name == "websockets" else FIRST_WAIT_S
    return Noticed(f"{name} {version(name)}", interval_s, timeout_s, after, interval_s + timeout_s + closing_s)


@checked
def noticed_cut_s(name: str, player: Player = play) -> float:
    """For comparison: how long after a reset the client tries to connect again, in seconds."""
    cut = replace(_half_open(0.0), faults=(Cut(Moment("a", "up", 2, "after")),))
    return _after_s(beside(player, named(name).cast, cut))


def _websockets(interval_s: float, timeout_s: float) -> Cast:
    cast = named("websockets").cast
    return replace(cast, limits=replace(cast.limits, ping_interval=interval_s, ping_timeout=timeout_s))


def _socketio(interval_s: float, timeout_s: float) -> Cast:
    """Both settings are the server's; its clients are told on connection."""

    class Server(framework.EventServer):
        options: ClassVar[dict[str, Any]] = {"ping_interval": interval_s, "ping_timeout": timeout_s}

    return replace(named("python-socketio").cast, server=Server)


def _half_open(later_s: float) -> Schedule:
    """Client a says one message; `later_s` after that has arrived nothing passes any more. (a2 keeps the run going.)"""
    dead = HalfOpen(Moment("a", "up", 2, "after", later_s))  # the first message up is a greeting
    return Schedule(1, (Join(0.0, "a"),), (Say(SAID_S, "a", "a1"), Say(300.0, "a", "a2")), (dead,))


def _after_s(history: History) -> float:
    """From the fault to the client's next attempt."""
    seen = dropwhile(lambda record: record.what != "fault", history.of("fault", "attempt"))
    fault, attempt = islice(seen, 2)
    return attempt.at_s - fault.at_s
