"""The trials of chapter 04: who reaches whom, who is served, what a reader misses, what one slow reader costs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import socketio
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from midspan.errors import checked, need
from midspan.experiments.clusters import Cluster
from midspan.net.balancers import Choice, round_robin
from midspan.net.receivers import open_receivers
from midspan.net.servers import http_session

# A mailbox: each person writes to each other one.


HEARD, LOST = "heard", "-"
PATIENCE_S = 20.0


@checked
async def everybody_writes(nodes: Cluster, trust: ssl.SSLContext, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Connect each person to the next node in turn; then each writes to each other one, through `mailbox`.

    Args:
        nodes: they serve `cluster_apps.mailbox`.
        trust: the trust of the clients (`bench.trust`).
        names: two or more, each once; none has a colon.

    Returns:
        For each reader, the writers: "heard", "-" for a message that did not arrive, "" for the reader's own name.
        Each name has its node behind it: "ana (a)".

    Raises:
        Refusal: there are not two names, or a name comes twice.
        TimeoutError: the nodes do not serve a mailbox.
    """
    right = len(names) > 1 and len({*names}) == len(names)
    need(right, "two names or more, each once", names, 'Pass ["ana", "ben"]')
    nodes.balance(round_robin)
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):
        people = {name: await stack.enter_async_context(connect(nodes.wss_url, ssl=trust)) for name in names}
        for name, person in people.items():
            await person.send(name)
            await person.recv()
        for name, person in people.items():
            for other in people.keys() - {name}:
                await person.send(f"{other}: {name}")
        heard = {name: {await person.recv() for _ in range(len(names) - 1)} for name, person in people.items()}
        label = {name: f"{name} ({_node_of(person)})" for name, person in people.items()}
    return {label[to]: {label[name]: _mark(name, to, heard[to]) for name in names} for to in names}


def _node_of(person: ClientConnection) -> str:
    """The node that the balancer chose; it says so in its answer to the upgrade."""
    return person.response.headers["X-Node"] if person.response else ""


def _mark(name: str, to: str, heard: set[str | bytes]) -> str:
    return "" if name == to else HEARD if name in heard else LOST


# Socket.IO clients that connect through the balancer.


HANGS_S = 2.5  # without stickiness some clients wait for an answer that never comes


@checked
async def clients_served(
    nodes: Cluster, trust: ssl.SSLContext, choose: Choice, transports: list[str] | None = None, *, visits: int = 8
) -> int:
    """Return how many of `visits` Socket.IO clients, all at once, connect and get an answer to the event "who".

    Args:
        nodes: they serve Socket.IO; "who" is answered with the name of the node.
        trust: the trust of the clients (`bench.trust`).
        choose: how the balancer chooses a node.
        transports: those that a client may use, in this order; None for the default, polling first.
        visits: how many clients; each has a number as `user`, and keeps cookies.

    Raises:
        Refusal: `visits` is less than 1.
    """
    need(visits > 0, "one client or more", visits, "Pass visits=8")
    nodes.balance(choose)
    patience_s = HANGS_S if choose is round_robin else PATIENCE_S
    return sum(await asyncio.gather(*(_is_served(nodes, trust, transports, n, patience_s) for n in range(visits))))


async def _is_served(
    nodes: Cluster, trust: ssl.SSLContext, transports: list[str] | None, user: int, patience_s: float
) -> bool:
    jar = aiohttp.CookieJar(unsafe=True)  # else aiohttp keeps no cookie of an address such as loopback's
    async with http_session(trust, cookie_jar=jar) as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        try:
            async with asyncio.timeout(patience_s):
                await client.connect(f"{nodes.url}?user={user}", transports=transports)
                return await client.call("who") in nodes.names
        except (socketio.exceptions.SocketIOError, TimeoutError):
            return False
        finally:
            await client.eio.disconnect(abort=True)


# A reader of a channel (pub/sub) and of a stream, who is away for a while.


@checked
async def away_for_four(bus: Redis, channel: str, stream: str) -> tuple[list[int], list[int]]:
    """Say the numbers 0 to 9 in a channel and in a stream; the reader is away for 3 to 6.

    Args:
        bus: a client of the broker.
        channel, stream: their names at the broker; the stream begins empty.

    Returns:
        The numbers that the reader has from the channel, and those from the stream.
    """

    async def say(numbers: range) -> None:
        for number in numbers:
            await bus.publish(channel, number)
            await bus.xadd(stream, {"n": number})

    async def listen(numbers: range) -> list[int]:
        async with bus.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(channel)
            await subscription.get_message(timeout=5)  # the subscription itself
            await say(numbers)
            return [int((await subscription.get_message(timeout=5))["data"]) for _ in numbers]

    await bus.delete(stream)
    heard, (read, last) = await listen(range(3)), await _entries(bus, stream, after="0")
    await say(range(3, 7))
    heard += await listen(range(7, 10))
    return heard, read + (await _entries(bus, stream, after=last))[0]


async def _entries(bus: Redis, stream: str, after: Any) -> tuple[list[int], Any]:
    """The numbers of the entries after this id, and the id of the last one."""
    found: Any = await bus.xread({stream: after})
    [(_, entries)] = found
    return [int(fields[b"n"]) for _, fields in entries], entries[-1][0]


# One reader who does not read, among many who do.


STOPS_S = {"wait for each": 1.5}  # it has stopped for good by then; the other policies need as long as they need


@checked
async def one_slow_reader(
    nodes: Cluster, app: Callable[..., Any], policy: str, *, ticks: int = 100, others: int = 99
) -> dict[str, float]:
    """Serve a ticker on the first node to many who read and one who does not.

    Args:
        nodes: the cluster; its first node serves `app`.
        app: a ticker with the option `policy`; it is asked to `start` with `ticks`, and how many bytes are `waiting`.
        policy: what the ticker does with a reader who is slow.
        ticks: how many messages each reader should get.
        others: how many readers read.

    Returns:
        "others heard": messages for each of the others; "p50 ms", "p99 ms": how old they were on arrival;
        "waiting KiB": what waits in the node's memory at the end.

    Raises:
        Refusal: `ticks` or `others` is less than 1, or the ticker fails.
    """
    need(min(ticks, others) > 0, "one tick and one reader or more", (ticks, others), "Pass ticks=100, others=99")
    name = nodes.names[0]
    await nodes.serve(app, on=[name], policy=policy)
    async with open_receivers() as people:
        await people.ask("open", url=nodes.direct_url(name), count=others + 1, slow=1)
        await nodes.ask(name, "start", ticks=ticks)
        await people.ask("until", messages=others * ticks, within_s=STOPS_S.get(policy, PATIENCE_S))
        heard = await people.ask("heard")
        waiting_bytes = await nodes.ask(name, "waiting")
    ages = {f"{part} ms": round(heard[f"{part}_ms"], 1) for part in ("p50", "p99")}
    return {"others heard": heard["messages"] / others, **ages, "waiting KiB": waiting_bytes // 1024}
