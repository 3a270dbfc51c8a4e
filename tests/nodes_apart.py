"""Lab 4 as it is deployed: nodes in processes of their own, members in this one, and a history that we can judge.

Everything is real, the clock too: faults are those of `experiments.clusters`, at times drawn from a seed. What is
durable is
read from the streams when all is over, so `ack_after_durable` is judged by what stands there, not by when it came.

    python -m tests.nodes_apart 40            # play that many seeds (then: from which, of which notebook)
"""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import redis.asyncio
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket

from midspan.experiments.clusters import Cluster, cluster
from midspan.labs.lab4_scaling.searching import defined, lab4_node
from midspan.net.servers import Authority
from midspan.simulation import History, Implementation, judge
from midspan.simulation.history import HistoryRecord, Recorder
from midspan.simulation.implementation import Disk, Store
from midspan.simulation.nodes import ROOMS, MemberContext
from midspan.simulation.nodes.network import BODY, stream

NODES, MEMBERS = ("n1", "n2", "n3"), ("a", "b", "c", "d")
SAID_S, EACH = 2.0, 8  # how long they speak, and how many messages each of them says
JUDGED = ("no_loss", "no_duplicate", "order", "no_phantom", "convergence", "liveness", "no_crash")
END_S = 20.0  # of patience after the last fault; the lab promises ten

Connect = Callable[[], Awaitable[ClientConnection]]


def ours(source: str = "solutions") -> Implementation:
    """The node and the client of lab 4."""
    made = defined(source).ours
    assert isinstance(made, Implementation)
    return made


def through(url: Callable[[], str], trust: ssl.SSLContext) -> Connect:
    """What a member is given as `connect`: over TLS, to wherever `url` says."""

    async def connect() -> ClientConnection:
        return await connect_websocket(url(), ssl=trust, compression=None, ping_interval=None, open_timeout=3.0)

    return connect


class Members:
    """The clients of one run, their applications, and what these were told."""

    def __init__(self, implementation: Implementation, prefix: str, seed: int) -> None:
        self._loop, self._cast, self._prefix = asyncio.get_running_loop(), implementation, prefix
        self._began_s, self._rng = self._loop.time(), random.Random(seed)
        self.recorder = Recorder(lambda: self._loop.time() - self._began_s)
        self.clients: dict[str, Any] = {}
        self.room_of: dict[str, str] = {}
        self._progress = asyncio.Event()
        self.recorder.on_progress = self._progress.set
        self.tasks: list[asyncio.Task[None]] = []

    def add(self, who: str, room: str, connect: Connect) -> None:
        """A client that connects by `connect`, and keeps connected."""
        self.room_of[who] = room
        self.tasks.append(asyncio.create_task(self._live(who, room, connect)))

    async def _live(self, who: str, room: str, connect: Connect) -> None:
        facts = {"me": who, "token": f"token of {who}", "room": room, "bounds": self._cast.bounds}
        context = MemberContext(
            connect=lambda: self._noted(who, connect),
            store=Store(Disk(), 0.0),
            app=self.recorder.app(who),
            rng=self._rng,
            now=self._loop.time,
            **facts,  # type: ignore[arg-type]
        )
        self.clients[who] = self._cast.client(context)
        try:
            await self.clients[who].run()
        except Exception as error:
            self.recorder.note(who, "crashed", detail=f"{type(error).__name__}: {error}")
            self._progress.set()

    async def _noted(self, who: str, connect: Connect) -> ClientConnection:
        self.recorder.note(who, "attempt")
        connection = await connect()
        self.recorder.note(who, "opened")
        return connection

    def say(self, who: str, number: int) -> None:
        """Message `number` of this application, which its session takes, or declines."""
        body = f"{who}{number}"
        self.recorder.sent(who, body)
        try:
            self.clients[who].send(body)
        except Exception as error:
            self.recorder.declined(who, body, type(error).__name__)

    async def settled(self, broker: str, within_s: float) -> bool:
        """Wait until all is acknowledged, and everybody has what the log of the room has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not await self._is_settled(broker):
                    self._progress.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await self._progress.wait()
                return True
        return False

    async def _is_settled(self, broker: str) -> bool:
        if self.recorder.unacknowledged:
            return False
        logs = await self.logs(broker)
        return all(self.recorder.views.get(who, []) == logs[room] for who, room in self.room_of.items())

    async def logs(self, broker: str) -> dict[str, list[str]]:
        """What stands in the rooms' streams."""
        client: Any
        async with redis.asyncio.Redis.from_url(broker, decode_responses=True) as client:
            found = {room: await client.xrange(stream(self._prefix, room)) for room in set(self.room_of.values())}
        return {room: [fields[BODY] for _, fields in entries] for room, entries in found.items()}

    async def history(self, broker: str) -> History:
        """What happened, and at its end what the streams hold."""
        now_s, records = self.recorder.now(), self.recorder.records
        for room, bodies in (await self.logs(broker)).items():
            records += [HistoryRecord(now_s, "broker", "durable", body, room) for body in bodies]
        self.recorder.note("run", "ended")
        rooms: dict[str, list[str]] = {}
        for who, room in self.room_of.items():
            rooms.setdefault(room, []).append(who)
        told = tuple((room, tuple(here)) for room, here in rooms.items())
        return History(tuple(records), self._cast.bounds, told)


