"""The links of one run, the balancer behind them, and the nodes behind that.

The balancer takes turns among the nodes that listen. It is a choice, not a process of its own: the relay that each
client's link is (`midspan.bench.real.link`) asks it where the next connection goes.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as BrokerGone
from redis.exceptions import TimeoutError as BrokerSilent
from websockets.exceptions import ConnectionClosed

from midspan.bench.nodes.bus import Bus
from midspan.bench.nodes.seats import Node
from midspan.bench.nodes.way import BrokerWay
from midspan.bench.real.network import RealNetwork
from midspan.sim.outages import NODES

NOT_ITS_FAULT = (ConnectionClosed, BrokerGone, BrokerSilent, OSError)  # what a node may raise when others are gone


class NodesNetwork(RealNetwork):
    """As `RealNetwork`, with nodes.

    Args:
        bus: the broker.
        left: its clients, as the nodes made them; they are closed at the end.
    """

    def __init__(self, *args: Any, bus: Bus, left: list[Redis], **options: Any) -> None:
        super().__init__(*args, **options)
        self.bus, self._left = bus, left
        self.behind = None, None  # the balancer ends TLS
        self.prefix = bus.new_prefix()
        self.closing = False  # the run is over: no node starts any more
        self.ways: list[BrokerWay] = []  # of all lives of all nodes
        self.ports: dict[str, int] = {}  # of the nodes in the balancer's turn
        self.cuts = 0  # faults because of which there is no balancer now
        self._latest = len(NODES) - 1

    @property
    def up(self) -> bool:
        return bool(self.ports) and not self.cuts

    def place(self) -> tuple[str, int]:
        """The next node in turn.

        Raises:
            ConnectionRefusedError: there is none.
        """
        for i in range(len(NODES)):
            turn = (self._latest + 1 + i) % len(NODES)
            if NODES[turn] in self.ports and not self.cuts:
                self._latest = turn
                return NODES[turn], self.ports[NODES[turn]]
        raise ConnectionRefusedError(111, "no node listens")

    async def run_node(self, name: str, node: Node) -> None:
        """Let a node listen, until its process is killed."""
        async with self._serving(node, name) as port:
            self.ports[name] = port
            await self.loop.create_future()

    async def _handle(self, handler: Any, connection: Any, who: str = "server") -> None:
        async def excused(connection: Any) -> None:
            try:
                await handler(connection)
            except NOT_ITS_FAULT:
                await connection.close(1011)

        await super()._handle(excused, connection, who)

    def serves(self, client: str) -> str:
        """The node that this client's connection leads to; the first one if it has none."""
        ends = (end for end in reversed(self.link(client).ends) if end.side == "server")
        return next((getattr(end, "served_by", "") for end in ends), "") or NODES[0]

    def cut_node(self, name: str) -> None:
        """This node is gone, and its connections with it."""
        self.ports.pop(name, None)
        for link in self.links.values():
            for end in list(link.ends):
                if getattr(end, "served_by", "") == name:
                    link.cut(end)

    def cut_clients(self) -> None:
        """Reset all connections of all clients."""
        for link in self.links.values():
            link.cut_all()

    async def close(self) -> None:
        self.closing = True
        for way in self.ways:
            way.close()
        await super().close()
        for client in self._left:
            await client.aclose()
