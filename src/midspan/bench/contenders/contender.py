"""Who is on trial, and by which versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

from midspan.arguments import checked
from midspan.bench.contenders import framework, naive, recipe, reconnecting
from midspan.bench.contenders.borrowed import clock_and_chance
from midspan.bench.trials import Play, Trial, moments
from midspan.refusal import need
from midspan.sim.cast import Cast
from midspan.sim.history import Bounds, History
from midspan.sim.limits import Limits
from midspan.sim.play import play
from midspan.sim.schedule import Schedule

# Who promises nothing is held to what a user would still call working: a dead connection is noticed, and all is
# delivered again, within a minute. Both libraries' own timers fit: 20 + 20 s (+ 10 s to close) and 25 + 20 s.
WITHIN_A_MINUTE = Bounds(detection_s=60.0, recovery_s=60.0, attempts_per_s=5)
KEEPALIVE = Limits(ping_interval=20.0)  # as `websockets` has it by default
AIOHTTP = Limits(open_timeout=30.0, close_timeout=5.0)  # its sock_connect; Engine.IO's request_timeout; no pings


@dataclass(frozen=True)
class Contender:
    """One implementation.

    Args:
        name: a column of the matrix.
        made_of: what it runs on, with versions.
        cast: its server and clients.
    """

    name: str
    made_of: str
    cast: Cast

    def __str__(self) -> str:
        return f"{self.name}: {self.made_of}"

    def runs(self, trial: Trial, play: Play = play) -> Iterator[tuple[Schedule, History]]:
        """What comes of a fault at each of its moments, on the simulated link or on another."""
        for moment in moments(self.cast, play):
            schedule = trial.at(moment)
            yield schedule, play(self.cast, schedule)


def _cast(server: Callable[..., object], client: Callable[..., object], limits: Limits) -> Cast:
    return Cast(server, client, WITHIN_A_MINUTE, limits, clock_and_chance, patience=1.1)  # type: ignore[arg-type]


WEBSOCKETS, SOCKETIO = (f"{name} {version(name)}" for name in ("websockets", "python-socketio"))

CONTENDERS = (
    Contender(
        "raw", f"{WEBSOCKETS}, no keepalive, one connection", _cast(naive.RoomServer, naive.OnceClient, Limits())
    ),
    Contender(
        "websockets",
        f"{WEBSOCKETS}, its keepalive and its reconnecting client",
        _cast(reconnecting.GuardedServer, reconnecting.ReconnectingClient, KEEPALIVE),
    ),
    Contender(
        "python-socketio", f"{SOCKETIO} as it comes", _cast(framework.EventServer, framework.EventClient, AIOHTTP)
    ),
    Contender(
        "recipe",
        f'{SOCKETIO} with the "exactly once" recipe',
        _cast(recipe.RecipeServer, recipe.RecipeClient, AIOHTTP),
    ),
)


@checked
def named(name: str) -> Contender:
    """One of `CONTENDERS`. Raises `Refusal` for a name that is not among them."""
    known = {contender.name: contender for contender in CONTENDERS}
    need(name in known, f"one of {', '.join(known)}", name, "Correct the name")
    return known[name]
