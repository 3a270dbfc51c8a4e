"""Nodes are processes of their own; the balancer says who answered; faults are verbs; nothing outlives its owner."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import socketio
from redis.exceptions import ConnectionError as BrokerGone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from midspan.errors import Refusal
from midspan.experiments.clusters import Cluster
from midspan.experiments.clusters import cluster as open_cluster
from midspan.net.balancers import by_cookie, by_user, round_robin
from midspan.net.servers import Authority
from midspan.net.tcp import Gate
from tests.clusters import running_cluster
from tests.loops import in_a_loop

AUTHORITY = Authority()
GONE_S = 20.0  # for a family of processes to end; the whole test takes two seconds beside other work


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three nodes for the tests that leave them alive, in a thread of their own, as a bench has them."""
    with running_cluster("a", "b", "c", authority=AUTHORITY) as opened:
        yield opened


@asynccontextmanager
async def own(*names: str) -> AsyncIterator[Cluster]:
    """Nodes for one test, which may kill them."""
    async with open_cluster(*names, authority=AUTHORITY) as cluster:
        yield cluster


async def serve(cluster: Cluster, app: Any, on: str = "ab", **options: Any) -> None:
    """Serve `app` on these nodes; the next request is the first."""
    await cluster.serve(app, on=on, **options)
    cluster.balance(round_robin)


def names_itself(node: Any, greeting: str = "I am") -> Any:
    """Answers each message with its name; counts them."""
    heard = []

    async def handler(connection: Any) -> None:
        async for message in connection:
            heard.append(message)
            await connection.send(f"{greeting} {node.name}")

    node.commands["heard"] = lambda: len(heard)
    return node.raw(handler)


def framework(node: Any) -> Any:
    """A Socket.IO server that tells which node it is."""

    def register(sio: Any) -> None:
        async def who(_sid: str) -> str:
            return str(node.name)

        sio.on("who", who)

    return node.socketio(register)


def keeps_in_the_broker(node: Any) -> Any:
    """Writes to the broker by way of the gate; a failure is said in words."""
    from redis.asyncio import Redis
    from redis.exceptions import ConnectionError as Gone

    async def write() -> str:
        async with Redis.from_url(node.broker) as client:
            try:
                return str(await client.incr(node.prefix + "n"))
            except Gone:
                return "cut off"

    async def handler(_connection: Any) -> None:
        return None

    node.commands["write"] = write
    return node.raw(handler)


def breaks(_node: Any) -> Any:
    raise KeyError("the app's own mistake")


def client(cluster: Cluster, path: str = "") -> connect:
    return connect(cluster.wss_url + path, ssl=AUTHORITY.client)


async def said(connection: ClientConnection) -> str:
    await connection.send("who?")
    return str(await connection.recv())


@in_a_loop
async def test_each_node_answers_in_turn_and_is_named(cluster: Cluster) -> None:
    await serve(cluster, names_itself, on="abc", greeting="here is")
    answers = []
    for _ in range(6):
        async with client(cluster) as connection:
            answers.append(await said(connection))
            assert connection.response is not None
            assert answers[-1].endswith(connection.response.headers["X-Node"])
    assert answers == [f"here is {name}" for name in "abcabc"]
    assert [str(one) for one in cluster.answered][:2] == [f"GET  websocket -> {name}  101" for name in "ab"]
    assert [await cluster.ask(name, "heard") for name in "abc"] == [2, 2, 2]
    assert {name: await cluster.stats(name) for name in "a"}["a"]["rss_bytes"] > 2**20


@in_a_loop
async def test_one_user_goes_to_one_node(cluster: Cluster) -> None:
    await serve(cluster, names_itself, on="abc")
    cluster.balance(by_user)
    went: dict[str, Counter[str]] = {}
    for user in ("ana", "ben", "cleo", "dora") * 3:
        async with client(cluster, f"/?user={user}") as connection:
            went.setdefault(user, Counter())[await said(connection)] += 1
    assert all(len(nodes) == 1 for nodes in went.values())
    assert len({*map(str, went.values())}) > 1, "not everybody goes to the same"


@asynccontextmanager
async def polling(cluster: Cluster) -> AsyncIterator[socketio.AsyncClient]:
    """A Socket.IO client that only polls, and keeps cookies (an address needs `unsafe` for that)."""
    connector, jar = aiohttp.TCPConnector(ssl=AUTHORITY.client), aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http:
        framework_client = socketio.AsyncClient(http_session=http, reconnection=False)
        await framework_client.connect(cluster.url, transports=["polling"])
        yield framework_client
        await framework_client.eio.disconnect(abort=True)


@in_a_loop
async def test_polling_needs_one_node_and_a_cookie_gives_it() -> None:
    async with own("a", "b") as cluster:
        await serve(cluster, framework)
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with polling(cluster):
                pass
        assert 400 in {one.status for one in cluster.answered}
        cluster.balance(by_cookie)
        async with polling(cluster) as framework_client:
            names = {await framework_client.call("who") for _ in range(3)}
        assert len(names) == 1
        assert {one.node for one in cluster.answered} == names
        assert {one.status for one in cluster.answered} <= {200}
        cluster.balance(round_robin)


