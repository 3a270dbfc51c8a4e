"""Fan-out on one node: one message in, many out. Chapter 05 counts what each way of doing it costs the node.

`megaphone` and `megaphone_socketio` are what the nodes serve: their source is sent to the nodes. `fan_out` connects the
receivers, which are in processes of their own and only count what arrives. They connect without the balancer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from midspan.errors import checked, need
from midspan.experiments.clusters import Cluster
from midspan.net.child_process import Child
from midspan.net.receivers import open_receivers

HELLO = "40"  # what a client of Socket.IO sends first: CONNECT to the main namespace


def megaphone(node: Any) -> Any:
    """`say` tells all clients, in one of three ways; it returns how often the JSON encoder ran."""
    import json
    import time

    from websockets.asyncio.server import broadcast

    async def say(how: str) -> int:
        event = {"at": time.monotonic(), "text": "hello everybody"}
        text = json.dumps(event)
        if how == "broadcast":
            broadcast(node.connections, text)
            return 1
        for connection in list(node.connections):
            await connection.send(json.dumps(event) if how == "encode each" else text)
        return len(node.connections) if how == "encode each" else 1

    node.commands["say"] = say
    return node.raw(compression=None, ping_interval=None)


def megaphone_socketio(node: Any) -> Any:
    """The same with `emit`; the server is given a JSON module that counts its calls."""
    import json
    import time

    calls = []

    class Counting:
        loads = staticmethod(json.loads)

        @staticmethod
        def dumps(event: Any, **options: Any) -> str:
            calls.append(event)
            return json.dumps(event, **options)

    def register(sio: Any) -> None:
        async def say(**_: str) -> int:
            calls.clear()
            await sio.emit("said", {"at": time.monotonic(), "text": "hello everybody"})
            return len(calls)

        node.commands["say"] = say

    return node.socketio(register, json=Counting)


@dataclass(frozen=True)
class FanOutCost:
    """What one message to all clients cost its node.

    Attributes:
        encoder_calls: how often the JSON encoder ran.
        cpu_ms: processor time of the node, until all clients had the message.
    """

    encoder_calls: int
    cpu_ms: float


Ways = Mapping[str, tuple[Callable[..., Any], str]]  # name -> what its node serves, and how it is to say it


@checked
async def fan_out(nodes: Cluster, ways: Ways, *, receivers: int, rounds: int) -> list[dict[str, FanOutCost]]:
    """Send one message to all receivers, in each way in turn, and again in each round.

    Args:
        nodes: as many as the ways have different apps, or more.
        ways: name -> (`megaphone`, "broadcast"), for example; each app runs on one node.
        receivers: how many clients each node has.
        rounds: how many.

    Raises:
        Refusal: there are too few nodes, or a number is less than 1.
    """
    apps = list(dict.fromkeys(ways.values()))
    served = dict(zip(dict.fromkeys(app for app, _ in apps), nodes.names, strict=False))
    need(len(served) == len({app for app, _ in apps}) > 0, "a node for each app", nodes.names, "Open more nodes")
    need(min(receivers, rounds) > 0, "a receiver and a round, or more", (receivers, rounds), "Pass receivers=100")
    async with AsyncExitStack() as stack:
        people = {app: await _people(stack, nodes, app, name, receivers) for app, name in served.items()}
        return [
            {way: await _say(nodes, served[app], people[app], how, receivers) for way, (app, how) in ways.items()}
            for _ in range(rounds)
        ]


async def _people(stack: AsyncExitStack, nodes: Cluster, app: Any, name: str, count: int) -> Child:
    """Serve an app on a node, and connect its receivers."""
    people = await stack.enter_async_context(open_receivers())
    await nodes.serve(app, on=[name])
    says = {"says": HELLO} if app is megaphone_socketio else {}
    await people.ask("open", url=nodes.direct_url(name), count=count, **says)
    return people


async def _say(nodes: Cluster, name: str, people: Child, how: str, receivers: int) -> FanOutCost:
    before = await nodes.stats(name)
    calls = await nodes.ask(name, "say", how=how)
    assert await people.ask("until", messages=receivers)
    after = await nodes.stats(name)
    await people.ask("heard")
    return FanOutCost(calls, 1000 * (after["cpu_s"] - before["cpu_s"]))
