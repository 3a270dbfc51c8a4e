"""One run of nodes: as `midspan.sim.world`, with what can happen to nodes, to their broker, and to the balancer."""

from __future__ import annotations

from typing import ClassVar

from midspan.bench.nodes.log import RoomsRecorder
from midspan.bench.nodes.network import NodesNetwork
from midspan.bench.nodes.stage import NodesStage
from midspan.sim.ends import LinkEnd
from midspan.sim.faults import TimedFault
from midspan.sim.history import Recorder
from midspan.sim.outages import BalancerCut, BrokerCut, BrokerRestart, NodeDrain, NodeKill
from midspan.sim.stage import Stage
from midspan.sim.world import World


class NodesWorld(World):
    """Everything of one run of nodes."""

    make_stage: ClassVar[type[Stage]] = NodesStage
    make_recorder: ClassVar[type[Recorder]] = RoomsRecorder
    network: NodesNetwork
    stage: NodesStage

    def happens(self, fault: TimedFault, end: LinkEnd) -> None:
        match fault:
            case NodeKill():
                self._kill_node(self._node_of(fault), fault.down_s)
            case NodeDrain():
                self._drain_node(self._node_of(fault), fault.down_s)
            case BrokerCut():
                name = self._node_of(fault)
                self.stage.cut_off_broker(name)
                self.until(fault.for_s, lambda: self.stage.join_to_broker(name))
            case BrokerRestart():
                self._restart_broker(fault)
            case BalancerCut():
                self.network.cuts += 1
                self.network.cut_clients()
                self.until(fault.for_s, self._balance_again)
            case _:
                super().happens(fault, end)

    def _node_of(self, fault: NodeKill | NodeDrain | BrokerCut) -> str:
        return fault.node or self.network.serves(fault.at.link)

    def _kill_node(self, name: str, down_s: float) -> None:
        if name in self.stage.lives:  # else it is down already
            self.stage.kill_node(name)
            self.until(down_s, lambda: self.stage.restart_node(name))

    def _drain_node(self, name: str, down_s: float) -> None:
        if name not in self.stage.lives:
            return

        def stopped() -> None:
            self.disturbed -= 1
            self.until(down_s, lambda: self.stage.restart_node(name))

        self.disturbed += 1
        self.stage.drain_node(name, stopped)

    def _restart_broker(self, fault: BrokerRestart) -> None:
        if self.network.bus.up:
            self.stage.kill_broker(fault.keeps_log)
            self.until(fault.down_s, lambda: self.stage.start_broker(fault.keeps_log))

    def _balance_again(self) -> None:
        self.network.cuts -= 1
        self.recorder.note("balancer", "healed")
