"""The conclusions of chapter 04 are false where they should be, and hold on evidence like the chapter's."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from midspan.conclusions.scaling import (
    a_session_lives_in_one_node,
    a_slow_reader_fills_memory,
    an_adapter_is_less_code,
    only_the_owner_delivers,
    polling_needs_stickiness,
    pubsub_forgets,
    raw_needs_its_own_bus,
    raw_needs_its_own_policy,
)
from midspan.experiments import (
    broadcasts,
    by_hand,
    clients_served,
    code_lines,
    cut_off,
    emits,
    everybody_writes,
    first_two_requests,
    mailbox,
    no_adapter,
    no_bus,
    say_across,
    what_waits,
    with_adapter,
)
from midspan.experiments.clusters import Cluster
from midspan.net.balancers import Choice, by_cookie, by_user, round_robin
from midspan.net.servers import Authority
from tests.clusters import running_cluster
from tests.controls import Evidence, control, false_in_its_control
from tests.loops import in_a_loop

AUTHORITY = Authority()
PEOPLE = ["ana", "ben", "cleo"]
LINES = {app.__name__: code_lines(inspect.getsource(app)) for app in (no_adapter, no_bus, with_adapter, by_hand)}
_opened: list[Cluster] = []


@pytest.fixture(scope="module", autouse=True)
def _two_nodes() -> Iterator[None]:
    """One cluster for all controls of this module."""
    with running_cluster("a", "b", authority=AUTHORITY) as nodes:
        _opened.append(nodes)
        asyncio.run(_end_connections(nodes))  # the listening sockets are new after it; so they are here for all tests
        yield
    _opened.clear()


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """After each test: end the connections that gates and balancer still have for its application."""
    yield
    asyncio.run(_end_connections(cluster_of_two()))


async def _end_connections(nodes: Cluster) -> None:
    await nodes.serve(idle)
    async with nodes.broker_link_cut("a"), nodes.broker_link_cut("b"), nodes.balancer_cut():
        pass


def idle(node: Any) -> Any:
    """A server that uses no broker."""
    return node.raw()


def cluster_of_two() -> Cluster:
    """The cluster of this module, while its tests run."""
    return _opened[0]


# Ownership


def flooding_mailbox(node: Any) -> Any:
    """The chapter's mailbox, but each node publishes what comes in to all nodes, and the owner delivers it."""
    import asyncio

    import redis.asyncio

    bus, channel = redis.asyncio.Redis.from_url(node.broker), node.prefix + "flood"
    here: dict[str, Any] = {}
    subscribed = asyncio.Event()

    async def listen() -> None:
        async with bus.pubsub() as heard:
            await heard.subscribe(channel)
            async for message in heard.listen():
                if message["type"] == "subscribe":
                    subscribed.set()
                    continue
                name, _, words = message["data"].decode().partition(": ")
                if name in here:
                    await here[name].send(words)

    async def handler(connection: Any) -> None:
        here[await connection.recv()] = connection
        await subscribed.wait()
        await connection.send("welcome")
        async for message in connection:
            await bus.publish(channel, message)

    node.run(listen())
    return node.raw(handler)


async def reached(app: Any) -> dict[str, dict[str, str]]:
    await cluster_of_two().serve(app)
    found: dict[str, dict[str, str]] = await everybody_writes(cluster_of_two(), AUTHORITY.client, PEOPLE)
    return found


@in_a_loop
async def test_the_owner_delivers() -> None:
    assert only_the_owner_delivers(await reached(mailbox)).holds


@control(only_the_owner_delivers)
async def nodes_that_flood() -> Evidence:
    return (await reached(flooding_mailbox),)


# Sticky sessions


async def served(in_turn: Choice) -> Evidence:
    """As in the chapter, with fewer clients; `in_turn` is what the chapter does with `round_robin`."""
    ways = {"in turn": in_turn, "cookie": by_cookie}
    transports = {"polling": ["polling"], "WebSocket": ["websocket"]}
    nodes, clients = cluster_of_two(), 2
    await nodes.serve(says_who)

    async def count(choose: Choice, allowed: list[str]) -> int:
        return int(await clients_served(nodes, AUTHORITY.client, choose, allowed, visits=clients))

    found = {
        way: {name: await count(choose, allowed) for name, allowed in transports.items()}
        for way, choose in ways.items()
    }
    await _end_connections(nodes)  # in this loop, as below
    return found, clients


def says_who(node: Any) -> Any:
    """A Socket.IO server that says which node it is."""

    def register(sio: Any) -> None:
        async def who(_sid: str) -> str:
            return str(node.name)

        sio.on("who", who)

    return node.socketio(register)


@control(polling_needs_stickiness)
async def a_sticky_balancer() -> Evidence:
    return await served(by_user)


