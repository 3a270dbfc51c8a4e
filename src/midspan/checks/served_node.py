"""Lab 4's node as an application, for processes of its own: `bench.cluster` and `bench.rooms` are told of it.

nodes = await bench.enter(cluster("a", "b", authority=bench.authority))
await nodes.serve(lab4_node)                            # ours; source="labs": the learner's
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.connection import Connection

from midspan.arguments import checked
from midspan.bench.prices.dialects import Echo
from midspan.bench.prices.starting import contender
from midspan.bench.rooms import LAB4, Speaks
from midspan.checks import catalogue
from midspan.checks.cells import Answers
from midspan.checks.serve import cells_of, define
from midspan.wires.broker import Broker
from midspan.wires.certs import HOST
from midspan.wires.node import Node
from midspan.wires.servers import Served

LAB = "lab4"


def lab4_node(node, source="solutions"):  # type: ignore[no-untyped-def]  # its text goes to another process, bare
    """What `Cluster.serve` takes."""
    from midspan.checks.served_node import on_node

    return on_node(node, source)


async def app(
    tls: Any,
    source: str = "solutions",
    outlet: dict[str, Any] | None = None,
    heartbeat: bool = True,
    **options: str,
) -> AsyncIterator[int]:
    """The lab's node as `bench.prices` starts servers; gives its port.

    Args:
        tls: a server's context, or None.
        source: "solutions", "labs", or the path of a notebook.
        outlet: arguments of its outlets, in place of what they have by themselves: policy, most.
        heartbeat: whether it lets go of who answers no ping; False: what its outlets do is seen alone.
        options: broker, node, prefix.
    """
    answers = defined(source)
    if not heartbeat:
        vars(answers)["session"].heartbeat = Connection.wait_closed
    if outlet:
        vars(answers)["Outlet"] = functools.partial(answers.Outlet, **outlet)
    server = await answers.serve_node(HOST, 0, tls, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@checked
def lab4_on(
    bus: Broker,
    nodes: int = 1,
    source: str = "solutions",
    outlet: dict[str, Any] | None = None,
    heartbeat: bool = True,
) -> Speaks:
    """The lab's nodes on a broker, as `bench.rooms` measures them; arguments as of `app`."""
    options: dict[str, Any] = {"broker": bus.url, "prefix": bus.prefix, "source": source, "outlet": outlet or {}}
    ours = [f"n{i}" for i in range(1, nodes + 1)]
    made = [contender(name, app, Echo, node=name, heartbeat=heartbeat, **options) for name in ours]
    return Speaks("lab 4", tuple(made), LAB4)


def defined(source: str) -> Answers:
    """The namespace of the lab's cells, up to its node.

    Raises:
        Refusal: there is something to do, or a cell raises.
    """
    answers, lab = Answers(), catalogue.find(LAB)
    with contextlib.redirect_stdout(sys.stderr):  # what a cell prints: our own output is for our parent
        define(answers, lab, cells_of(lab, source), source)
    return answers


@asynccontextmanager
async def on_node(node: Node, source: str) -> AsyncIterator[Served]:
    """The lab's node, in the place of a node of a cluster; it can be asked to `drain`."""
    serve_node = defined(source).serve_node
    server = await serve_node(HOST, 0, None, broker=node.broker, node=node.name, prefix=node.prefix)
    node.asked["drain"] = server.drain
    port = server.sockets[0].getsockname()[1]
    try:
        yield Served(f"ws://{HOST}:{port}", port)
    finally:
        server.close()
