"""Three nodes behind a balancer and a real broker, under schedules of faults, in one process.

It is a run as in `midspan.simulation.tls`, with a `Node` in place of the server. A client is a member of a room.
Sockets, TLS, the nodes' redis clients and the broker are real; the clock jumps. Read in this order: `run` (one run, and
a search), `network` (the links from clients to the balancer and from nodes to the broker, and the context of a node),
`broker` (the broker that many runs share).
"""

from midspan.simulation.nodes.broker import shared_broker
from midspan.simulation.nodes.network import BODY, ROOMS, MemberContext, Node, NodeContext
from midspan.simulation.nodes.run import NODE_SHAPE, generate_nodes, play_nodes, search_nodes

__all__ = [
    "BODY",
    "NODE_SHAPE",
    "ROOMS",
    "MemberContext",
    "Node",
    "NodeContext",
    "generate_nodes",
    "play_nodes",
    "search_nodes",
    "shared_broker",
]