async def requests(in_turn: Choice) -> Evidence:
    nodes = cluster_of_two()
    await nodes.serve(says_who)
    both = [await first_two_requests(nodes, AUTHORITY.client, choose) for choose in (in_turn, by_user)]
    by_websocket = await clients_served(nodes, AUTHORITY.client, round_robin, ["websocket"], visits=1)
    await _end_connections(nodes)  # in this loop, so that it sees the end of the clients' connections
    return *both, by_websocket


@in_a_loop
async def test_another_node_refuses_the_session() -> None:
    assert a_session_lives_in_one_node(*await requests(round_robin)).holds


@control(a_session_lives_in_one_node)
async def both_requests_to_one_node() -> Evidence:
    return await requests(by_user)


# Across nodes


async def without_adapter(on: str) -> Evidence:
    nodes = cluster_of_two()
    alone = await say_across(nodes, no_adapter, on, socketio=True, waits=False)
    adapter = await say_across(nodes, with_adapter, "ab", socketio=True)
    return alone, adapter, await say_across(nodes, by_hand, "ab"), LINES


@in_a_loop
async def test_an_adapter_takes_fewer_lines() -> None:
    assert an_adapter_is_less_code(*await without_adapter(on="ab")).holds


@control(an_adapter_is_less_code)
async def two_clients_of_one_node() -> Evidence:
    return await without_adapter(on="aa")


@in_a_loop
async def test_no_adapter_is_less_code_than_itself() -> None:
    """The second half of the sentence can be false as well: by hand on both sides."""
    *runs, lines = await without_adapter(on="ab")
    same = lines | {"with_adapter": lines["by_hand"], "no_adapter": lines["no_bus"]}
    assert not an_adapter_is_less_code(*runs, same).holds


@control(raw_needs_its_own_bus)
async def socketio_with_its_adapter() -> Evidence:
    nodes, found = cluster_of_two(), await reached(mailbox)
    alone = await say_across(nodes, with_adapter, "ab", socketio=True)
    return found, alone, await say_across(nodes, by_hand, "ab")


@in_a_loop
async def test_broadcast_stays_on_its_node() -> None:
    nodes, found = cluster_of_two(), await reached(mailbox)
    alone = await say_across(nodes, no_bus, "ab", waits=False)
    assert raw_needs_its_own_bus(found, alone, await say_across(nodes, by_hand, "ab")).holds


def by_stream(node: Any) -> Any:
    """As `by_hand`, but over a stream: after a cut, read on after the last entry that came."""
    import asyncio

    import redis.asyncio
    from websockets.asyncio.server import broadcast

    bus, stream = redis.asyncio.Redis.from_url(node.broker), node.prefix + "by stream"

    async def listen() -> None:
        last: Any = "0"
        while True:
            try:
                found: Any = await bus.xread({stream: last}, block=1000)
                for entry, fields in found[0][1] if found else ():
                    broadcast(node.connections, fields[b"message"].decode())
                    last = entry
            except redis.ConnectionError:
                await asyncio.sleep(0.05)

    async def handler(connection: Any) -> None:
        async for message in connection:
            await bus.xadd(stream, {"message": message})

    node.run(listen())
    return node.raw(handler, compression=None)


async def cut(app: Any) -> Evidence:
    """What was said to clients of a node that had no broker for half a second."""
    await cluster_of_two().serve(app)
    to_it, _ = await cut_off(cluster_of_two(), "a", "b", messages=70, cut_s=0.5)
    return (to_it,)


@in_a_loop
async def test_a_channel_forgets() -> None:
    assert pubsub_forgets(*await cut(by_hand)).holds


@control(pubsub_forgets)
async def a_stream_in_place_of_the_channel() -> Evidence:
    return await cut(by_stream)


# Backpressure


@control(a_slow_reader_fills_memory)
async def a_client_that_is_skipped() -> Evidence:
    return await what_waits(cluster_of_two(), broadcasts, looks=3, every_s=0, limit_charts=16), await what_waits(
        cluster_of_two(), emits, looks=3, every_s=0
    )


@in_a_loop
async def test_what_is_sent_stays() -> None:
    runs = [await what_waits(cluster_of_two(), app, looks=3, every_s=0) for app in (broadcasts, emits)]
    assert a_slow_reader_fills_memory(*runs).holds


async def with_heartbeat(app: Any) -> Evidence:
    """A heartbeat of a quarter of a second, and looks for more than its interval and timeout together."""
    how = {"looks": 8, "every_s": 0.2, "heartbeat_s": 0.25}
    nodes = cluster_of_two()
    alone, limited = await asyncio.gather(
        what_waits(nodes, app, on="a", **how), what_waits(nodes, broadcasts, on="b", limit_charts=16, **how)
    )
    return alone, limited


@in_a_loop
async def test_keepalive_leaves_it_connected() -> None:
    assert raw_needs_its_own_policy(*await with_heartbeat(broadcasts)).holds


@control(raw_needs_its_own_policy)
async def a_session_that_its_heartbeat_ends() -> Evidence:
    return await with_heartbeat(emits)


test_false_in_its_control = false_in_its_control(__name__)
