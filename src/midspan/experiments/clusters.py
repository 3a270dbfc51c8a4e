"""A cluster: nodes in processes of their own, a balancer in front, a broker behind, and faults between them.

    nodes = await bench.enter(cluster("a", "b", authority=bench.authority))
    await nodes.serve(app)                      # on each node; see net.child_process for what an app is
    async with nodes.killed("a"): ...           # faults are verbs in a `with` block

    clients == TLS ==> balancer --> node a --> gate --> broker
                                --> node b --> gate -->

It runs in the loop where it was opened (the bench's thread), and can be used from any other loop.
"""

from __future__ import annotations

import asyncio
import inspect
import ssl
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from midspan.errors import checked, need
from midspan.experiments.cluster_clients import OrderClients, SpeakerAndListener, across, order_clients
from midspan.net.balancers import Answered, Balancer, Choice, balancer, round_robin
from midspan.net.brokers import Broker, broker
from midspan.net.child_process import Child, child
from midspan.net.servers import Authority
from midspan.net.tcp import Gate, gate

T = TypeVar("T")

PROGRAM = "midspan.net.child_process"


@dataclass(frozen=True)
class AppSource:
    """The application of every node: a function's source, its name, and its options."""

    source: str
    function: str
    options: dict[str, Any]


class Cluster:
    """Running nodes. Opened by `cluster()`."""

    def __init__(self, bus: Broker, front: Balancer, trust: ssl.SSLContext) -> None:
        self.broker = bus
        self._front, self._trust = front, trust
        self._loop = asyncio.get_running_loop()
        self._stack = AsyncExitStack()
        self._nodes: dict[str, _NodeProcess] = {}

    @property
    def names(self) -> list[str]:
        """The names of the nodes."""
        return list(self._nodes)

    @property
    def url(self) -> str:
        """The balancer's address for Socket.IO clients."""
        return self._front.url

    @property
    def wss_url(self) -> str:
        """The balancer's address for WebSocket clients."""
        return self._front.wss_url

    @property
    def answered(self) -> list[Answered]:
        """Which node answered which request, oldest first."""
        return list(self._front.answered)

    def balance(self, choose: Choice) -> None:
        """Choose nodes in another way from now on (see `net.balancers`), and clear `answered`."""
        need(callable(choose), "a function that chooses a node", choose, "Pass round_robin, by_cookie or by_user")
        self._front.start_over(choose)

    def direct_url(self, name: str) -> str:
        """Return a node's own address, without the balancer and without TLS: `ws://...`."""
        return f"ws://127.0.0.1:{self._node(name).port}"

    async def serve(self, app: Callable[..., Any], *, on: Iterable[str] | None = None, **options: Any) -> None:
        """Serve `app` in place of the application before; the balancer sends clients only to these nodes.

        Args:
            app: `def app(node, **options)`, a plain function; its source is sent to the nodes.
            on: the names of the nodes that serve it; None for all.
            options: values of JSON's types.

        Raises:
            Refusal: it is not such a function, or it fails on a node; the text has its error.
        """
        need(inspect.isfunction(app), "a function that takes a node", app, "Write `def app(node): ...` and pass app")
        nodes = [self._node(name) for name in (self._nodes if on is None else on)]
        serving = AppSource(textwrap.dedent(inspect.getsource(app)), app.__name__, options)
        for node in self._nodes.values():
            node.is_placed = node in nodes
            node.app = serving if node in nodes else node.app
            self._front.remove(node.name)
        await self._in_own_loop(self._serve_on(nodes))

    async def ask(self, name: str, question: str, **arguments: Any) -> Any:
        """Ask the application on a node, and return its answer (`node.commands`)."""
        return await self._node(name).process.ask("ask", name=question, arguments=arguments)

    async def stats(self, name: str) -> dict[str, float]:
        """Return a node's `rss_bytes` and `cpu_s` (CPU time so far)."""
        found: dict[str, float] = await self._node(name).process.ask("stats")
        return found

    def log(self, name: str) -> list[str]:
        """Return what a node wrote to stderr, newest last."""
        return list(self._node(name).process.log)

    # clients

    def across(
        self, speaker: str, listener: str, *, socketio: bool = False, waits: bool = True
    ) -> AbstractAsyncContextManager[SpeakerAndListener]:
        """Open a client that sends on one node and one that receives on another, without the balancer; see `across`."""
        return across(self.direct_url(speaker), self.direct_url(listener), socketio=socketio, waits=waits)

    def order_clients(self, count: int) -> AbstractAsyncContextManager[OrderClients]:
        """Open clients that send orders through the balancer, and connect again after a cut; see `OrderClients`."""
        need(isinstance(count, int) and count > 0, "a number of customers", count, "Pass one or more")
        return order_clients(self.wss_url, self._trust, count=count)

    # faults

    def killed(self, name: str) -> AbstractAsyncContextManager[None]:
        """Kill a node (SIGKILL); at the end of the block a new process takes its name, with an empty memory."""
        self._node(name)
        return self._fault_in_own_loop(self._killed(name))

    def out(self, name: str) -> AbstractAsyncContextManager[None]:
        """Remove a node from the balancer: it gets no new connections; open connections stay."""
        self._node(name)
        return self._fault_in_own_loop(self._front.without(name))

    def broker_link_cut(self, name: str) -> AbstractAsyncContextManager[None]:
        """Cut a node's link to the broker: reset its connections and refuse new ones until the end of the block."""
        return self._fault_in_own_loop(self._node(name).gate.shut())

    def broker_down(self) -> AbstractAsyncContextManager[None]:
        """Kill the broker, and start it again at the end of the block (see `Broker.down`)."""
        return self._fault_in_own_loop(self.broker.down())

    def balancer_cut(self) -> AbstractAsyncContextManager[None]:
        """Reset every client's connection at the balancer, and refuse new ones until the end of the block."""
        return self._fault_in_own_loop(self._front.cut())

    def __str__(self) -> str:
        ways = [f"clients -> TLS -> balancer -> node {name} -> gate -> {self.broker}" for name in self.names]
        return "\n".join(ways)

    __repr__ = __str__

    # in the cluster's own loop

    async def _in_own_loop(self, work: Coroutine[Any, Any, T]) -> T:
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    @asynccontextmanager
    async def _fault_in_own_loop(self, fault: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        await self._in_own_loop(_entered(fault))
        try:
            yield
        finally:
            await self._in_own_loop(_left(fault))

    def _node(self, name: str) -> _NodeProcess:
        need(name in self._nodes, f"a node: {', '.join(self._nodes)}", name, "Pass one of these names")
        return self._nodes[name]

    async def _start(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._nodes[name] = _NodeProcess(name, await self._stack.enter_async_context(gate(self.broker.url)))
        await asyncio.gather(*(node.begin() for node in self._nodes.values()))

    async def _serve_on(self, nodes: Iterable[_NodeProcess]) -> None:
        await asyncio.gather(*(node.serve(self.broker.prefix) for node in nodes))
        for node in nodes:
            if node.is_placed:
                self._front.add_node(node.name, node.port)

    @asynccontextmanager
    async def _killed(self, name: str) -> AsyncIterator[None]:
        node = self._node(name)
        await node.end()
        try:
            yield
        finally:
            await node.begin()
            await self._serve_on([node])

    async def _close(self) -> None:
        """Kill the nodes: they keep no data, and a clean end would wait for clients that may be gone."""
        await asyncio.gather(*(node.end() for node in self._nodes.values()))
        await self._stack.aclose()


class _NodeProcess:
    """A node's name, with its gate to the broker, which stays, and its process, which a restart replaces."""

    def __init__(self, name: str, way: Gate) -> None:
        self.name, self.gate = name, way
        self.process: Child
        self._stack = AsyncExitStack()
        self.app: AppSource | None = None
        self.is_placed = False  # whether the balancer sends clients to it
        self.port = 0

    async def begin(self) -> None:
        """Start the process."""
        self.process = await self._stack.enter_async_context(child(PROGRAM))
        self._stack.callback(self.process.kill)  # runs before the exit of the context above

    async def end(self) -> None:
        """Kill the process (SIGKILL), if there is one, and wait until it has ended."""
        await self._stack.aclose()

    async def serve(self, prefix: str) -> None:
        """Serve its application, if it has one."""
        if self.app is not None:
            facts = {"name": self.name, "broker": self.gate.url, "prefix": prefix}
            self.port = await self.process.ask("serve", node=facts, **asdict(self.app))


@checked
@asynccontextmanager
async def cluster(
    *names: str, authority: Authority, choose: Choice = round_robin, durable: bool = False
) -> AsyncIterator[Cluster]:
    """Start a broker, a balancer and a node for each name.

    Args:
        names: "a", "b", ...; without one, a, b and c.
        authority: the authority of the balancer's certificate (`bench.authority`).
        choose: how the balancer chooses; see `net.balancers`.
        durable: whether the broker keeps its data when it goes down.

    Raises:
        Refusal: a name is not text, two names are equal, or there is no broker.
    """
    names = names or ("a", "b", "c")
    right = all(isinstance(name, str) for name in names) and len({*names}) == len(names)
    need(right, "names of nodes, each once", names, 'Write cluster("a", "b", authority=bench.authority)')
    async with broker(durable=durable) as bus, balancer(authority, choose) as front:
        opened = Cluster(bus, front, authority.client)
        try:
            await opened._start(names)
            yield opened
        finally:
            await opened._close()


async def _entered(fault: AbstractAsyncContextManager[None]) -> None:
    await fault.__aenter__()


async def _left(fault: AbstractAsyncContextManager[None]) -> None:
    await fault.__aexit__(None, None, None)
