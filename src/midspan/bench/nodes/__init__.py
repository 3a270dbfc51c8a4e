"""Three nodes behind a balancer and a real broker, under schedules of faults, in one process.

What plays on one server (`midspan.sim`, `midspan.bench.real`) has here a `Node` in place of the server and a member of
a room in place of the client. Sockets, TLS, the nodes' redis clients and the broker are real; the clock does not wait.
"""

from midspan.bench.nodes.bus import bus
from midspan.bench.nodes.play import play_nodes
from midspan.bench.nodes.search import NODE_SHAPE, draw_nodes, generate_nodes, search_nodes
from midspan.bench.nodes.seats import BODY, ROOMS, MemberSeat, Node, NodeSeat

__all__ = [
    "BODY",
    "NODE_SHAPE",
    "ROOMS",
    "MemberSeat",
    "Node",
    "NodeSeat",
    "bus",
    "draw_nodes",
    "generate_nodes",
    "play_nodes",
    "search_nodes",
]
