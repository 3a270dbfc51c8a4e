"""What can happen to a link, as data: each fault is a moment and an effect, and `str()` says it in one line.

Here is what happens to a client, to its link, and to a server that stands alone; what happens to nodes and to their
broker is in `outages`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from midspan.arguments import Fitting
from midspan.refusal import need
from midspan.sim.moment import WHEN, Moment, Way, When
from midspan.sim.outages import OUTAGES, BalancerCut, BrokerCut, BrokerRestart, NodeDrain, NodeKill, Outage

__all__ = [
    "FAULTS",
    "WHEN",
    "BalancerCut",
    "BrokerCut",
    "BrokerRestart",
    "ClientRestart",
    "Cut",
    "Delay",
    "Fault",
    "HalfOpen",
    "Moment",
    "NodeDrain",
    "NodeKill",
    "Outage",
    "Refuse",
    "Revoke",
    "ServerRestart",
    "Silence",
    "TimedFault",
    "Way",
    "When",
    "lasts_s",
]


@dataclass(frozen=True, slots=True)
class Cut(Fitting):
    """The TCP connection is reset: both ends see it at once; what is on its way is lost. As real as a reset gets."""

    at: Moment

    def __str__(self) -> str:
        return f"cut {self.at}"


@dataclass(frozen=True, slots=True)
class HalfOpen(Fitting):
    """This connection never carries anything again, and nobody says so: a NAT that forgot. New connections work."""

    at: Moment

    def __str__(self) -> str:
        return f"half-open {self.at}"


@dataclass(frozen=True, slots=True)
class Silence(Fitting):
    """Nothing passes for `for_s` seconds, new connections included; then TCP delivers what both ends still hold."""

    at: Moment
    for_s: float

    def __str__(self) -> str:
        return f"silence of {self.for_s:g} s {self.at}"


@dataclass(frozen=True, slots=True)
class Delay(Fitting):
    """The next message that way, and all behind it, come `by_s` seconds later."""

    at: Moment
    by_s: float

    def __str__(self) -> str:
        return f"delay of {self.by_s:g} s {self.at}"


@dataclass(frozen=True, slots=True)
class Refuse(Fitting):
    """The client's connection attempts `attempt` to `attempt + count - 1` are refused (attempts count from 1)."""

    link: str
    attempt: int
    count: int = 1

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        first = min(self.attempt, self.count)
        need(first >= 1, "connection attempts, from 1", first, "The first attempt is number 1")

    def __str__(self) -> str:
        last = f" to {self.attempt + self.count - 1}" if self.count > 1 else ""
        return f"refuse {self.link}'s connection attempts {self.attempt}{last}"


@dataclass(frozen=True, slots=True)
class ServerRestart(Fitting):
    """The server process is killed, its connections are reset, and a new one starts `down_s` seconds later.

    With its log (what the store made durable) or without: then the store is empty.
    """

    at: Moment
    down_s: float = 0.1
    keeps_log: bool = True

    def __str__(self) -> str:
        kept = "with its log" if self.keeps_log else "without its log"
        return f"server restarts {kept} ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class ClientRestart(Fitting):
    """The client process is killed; a new one starts `down_s` seconds later with the same store: its outbox."""

    at: Moment
    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.at.link} restarts with its outbox ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class Revoke(Fitting):
    """The client loses its right to be here, and its connection is cut."""

    at: Moment

    def __str__(self) -> str:
        return f"{self.at.link}'s right is revoked and its link cut {self.at}"


LinkFault = Cut | HalfOpen | Silence | Delay | ServerRestart | ClientRestart | Revoke
TimedFault = LinkFault | Outage  # those that have a moment
Fault = TimedFault | Refuse
FAULTS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (Cut, HalfOpen, Silence, Delay, Refuse, ServerRestart, ClientRestart, Revoke, *OUTAGES)
}


def lasts_s(fault: Fault) -> float:
    """Seconds from the moment of a fault until the link (or the process) is whole again; `inf` for a half-open end."""
    if isinstance(fault, HalfOpen):
        return math.inf
    name = lasting(fault)
    return getattr(fault, name) if name else 0.0


def lasting(fault: Fault) -> str:
    """The name of the field that says how long it lasts, or ""."""
    return next((name for name in ("for_s", "by_s", "down_s") if hasattr(fault, name)), "")
