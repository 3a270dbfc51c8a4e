"""What can happen to links, nodes and the broker, as data: each fault is a moment and an effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from midspan.errors import Fitting, need

# When a fault happens: counted, not timed ("before a's 3rd message up").
#
# So it means the same on each replay, on a changed program, and on a real link.


Way = Literal["up", "down"]  # from the client to the server; from the server to the client
When = Literal["before", "during", "after", "reply"]
WHEN: tuple[When, ...] = get_args(When)

_WORDS: dict[When, str] = {
    "before": "before {} leaves",
    "during": "while {} is on its way",
    "after": "when {} has arrived",
    "reply": "before the answer to {}",
}


@dataclass(frozen=True, slots=True)
class Trigger(Fitting):
    """A point in the life of one client's link.

    Args:
        link: the client's name.
        way: which direction is counted.
        n: the how-manieth message in that direction, from 1, over all connections of this link; control frames
            (ping, pong, close) are not counted.
        when: *before* the message leaves its sender, *during* its way (it does not arrive if the fault cuts),
            *after* it has arrived and before anyone has read it, or before the first message of the other direction
            that follows it (*reply*: in most protocols the acknowledgement).
        later_s: seconds that pass between that point and the fault.
    """

    link: str
    way: Way
    n: int
    when: When = "before"
    later_s: float = 0.0

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        need(self.n >= 1, "a message number, from 1", self.n, "The first message is number 1")

    def __str__(self) -> str:
        later = f"{self.later_s:g} s after the moment " if self.later_s else ""
        return later + _WORDS[self.when].format(f"{self.link}'s message {self.n} {self.way}")


# What can happen to nodes and to their broker, as data: see `faults` and `midspan.simulation.nodes`.
#
# A run of nodes has three of them behind a balancer, and one broker that they share. Where a fault is to hit one
# node, it names it, or takes the one that serves the client of its moment.


NODES = ("n1", "n2", "n3")


@dataclass(frozen=True, slots=True)
class _OnNode(Fitting):
    """Hits one node; "" is the one that serves the client of the moment."""

    at: Trigger
    node: str = ""

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        need(self.node in ("", *NODES), f"a node: {', '.join(NODES)}", self.node, "Correct its name, or leave it out")

    @property
    def whom(self) -> str:
        """The node, in words."""
        return self.node or f"{self.at.link}'s node"


@dataclass(frozen=True, slots=True)
class NodeKill(_OnNode):
    """A node's process is killed, its connections are reset; one with an empty memory starts `down_s` seconds later."""

    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.whom} is killed ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class NodeDrain(_OnNode):
    """A node gets no new connections and is asked to drain; then it stops, and is back `down_s` seconds later."""

    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.whom} is drained ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class BrokerCut(_OnNode):
    """A node's way to the broker is cut: its connections there are reset, new ones refused, for `for_s` seconds."""

    for_s: float = 1.0

    def __str__(self) -> str:
        return f"{self.whom} is cut off the broker for {self.for_s:g} s {self.at}"


@dataclass(frozen=True, slots=True)
class BrokerRestart(Fitting):
    """The broker is killed and starts again `down_s` seconds later: with its data, or without.

    Every connection to it is reset; who listened to a channel has missed what was said meanwhile.
    """

    at: Trigger
    down_s: float = 0.1
    keeps_log: bool = True

    def __str__(self) -> str:
        kept = "with its data" if self.keeps_log else "without its data"
        return f"the broker restarts {kept} ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class BalancerCut(Fitting):
    """The balancer is gone for `for_s` seconds: all clients' connections are reset, new ones refused."""

    at: Trigger
    for_s: float = 0.1

    def __str__(self) -> str:
        return f"the balancer is gone for {self.for_s:g} s {self.at}"


Outage = NodeKill | NodeDrain | BrokerCut | BrokerRestart | BalancerCut
OUTAGES: tuple[type[Outage], ...] = (NodeKill, NodeDrain, BrokerCut, BrokerRestart, BalancerCut)


# What can happen to a link, as data: each fault is a moment and an effect, and `str()` says it in one line.
#
# Here is what happens to a client, to its link, and to a server that stands alone; what happens to nodes and to their
# broker is in `outages`.


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
    "NodeDrain",
    "NodeKill",
    "Outage",
    "Refuse",
    "Revoke",
    "ServerRestart",
    "Silence",
    "TimedFault",
    "Trigger",
    "Way",
    "When",
    "lasts_s",
]


@dataclass(frozen=True, slots=True)
class Cut(Fitting):
    """The TCP connection is reset: both ends see it at once; what is on its way is lost. As real as a reset gets."""

    at: Trigger

    def __str__(self) -> str:
        return f"cut {self.at}"


@dataclass(frozen=True, slots=True)
class HalfOpen(Fitting):
    """This connection never carries anything again, and nobody says so: a NAT that forgot. New connections work."""

    at: Trigger

    def __str__(self) -> str:
        return f"half-open {self.at}"


@dataclass(frozen=True, slots=True)
class Silence(Fitting):
    """Nothing passes for `for_s` seconds, new connections included; then TCP delivers what both ends still hold."""

    at: Trigger
    for_s: float

    def __str__(self) -> str:
        return f"silence of {self.for_s:g} s {self.at}"


@dataclass(frozen=True, slots=True)
class Delay(Fitting):
    """The next message that way, and all behind it, come `by_s` seconds later."""

    at: Trigger
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

    at: Trigger
    down_s: float = 0.1
    keeps_log: bool = True

    def __str__(self) -> str:
        kept = "with its log" if self.keeps_log else "without its log"
        return f"server restarts {kept} ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class ClientRestart(Fitting):
    """The client process is killed; a new one starts `down_s` seconds later with the same store: its outbox."""

    at: Trigger
    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.at.link} restarts with its outbox ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class Revoke(Fitting):
    """The client loses its right to be here, and its connection is cut."""

    at: Trigger

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
