"""What can happen to nodes and to their broker, as data: see `faults` and `midspan.bench.nodes`.

A run of nodes has three of them behind a balancer, and one broker that they share. Where a fault is to hit one node, it
names it, or takes the one that serves the client of its moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from midspan.arguments import Fitting
from midspan.refusal import need
from midspan.sim.moment import Moment

NODES = ("n1", "n2", "n3")


@dataclass(frozen=True, slots=True)
class _OnNode(Fitting):
    """Hits one node; "" is the one that serves the client of the moment."""

    at: Moment
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

    at: Moment
    down_s: float = 0.1
    keeps_log: bool = True

    def __str__(self) -> str:
        kept = "with its data" if self.keeps_log else "without its data"
        return f"the broker restarts {kept} ({self.down_s:g} s down) {self.at}"


@dataclass(frozen=True, slots=True)
class BalancerCut(Fitting):
    """The balancer is gone for `for_s` seconds: all clients' connections are reset, new ones refused."""

    at: Moment
    for_s: float = 0.1

    def __str__(self) -> str:
        return f"the balancer is gone for {self.for_s:g} s {self.at}"


Outage = NodeKill | NodeDrain | BrokerCut | BrokerRestart | BalancerCut
OUTAGES: tuple[type[Outage], ...] = (NodeKill, NodeDrain, BrokerCut, BrokerRestart, BalancerCut)