@in_a_loop
async def test_a_killed_node_cuts_its_clients_and_is_passed_over() -> None:
    """In the block nobody is there; after it a new process has the name, and nothing in its memory."""
    async with own("a", "b") as cluster:
        await serve(cluster, names_itself)
        connection = await client(cluster)
        assert await said(connection) == "I am a"
        async with cluster.killed("a"):
            with pytest.raises(ConnectionClosed) as closed:
                await said(connection)
            assert closed.value.rcvd is None, "nobody said goodbye"
            for _ in range(2):
                async with client(cluster) as other:
                    assert await said(other) == "I am b"
        assert await cluster.ask("a", "heard") == 0
        cluster.balance(round_robin)
        async with client(cluster) as again:
            assert await said(again) == "I am a"


@in_a_loop
async def test_a_node_that_is_out_keeps_what_it_has(cluster: Cluster) -> None:
    await serve(cluster, names_itself)
    async with client(cluster) as kept, cluster.out("a"):
        for _ in range(2):
            async with client(cluster) as other:
                assert await said(other) == "I am b"
        assert await said(kept) == "I am a"


@in_a_loop
async def test_the_balancer_sends_to_those_that_serve_what_was_served_last() -> None:
    """Two applications on two nodes; a node that comes back serves its own, and keeps its place."""
    async with own("a", "b") as cluster:
        await serve(cluster, names_itself, greeting="early")
        await cluster.serve(names_itself, on="b", greeting="late")
        async with cluster.killed("a"), cluster.killed("b"):
            pass
        for _ in range(2):
            async with client(cluster) as connection:
                assert await said(connection) == "late b"
        async with connect(cluster.direct_url("a")) as connection:
            assert await said(connection) == "early a"


@in_a_loop
async def test_without_a_node_it_is_503() -> None:
    async with own("a") as cluster:
        await serve(cluster, names_itself, on="a")
        async with cluster.killed("a"):
            with pytest.raises(InvalidStatus) as refused:
                await client(cluster)
            assert refused.value.response.status_code == 503


@in_a_loop
async def test_one_node_is_cut_off_the_broker_and_the_other_is_not(cluster: Cluster) -> None:
    await serve(cluster, keeps_in_the_broker)
    assert await cluster.ask("a", "write") == "1"
    async with cluster.broker_link_cut("a"):
        assert await cluster.ask("a", "write") == "cut off"
        assert await cluster.ask("b", "write") == "2"
    assert await cluster.ask("a", "write") == "3"


@in_a_loop
async def test_the_broker_goes_down_and_comes_back() -> None:
    async with own("a") as cluster:
        await serve(cluster, keeps_in_the_broker, on="a")
        async with cluster.broker.client() as mine, cluster.broker_down():
            assert await cluster.ask("a", "write") == "cut off"
            with pytest.raises(BrokerGone):
                await mine.get("n")
        assert await cluster.ask("a", "write") == "1"


@in_a_loop
async def test_a_cut_at_the_balancer_reaches_every_client(cluster: Cluster) -> None:
    await serve(cluster, names_itself)
    connections = [await client(cluster) for _ in range(3)]
    async with cluster.balancer_cut():
        for connection in connections:
            with pytest.raises(ConnectionClosed):
                await said(connection)
        with pytest.raises(ConnectionRefusedError):
            await client(cluster)
    async with client(cluster) as connection:
        assert (await said(connection)).startswith("I am")


def test_a_gate_keeps_all_of_an_address_but_the_place() -> None:
    way = Gate("redis://me:secret@far.example:6379/2")
    way.port = 1234
    assert way.url == "redis://me:secret@127.0.0.1:1234/2"


@in_a_loop
async def test_bad_arguments_are_sentences() -> None:
    with pytest.raises(Refusal, match="names of nodes, each once"):
        async with open_cluster("a", "a", authority=AUTHORITY):
            pass
    async with own("a") as cluster:
        await serve(cluster, names_itself, on="a")
        with pytest.raises(Refusal, match="a node: a"):
            cluster.killed("b")
        with pytest.raises(Refusal, match="one of heard"):
            await cluster.ask("a", "what")
        with pytest.raises(Refusal, match="a function that takes a node"):
            await cluster.serve("names_itself")  # type: ignore[arg-type]  # what a learner may write
        with pytest.raises(Refusal, match="KeyError"):
            await cluster.serve(breaks)
        await cluster.serve(names_itself)
        assert await cluster.ask("a", "heard") == 0


OWNER = """
import asyncio
from midspan.experiments.clusters import cluster
from midspan.net.servers import Authority

async def own():
    async with cluster("a", "b", authority=Authority()):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(own())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nodes_go_with_their_owner(number: signal.Signals, own_folders: Path) -> None:
    """Two nodes, the broker's keeper and the broker: none outlives the process that started them."""
    command, pipe = [sys.executable, "-c", OWNER], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, process_group=0) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        family = psutil.Process(owner.pid).children(recursive=True)
        assert len(family) == 4
        owner.send_signal(number)
        owner.wait(GONE_S)
        _, alive = psutil.wait_procs(family, timeout=GONE_S)
    assert alive == []
    assert list(own_folders.glob("midspan-*")) == []
