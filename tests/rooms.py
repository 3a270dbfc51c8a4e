"""A room: how many messages a server delivers in a second, what a delivery costs it, and what one slow reader costs.

    run = await delivering([lab4_on(bus), socketio_on()], members=1000)
    run.ratio("python-socketio on aiohttp", "lab 4", "each_us")     # 3.1x: larger; lab 4 delivers three times as many

Each server stands in processes of its own, on one core; the room on another (`net.receivers`); the broker where there
is room. Whoever speaks is one more member, in this process; it says the next message when everybody has that of some
messages before, so that the server never rests, and never outruns those who listen.
"""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection

from midspan.benchmark import contenders, servers
from midspan.benchmark.clients import Echo, SocketIo
from midspan.benchmark.contenders import Contender, Started, contender, started
from midspan.benchmark.rounds import averaged, turned
from midspan.benchmark.statistics import Numbers, Paired
from midspan.errors import Fitting, Words, need
from midspan.labs.lab4_scaling.searching import defined
from midspan.net.brokers import Broker
from midspan.net.child_process import Child
from midspan.net.receivers import open_receivers
from midspan.net.servers import HOST

AHEAD = 16  # messages under way
FEW_AHEAD = 2  # of large ones: 16 under way wait for each other, and that hides what a slow reader costs
TRIES, GREETED_S = 3, 8.0
TEXT = "hello, everybody in this room"


@dataclass(frozen=True)
class Voice:
    """How a member speaks to a server: texts, in which `{n}` is its number, `{i}` a message's, `{body}` what it says.

    `{room}` is the room's name: a new one each time that a room is opened, so that no log is there before.

    Attributes:
        path: of the upgrade request.
        first: what it says when the connection stands.
        say: what says a message to the room.
        quoted: whether a body is a text within JSON, or JSON itself.
    """

    path: str
    first: str
    say: str
    quoted: bool

    def message(self, number: int, **more: object) -> str:
        """Message `number`, with the time of now in it."""
        body = json.dumps({"at": time.monotonic(), "text": TEXT, **more})
        return self.say.replace("{i}", str(number)).replace("{body}", json.dumps(body) if self.quoted else body)


SOCKETIO_SERVERS = {"aiohttp": servers.aiohttp_socketio, "uvicorn": servers.uvicorn_socketio}
SOCKETIO = Voice("/socket.io/?EIO=4&transport=websocket", "40", '42["say",{body}]', quoted=False)
LAB4 = Voice("/", '["hello","p{n}","t","",0,1,"{room}"]', '["say",{i},{body}]', quoted=True)


@dataclass(frozen=True)
class Speaks:
    """Who is measured: one node, or several that share a broker, and how one speaks to them."""

    name: str
    nodes: tuple[Contender, ...]
    voice: Voice


def socketio_on(bus: Broker | None = None, nodes: int = 1, server: str = "aiohttp") -> Speaks:
    """python-socketio: one node, or several whose messages go through a broker (AsyncRedisManager).

    Args:
        bus: the broker; None: one node needs none.
        nodes: how many.
        server: "aiohttp" or "uvicorn" (ASGI).
    """
    need(server in SOCKETIO_SERVERS, f"one of {', '.join(SOCKETIO_SERVERS)}", server, "Pass one of these")
    options = {} if bus is None else {"broker": bus.url, "channel": bus.name(server)}  # or they hear each other
    made = [contender(f"node {i}", SOCKETIO_SERVERS[server], SocketIo, **options) for i in range(nodes)]
    return Speaks(f"python-socketio on {server}", tuple(made), SOCKETIO)