@asynccontextmanager
async def members(implementation: Implementation, prefix: str, seed: int = 0) -> AsyncIterator[Members]:
    """Clients, once they are added, until the end of the block."""
    made = Members(implementation, prefix, seed)
    try:
        yield made
    finally:
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


def verdicts(history: History) -> dict[str, str]:
    """Predicate -> why it is violated; empty when all hold. What was acknowledged and is in no stream counts too."""
    wrong = {name: one.reason for name, one in judge(history, JUDGED).items() if one.outcome == "violated"}
    missing = {one.message for one in history.of("acknowledged")} - {one.message for one in history.of("durable")}
    return wrong | ({"ack_after_durable": f"acknowledged, and in no stream: {sorted(missing)}"} if missing else {})


# Schedules on the wall clock


@dataclass(frozen=True)
class Fault:
    """One fault of a cluster, when it comes, and how long it lasts."""

    at_s: float
    kind: str
    node: str
    for_s: float

    def __str__(self) -> str:
        return f"{self.kind} {self.node} at {self.at_s:.2f} s for {self.for_s:.2f} s"

    @asynccontextmanager
    async def on(self, nodes: Cluster) -> AsyncIterator[None]:
        """The fault, for as long as the block lasts."""
        faults = {"kill": nodes.killed, "broker cut": nodes.broker_link_cut}
        whole = {"broker down": nodes.broker_down, "balancer cut": nodes.balancer_cut}
        async with AsyncExitStack() as stack:
            if self.kind == "drain":
                await stack.enter_async_context(nodes.out(self.node))
                await nodes.ask(self.node, "drain")
            kind = "kill" if self.kind == "drain" else self.kind
            fault = whole[kind]() if kind in whole else faults[kind](self.node)
            await stack.enter_async_context(fault)
            yield


KINDS = ("kill", "drain", "broker cut", "broker down", "balancer cut")


def faults_of(seed: int) -> list[Fault]:
    """Three faults of three kinds, one after the other."""
    rng, at_s, made = random.Random(seed), 0.2, []
    for kind in rng.sample(KINDS, 3):
        made.append(Fault(at_s, kind, rng.choice(NODES), rng.uniform(0.05, 0.6)))
        at_s += rng.uniform(0.3, 0.9)
    return made


def says_of(seed: int) -> Iterator[tuple[float, str, int]]:
    """When who says which of its messages."""
    rng = random.Random(-1 - seed)
    times = sorted((rng.uniform(0.0, SAID_S), who) for who in MEMBERS for _ in range(EACH))
    numbers = {who: count(1) for who in MEMBERS}
    return ((at_s, who, next(numbers[who])) for at_s, who in times)


async def play(
    nodes: Cluster, implementation: Implementation, trust: ssl.SSLContext, seed: int, patience_s: float = END_S
) -> History:
    """Play the schedule of a seed on nodes that serve, and wait until all has healed.

    The rooms are new ones: a client of the run before may still be arriving at a node, and its name is the same.
    """
    broker = nodes.broker.url
    async with members(implementation, nodes.broker.prefix, seed) as people:
        for i, who in enumerate(MEMBERS):
            people.add(who, f"{ROOMS[i % len(ROOMS)]} {seed}", through(lambda: nodes.wss_url, trust))
        await asyncio.sleep(0)  # each makes its session
        speaking = asyncio.create_task(_speak(people, seed))
        try:
            for fault in faults_of(seed):
                await _until(people, fault.at_s)
                people.recorder.note("run", "fault", detail=str(fault), value=fault.for_s)
                async with fault.on(nodes):
                    await asyncio.sleep(fault.for_s)
                people.recorder.note("run", "healed")
            await speaking
            await people.settled(broker, patience_s)
            return await people.history(broker)
        finally:
            speaking.cancel()


async def _speak(people: Members, seed: int) -> None:
    for at_s, who, number in says_of(seed):
        await _until(people, at_s)
        people.say(who, number)


async def _until(people: Members, at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - people.recorder.now()))


@asynccontextmanager
async def serving(source: str = "solutions") -> AsyncIterator[tuple[Cluster, Implementation, ssl.SSLContext]]:
    """Three nodes of lab 4 behind a balancer, and a broker that keeps what it has."""
    authority = Authority()
    async with cluster(*NODES, authority=authority, durable=True) as nodes:
        await nodes.serve(lab4_node, source=source)
        yield nodes, ours(source), authority.client


async def main(seeds: int, start: int = 0, source: str = "solutions") -> None:
    """Play seeds, and print what came of them."""
    async with serving(source) as (nodes, implementation, trust):
        bad = 0
        for seed in range(start, start + seeds):
            history = await play(nodes, implementation, trust, seed)
            wrong = verdicts(history)
            bad += bool(wrong)
            counts = f"{len(history.of('delivered'))} deliveries, {len(history.of('opened'))} connections"
            print(f"seed {seed}: {wrong or 'holds'}; {counts}; {'; '.join(map(str, faults_of(seed)))}", flush=True)
        print(f"{bad} of {seeds} violated")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:3]), *sys.argv[3:]))  # type: ignore[arg-type]  # a shell says texts
