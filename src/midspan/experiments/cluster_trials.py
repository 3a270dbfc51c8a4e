"""The trials of chapter 04: which messages reach another node, which clients are served, what a reader misses, and
what one slow reader costs."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import socketio
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from midspan.errors import checked, need
from midspan.experiments.cluster_clients import DeliveryReport
from midspan.experiments.clusters import Cluster
from midspan.net.balancers import Choice, round_robin
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


@dataclass(frozen=True)
class TwoRequests:
    """The first two requests of a session over polling: the nodes that answered, and the second answer."""

    opened_by: str
    answered_by: str
    status: int
    body: str


@checked
async def first_two_requests(nodes: Cluster, trust: ssl.SSLContext, choose: Choice) -> TwoRequests:
    """Open a session over polling, then send its first packet (`40`, CONNECT); both on one connection.

    Args:
        nodes: they serve Socket.IO.
        trust: the trust of the client (`bench.trust`).
        choose: how the balancer chooses a node.
    """
    nodes.balance(choose)
    polling = f"{nodes.url}/socket.io/?EIO=4&transport=polling&user=1"
    async with http_session(trust) as http:
        async with http.get(polling) as opened:
            sid = json.loads((await opened.text())[1:])["sid"]
        async with http.post(f"{polling}&sid={sid}", data="40") as sent:
            body = (await sent.text()).replace(sid, "SID")
    return TwoRequests(opened.headers["X-Node"], sent.headers["X-Node"], sent.status, body)


# Clients on two nodes, with a broker between the nodes or without it, and while a node has no broker.


@checked
async def say_across(
    nodes: Cluster, app: Callable[..., Any], on: str, *, socketio: bool = False, waits: bool = True
) -> DeliveryReport:
    """Serve `app` on two nodes; send 20 messages to the first, and return what reaches a client of the second.

    Args:
        nodes: the cluster.
        app: `with_adapter`, `by_hand` or another function of `cluster_apps`.
        on: two names of nodes, "ab"; "aa" for two clients of one node.
        socketio: whether `app` serves Socket.IO.
        waits: whether to begin only when a first message has arrived; False if perhaps none ever does.

    Raises:
        Refusal: `on` does not name two nodes; no message arrives, and the trial waits for one.
    """
    need(len(on) == 2, "two names of nodes", on, 'Pass on="ab"')
    await nodes.serve(app, on=dict.fromkeys(on))
    async with nodes.across(*on, socketio=socketio, waits=waits) as pair:
        return await pair.speak(20, every_s=0.01)


@checked
async def cut_off(
    nodes: Cluster, other: str, node: str, *, socketio: bool = False, messages: int = 200, cut_s: float = 1.5
) -> tuple[DeliveryReport, DeliveryReport]:
    """Send a message every 20 ms in both directions between two nodes; meanwhile one has no link to the broker.

    Args:
        nodes: they serve `with_adapter`, `by_hand` or the like.
        other, node: their names; `node` loses its link after half a second.
        socketio: whether they serve Socket.IO.
        messages: how many messages each of the two speakers sends.
        cut_s: how long the link is down.

    Returns:
        What was said to clients of `node`, and what was said by a client of `node`.
    """
    async with (
        nodes.across(other, node, socketio=socketio) as towards,
        nodes.across(node, other, socketio=socketio) as away,
    ):
        speaking = asyncio.gather(*(two.speak(messages, every_s=0.02) for two in (towards, away)))
        await asyncio.sleep(0.5)
        async with nodes.broker_link_cut(node):
            await asyncio.sleep(cut_s)
        to_it, from_it = await speaking
    return to_it, from_it


# A reader of a channel (pub/sub) and of a stream, which is away for a while.


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