async def app(
    tls: Any,
    source: str = "solutions",
    outlet: dict[str, Any] | None = None,
    heartbeat: bool = True,
    **options: str,
) -> AsyncIterator[int]:
    """The lab's node as `benchmark` starts servers; gives its port.

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


def lab4_on(
    bus: Broker,
    nodes: int = 1,
    source: str = "solutions",
    outlet: dict[str, Any] | None = None,
    heartbeat: bool = True,
) -> Speaks:
    """The lab's nodes on a broker, as they are measured here; arguments as of `app`."""
    options: dict[str, Any] = {"broker": bus.url, "prefix": bus.prefix, "source": source, "outlet": outlet or {}}
    ours = [f"n{i}" for i in range(1, nodes + 1)]
    made = [contender(name, app, Echo, node=name, heartbeat=heartbeat, **options) for name in ours]
    return Speaks("lab 4", tuple(made), LAB4)


@dataclass(frozen=True)
class Beside(Fitting):
    """What one slow reader cost the others, and the node.

    Attributes:
        p99_times: how many times their 99th percentile it was, beside a room without a slow one; one number a round.
        grown_mb: how many megabytes more the node grew at its largest, one number a round: what waited for a reader
            that was let go of meanwhile is free again at the end.
    """

    name: str
    p99_times: tuple[float, ...]
    grown_mb: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.name}: p99 {median(self.p99_times):.2f}x, memory {median(self.grown_mb):+.1f} MB"

    __repr__ = __str__


async def beside_a_slow_one(
    server: Speaks, *, members: int = 100, messages: int = 600, size_bytes: int = 2**16, rounds: int = 5
) -> Beside:
    """Deliver to a room of which one member reads nothing, and to one in which all read; A B, then B A.

    What it leaves unread are `messages * size_bytes`; the system's own buffers take the first 3 MB or so. It answers no
    ping either: have the server let go of nobody for that (`lab4_on(bus, heartbeat=False)`), or it is gone after some
    seconds, before much has piled up, and what bounds the rest is never asked.

    Args:
        server: who delivers.
        members: in the room.
        messages: said in each, each with a filler of `size_bytes`.
        rounds: with fresh processes.
    """
    _need_some(members, messages, rounds)
    times, grown = [], []
    for turn in range(rounds):
        found: dict[int, Numbers] = {}
        for slow in turned((0, 1), turn):
            async with room(server, members, slow) as opened:
                await opened.deliver(10, FEW_AHEAD, filler="x" * size_bytes)
                before = opened.peak_bytes = opened.rss_bytes()
                found[slow] = await opened.deliver(messages, FEW_AHEAD, filler="x" * size_bytes)
                found[slow]["grown_mb"] = (opened.peak_bytes - before) / 1e6
        times.append(found[1]["p99_ms"] / found[0]["p99_ms"])
        grown.append(found[1]["grown_mb"] - found[0]["grown_mb"])
    return Beside(server.name, tuple(times), tuple(grown))


async def delivering(
    contenders: Sequence[Speaks], *, members: int = 1000, messages: int = 30, rounds: int = 5, seed: int = 0
) -> Paired:
    """Deliver to a room, in paired rounds: A B A B, then B A B A, each with fresh processes.

    Args:
        contenders: at least one, each with a name of its own.
        members: in the room, spread over the nodes.
        messages: that are delivered to each of them, in each slice.
        rounds: see `benchmark`.
        seed: of the bootstrap.

    Returns:
        `each_us`, the time for a delivery, and `cpu_us`, what it costs the servers.
    """
    names = [one.name for one in contenders]
    need(bool(names) and len({*names}) == len(names), "servers, each with a name of its own", names, "Pass them")
    _need_some(members, messages, rounds)
    found: dict[str, list[Numbers]] = {name: [] for name in names}
    for turn in range(rounds):
        for name, numbers in (await _round(turned(contenders, turn), members, messages)).items():
            found[name].append(numbers)
    return Paired({name: tuple(rows) for name, rows in found.items()}, seed)


