"""A client that reads nothing, alone or among many: what waits for it in the node's memory, and what the others hear.

`ticker`, `broadcasts` and `emits` are what the node serves. A cluster sends their source to the node (`Cluster.serve`),
so each imports what it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from midspan.errors import checked, need
from midspan.experiments.clusters import Cluster
from midspan.net.receivers import open_receivers

PATIENCE_S = 60.0  # a hundred clients on a busy machine

# One client that reads nothing, among many that read: four policies.


def ticker(node: Any, policy: str, limit_bytes: int = 2**18, chart: int = 16_000) -> Any:
    """Raw WSS: send a chart to all clients, again and again. A client is slow if more than the limit waits for it."""
    import asyncio
    import json
    import time

    from websockets.asyncio.server import broadcast

    def waiting(connection: Any) -> int:
        return int(connection.transport.get_write_buffer_size())

    async def run(ticks: int) -> None:
        for _ in range(ticks):
            text = json.dumps({"at": time.monotonic(), "chart": "x" * chart})
            slow = {connection for connection in node.connections if waiting(connection) > limit_bytes}
            if policy == "wait for each":
                for connection in list(node.connections):
                    await connection.send(text)
                continue
            if policy == "disconnect":
                for connection in slow:
                    connection.transport.abort()
            broadcast(node.connections if policy == "keep all" else node.connections - slow, text)
            while True:
                await asyncio.sleep(0.005)
                if sum(waiting(connection) > 0 for connection in node.connections) < 2:
                    break  # all clients but one have everything

    node.commands["start"] = lambda ticks: node.run(run(ticks))
    node.commands["waiting"] = lambda: sum(map(waiting, node.connections))
    return node.raw(compression=None, ping_interval=None, send_buffer_bytes=2**16)


STOPS_S = {"wait for each": 1.5}  # it has stopped for good by then; the other policies need as long as they need


@checked
async def one_slow_reader(
    nodes: Cluster, app: Callable[..., Any], policy: str, *, ticks: int = 100, others: int = 99, **options: Any
) -> dict[str, float]:
    """Serve a ticker on the first node to many clients that read and one that reads nothing.

    Args:
        nodes: the cluster; its first node serves `app`.
        app: a ticker with the option `policy`; it is asked to `start` with `ticks`, and how many bytes are `waiting`.
        policy: what the ticker does with a slow client.
        ticks: how many messages each client should get.
        others: how many clients read.
        options: those of the ticker: `limit_bytes`, and the length of a `chart`.

    Returns:
        "others heard": messages for each of the other clients; "p50 ms", "p99 ms": how old they were on arrival;
        "waiting KiB": what waits in the node's memory at the end.

    Raises:
        Refusal: `ticks` or `others` is less than 1, or the ticker fails.
    """
    need(min(ticks, others) > 0, "one tick and one reader or more", (ticks, others), "Pass ticks=100, others=99")
    name = nodes.names[0]
    await nodes.serve(app, on=[name], policy=policy, **options)
    async with open_receivers() as clients:
        await clients.ask("open", url=nodes.direct_url(name), count=others + 1, slow=1)
        await nodes.ask(name, "start", ticks=ticks)
        await clients.ask("until", messages=others * ticks, within_s=STOPS_S.get(policy, PATIENCE_S))
        heard = await clients.ask("heard")
        waiting_bytes = await nodes.ask(name, "waiting")
    ages = {f"{part} ms": round(heard[f"{part}_ms"], 1) for part in ("p50", "p99")}
    return {"others heard": heard["messages"] / others, **ages, "waiting KiB": waiting_bytes // 1024}


# One client that reads nothing, with a heartbeat: does the server end its connection?


def broadcasts(node: Any, heartbeat_s: float = 20, limit_charts: int = 10**9) -> Any:
    """Raw WSS: send charts with `broadcast` of websockets; skip a client for which more than the limit waits."""
    from websockets.asyncio.server import broadcast

    chart = "x" * 16_000

    def waiting(connection: Any) -> int:
        return int(connection.transport.get_write_buffer_size()) // (len(chart) + 4)  # the frame's header: 4 bytes

    def send(charts: int) -> dict[str, int]:
        for _ in range(charts):
            broadcast([each for each in node.connections if waiting(each) < limit_charts], chart)
        return {"clients": len(node.connections), "waiting": sum(map(waiting, node.connections))}

    node.commands["send"] = send
    return node.raw(ping_interval=heartbeat_s, ping_timeout=heartbeat_s, compression=None, send_buffer_bytes=2**16)


def emits(node: Any, heartbeat_s: float = 20) -> Any:
    """Socket.IO: send charts with `emit` of python-socketio, which puts a packet into each client's queue."""
    import socket
    import weakref

    servers: list[Any] = []
    sessions: Any = weakref.WeakSet()  # a session counts as long as python-socketio keeps it in memory

    def register(sio: Any) -> None:
        async def connect(sid: str, environ: Any) -> None:
            transport = environ["aiohttp.request"].transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
            sessions.add(sio.eio.sockets[sio.manager.eio_sid_from_sid(sid, "/")])

        sio.on("connect", connect)
        servers.append(sio)

    async def send(charts: int) -> dict[str, int]:
        for _ in range(charts):
            await servers[0].emit("chart", "x" * 16_000)
        open_now = [session for session in sessions if not session.closed]
        return {"clients": len(open_now), "waiting": sum(session.queue.qsize() for session in sessions)}

    node.commands["send"] = send
    return node.socketio(register, ping_interval=heartbeat_s, ping_timeout=heartbeat_s)


@dataclass(frozen=True)
class Waiting:
    """What waits in a node for the client that reads nothing.

    Attributes:
        sent: how many charts the node has sent so far.
        waiting: how many of them wait in its memory.
        connected: whether the client still counts as connected there.
    """

    sent: int
    waiting: int
    connected: bool

    def __str__(self) -> str:
        return f"{self.waiting} of {self.sent}, {'connected' if self.connected else 'gone'}"

    __repr__ = __str__


@checked
async def what_waits(
    nodes: Cluster, app: Callable[..., Any], *, on: str = "a", looks: int = 16, every_s: float = 0.25, **options: Any
) -> list[Waiting]:
    """Serve `app` to one client that reads nothing, and look again and again at what waits for it.

    Args:
        nodes: the cluster.
        app: `broadcasts` or `emits`.
        on: the name of the node that serves it.
        looks: how often the node sends 25 charts of 16 kB; what waits is counted after each time.
        every_s: the time between two looks.
        options: those of the application.

    Raises:
        Refusal: `looks` is less than 1, or the application fails.
        TimeoutError: the client was not connected in time.
    """
    need(looks > 0, "one look or more", looks, "Pass looks=16")
    await nodes.serve(app, on=[on], **options)
    seen, sent = [], 25
    async with open_receivers() as clients:
        await clients.ask("open", url=nodes.direct_url(on), count=1, slow=1, says="40")  # Socket.IO's CONNECT
        async with asyncio.timeout(PATIENCE_S):
            while not (await nodes.ask(on, "send", charts=0))["clients"]:  # noqa: ASYNC110  it is in another process
                await asyncio.sleep(0.01)
        for look in range(1, looks + 1):
            found = await nodes.ask(on, "send", charts=sent)
            seen.append(Waiting(sent * look, found["waiting"], found["clients"] > 0))
            await asyncio.sleep(every_s)
    return seen
