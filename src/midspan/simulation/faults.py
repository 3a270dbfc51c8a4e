"""The faults of a schedule, as data. A fault has a trigger (when it happens) and an effect; `str()` is one line.

A trigger counts messages, and not time ("before a's 3rd message up"). So it means the same on each replay, after a
change of the program, and on a real link.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from midspan.errors import Fitting, need

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
    """The message of one client's link before, during or after which a fault happens.

    Args:
        link: the client's name.
        way: the direction in which messages are counted.
        n: the number of the message in that direction, from 1, over all connections of this link. Control frames
            (ping, pong, close) do not count.
        when: *before*: the message has not left its sender. *during*: it is on its way; it does not arrive if the
            fault is a cut. *after*: it has arrived, and its receiver has not read it. *reply*: before the next message
            in the other direction (in most protocols the acknowledgement).
        later_s: seconds from that moment to the fault.
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


# Faults of nodes and of their broker (`midspan.simulation.nodes`). A run has three nodes behind a balancer, and one
# broker for all of them.


NODES = ("n1", "n2", "n3")


@dataclass(frozen=True, slots=True)
class _OnNode(Fitting):
    """A fault of one node. `node` is its name; "" means the node that serves the client of the trigger."""

    at: Trigger
    node: str = ""

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        need(self.node in ("", *NODES), f"a node: {', '.join(NODES)}", self.node, "Correct its name, or leave it out")

    @property
    def whom(self) -> str:
        """The name of the node for a line of text."""
        return self.node or f"{self.at.link}'s node"


@dataclass(frozen=True, slots=True)
class NodeKill(_OnNode):
    """A node's process is killed and its connections are reset; a new process starts `down_s` seconds later."""

    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.whom} is killed ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class NodeDrain(_OnNode):
    """A node gets no new connections and drains. Then it stops; it starts again `down_s` seconds later."""

    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.whom} is drained ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class BrokerCut(_OnNode):
    """A node loses the broker: for `for_s` seconds its connections to it are reset, and new ones refused."""

    for_s: float = 1.0

    def __str__(self) -> str:
        return f"{self.whom} is cut off the broker for {self.for_s:g} s {self.at}"


@dataclass(frozen=True, slots=True)
class BrokerRestart(Fitting):
    """The broker is killed and starts again `down_s` seconds later: with its data, or without.

    All connections to it are reset. A subscriber of a channel misses what is published meanwhile.
    """

    at: Trigger
    down_s: float = 0.1
    keeps_log: bool = True

    def __str__(self) -> str:
        kept = "with its data" if self.keeps_log else "without its data"
        return f"the broker restarts {kept} ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class BalancerCut(Fitting):
    """For `for_s` seconds there is no balancer: all connections of clients are reset, and new ones refused."""

    at: Trigger
    for_s: float = 0.1

    def __str__(self) -> str:
        return f"the balancer is gone for {self.for_s:g} s {self.at}"


Outage = NodeKill | NodeDrain | BrokerCut | BrokerRestart | BalancerCut
OUTAGES: tuple[type[Outage], ...] = (NodeKill, NodeDrain, BrokerCut, BrokerRestart, BalancerCut)


# Faults of a client, of its link, and of a single server.


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
    """The TCP connection is reset. Both ends notice it at once. Messages on their way are lost."""

    at: Trigger

    def __str__(self) -> str:
        return f"cut {self.at}"


@dataclass(frozen=True, slots=True)
class HalfOpen(Fitting):
    """This connection carries nothing any more, and neither end is told, as when a NAT drops its entry.

    New connections work.
    """

    at: Trigger

    def __str__(self) -> str:
        return f"half-open {self.at}"


@dataclass(frozen=True, slots=True)
class Silence(Fitting):
    """No connection carries anything for `for_s` seconds. Then TCP delivers what was sent meanwhile."""

    at: Trigger
    for_s: float

    def __str__(self) -> str:
        return f"silence of {self.for_s:g} s {self.at}"


@dataclass(frozen=True, slots=True)
class Delay(Fitting):
    """The next message in this direction, and all messages after it, arrive `by_s` seconds later."""

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
    """The server process is killed, its connections are reset, and a new process starts `down_s` seconds later.

    The new process has the log (what the store made durable); if `keeps_log` is false, the store is empty.
    """

    at: Trigger
    down_s: float = 0.1
    keeps_log: bool = True

    def __str__(self) -> str:
        kept = "with its log" if self.keeps_log else "without its log"
        return f"server restarts {kept} ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class ClientRestart(Fitting):
    """The client process is killed; a new one starts `down_s` seconds later, with the same store (its outbox)."""

    at: Trigger
    down_s: float = 0.1

    def __str__(self) -> str:
        return f"{self.at.link} restarts with its outbox ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class Revoke(Fitting):
    """The client loses its right to connect, and its connection is cut."""

    at: Trigger

    def __str__(self) -> str:
        return f"{self.at.link}'s right is revoked and its link cut {self.at}"


LinkFault = Cut | HalfOpen | Silence | Delay | ServerRestart | ClientRestart | Revoke
TimedFault = LinkFault | Outage  # the faults that have a trigger
Fault = TimedFault | Refuse
FAULTS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (Cut, HalfOpen, Silence, Delay, Refuse, ServerRestart, ClientRestart, Revoke, *OUTAGES)
}


def lasts_s(fault: Fault) -> float:
    """Seconds from the beginning of a fault until the link or the process works again; `inf` for `HalfOpen`."""
    if isinstance(fault, HalfOpen):
        return math.inf
    name = lasting(fault)
    return getattr(fault, name) if name else 0.0


def lasting(fault: Fault) -> str:
    """The name of the field that says how long the fault lasts, or ""."""
    return next((name for name in ("for_s", "by_s", "down_s") if hasattr(fault, name)), "")