async def _round(order: list[Speaks], members: int, messages: int) -> dict[str, Numbers]:
    async with AsyncExitStack() as stack:
        rooms = {one.name: await stack.enter_async_context(room(one, members)) for one in order}
        for opened in rooms.values():
            await opened.deliver(max(3, messages // 10))  # warm
        slices = [(name, await opened.deliver(messages)) for _ in range(2) for name, opened in rooms.items()]
    return {name: averaged([numbers for whose, numbers in slices if whose == name]) for name in rooms}


def _need_some(*numbers: int) -> None:
    need(min(numbers) > 0, "a member, a message and a round, or more", numbers, "Pass members, messages, rounds")


class Room:
    """A room with its members, on servers that run. Opened by `room()`."""

    def __init__(
        self, voice: Voice, running: list[Started], people: Child, speaker: ClientConnection, size: int
    ) -> None:
        self.servers, self.people, self.size = running, people, size
        self._voice, self._speaker = voice, speaker
        self._said = 0
        self.peak_bytes = 0  # of the nodes' resident memory, as often as something was said

    async def greeted(self) -> None:
        """Wait until everybody is in the room, and hears it: a log tells those who come late, others do not."""
        for _ in range(TRIES):
            await self._say({})
            everybody = await self.people.ask("until", messages=self.size, within_s=GREETED_S)
            heard = await self.people.ask("heard")
            if everybody:
                return
        need(False, f"{self.size} members that hear a message", heard["messages"], "See what the server says")

    async def deliver(self, messages: int, ahead: int = AHEAD, **more: object) -> Numbers:
        """Say so many messages, `ahead` of whoever is last, and wait until everybody has them."""
        began_s, cpu_s = time.perf_counter(), self.cpu_s()
        for number in range(messages):
            if number >= ahead:
                await self._need_heard(number - ahead + 1)
            await self._say(more)
        await self._need_heard(messages)
        took_s, spent_s = time.perf_counter() - began_s, self.cpu_s() - cpu_s
        ages = await self.people.ask("heard")
        each = 1e6 / (self.size * messages)
        return {"each_us": took_s * each, "cpu_us": spent_s * each, "p99_ms": ages["p99_ms"]}

    def cpu_s(self) -> float:
        """Processor time of all nodes so far."""
        return sum(contenders.cpu_s(server.pid) for server in self.servers if server.pid is not None)

    def rss_bytes(self) -> int:
        """Resident memory of all nodes."""
        return sum(contenders.rss_bytes(server.pid) for server in self.servers if server.pid is not None)

    async def _need_heard(self, messages: int) -> None:
        if await self.people.ask("until", messages=self.size * messages):
            return
        heard = await self.people.ask("heard")
        came = Words(f"{heard['messages']}, with {heard['gone']} members gone")
        need(False, f"{self.size * messages} deliveries", came, "See what the server says")

    async def _say(self, more: dict[str, Any]) -> None:
        self._said += 1
        self.peak_bytes = max(self.peak_bytes, self.rss_bytes())
        await self._speaker.send(self._voice.message(self._said, **more))

    async def listen(self) -> None:
        """The speaker hears the room too, and answers Engine.IO's pings."""
        async for text in self._speaker:
            if text == "2":
                await self._speaker.send("3")


@asynccontextmanager
async def room(one: Speaks, members: int, slow: int = 0) -> AsyncIterator[Room]:
    """Start the nodes, and fill the room; `slow` of its members read nothing."""
    first = one.voice.first.replace("{room}", f"room {secrets.token_hex(4)}")
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(started(node, tls=False)) for node in one.nodes]
        people = await stack.enter_async_context(open_receivers())
        if (ours := contenders.cores()) is not None:
            contenders.pin(people.pid, ours[1])
        for number, server in enumerate(running):
            count = members // len(running) + (number < members % len(running))
            last = slow if number == len(running) - 1 else 0
            await people.ask("open", url=server.url, count=count, slow=last, says=first)
        stack.push_async_callback(people.ask, "close")
        options: dict[str, Any] = {"compression": None, "ping_interval": None, "close_timeout": 0.1, "max_queue": None}
        speaker = await stack.enter_async_context(connect(running[0].url + one.voice.path, **options))
        await speaker.send(first.replace("{n}", "speaker"))
        opened = Room(one.voice, running, people, speaker, members - slow)
        listening = asyncio.create_task(opened.listen())
        try:
            await opened.greeted()
            yield opened
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
