"""One run of three nodes and a real broker, in this process, with a clock that jumps; and a search over many runs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, ClassVar, cast

from midspan.errors import checked
from midspan.simulation.end import LinkEnd
from midspan.simulation.faults import NODES, BalancerCut, BrokerCut, BrokerRestart, NodeDrain, NodeKill, TimedFault
from midspan.simulation.history import History, Recorder
from midspan.simulation.implementation import ClientContext, Implementation
from midspan.simulation.nodes.broker import clients, patched_random, shared_broker
from midspan.simulation.nodes.network import (
    HARMLESS_ERRORS,
    ROOMS,
    BrokerLink,
    MemberContext,
    Node,
    NodeContext,
    NodesNetwork,
    Observer,
    RoomsRecorder,
)
from midspan.simulation.process import Process, Processes
from midspan.simulation.run import Player, ScheduleRun, Watch
from midspan.simulation.schedule import Schedule, Shape, generate
from midspan.simulation.searching import Findings, search_by_seeds
from midspan.simulation.shrinking import counterexample
from midspan.simulation.tls.loop import VirtualTimeSelectorLoop
from midspan.simulation.tls.run import shared_authority, to_the_end_and_close

AGAIN_S = 0.5  # seconds until a node that could not start is started again
DRAIN_S = 5.0  # the longest time to drain; then the node is killed, as an orchestrator does
APART_S = 1e-6  # latencies to the broker differ by this, so that it receives commands in the same order on each replay


class NodeRun:
    """One node from start to kill: its process, its link to the broker, and the node under test."""

    def __init__(self, process: Process, broker_link: BrokerLink) -> None:
        self.process, self.broker_link = process, broker_link
        self.node: Node | None = None


class NodesProcesses(Processes):
    """As `Processes`, with nodes in place of a server."""

    harmless = HARMLESS_ERRORS
    network: NodesNetwork
    recorder: RoomsRecorder
    loop: VirtualTimeSelectorLoop

    def __init__(
        self, loop: Any, implementation: Implementation, schedule: Schedule, recorder: Any, network: Any
    ) -> None:
        super().__init__(loop, implementation, schedule, recorder, network)
        self.recorder.take_contexts(schedule.joins)
        self.node_runs: dict[str, NodeRun] = {}
        self._latencies_s = count(self.write_s / 2, APART_S)
        self.cut_off: list[str] = []  # nodes whose link to the broker is cut, listed once for each fault
        self.observer = Observer(self.loop, self.network.broker.url, self.network.prefix, self.recorder)

    # the nodes

    def start_server(self) -> None:
        self.observer.start()
        for name in NODES:
            self.start_node(name)

    def kill_server(self, keeps_log: bool) -> None:
        for name in NODES:
            self.kill_node(name)
        if not keeps_log:
            self.kill_broker(keeps_log)
            self.start_broker(keeps_log)

    def restart_server(self) -> None:
        for name in NODES:
            self.restart_node(name)

    def start_node(self, name: str) -> None:
        """Start a node in a new process, with an empty memory."""
        broker_link = BrokerLink(self.loop, self.network.broker.url, self._latencies_s, partial(self._passable, name))
        self.network.broker_links.append(broker_link)
        run_of_node = self.node_runs[name] = NodeRun(Process(self.loop), broker_link)
        bounds, prefix = self.implementation.bounds, self.network.prefix
        context = NodeContext(name, broker_link.url, prefix, self._authorise, self.rng, self.loop.time, bounds)
        run_of_node.process.spawn(self._serve_node(run_of_node, context))

    def _passable(self, name: str) -> bool:
        return name not in self.cut_off and self.network.broker.up

    async def _serve_node(self, run_of_node: NodeRun, context: NodeContext) -> None:
        try:
            node = run_of_node.node = cast("Node", self.implementation.server(context))
            start = getattr(node, "start", None)
            if start is not None:
                await start()
            await self.network.run_node(context.name, node)
        except HARMLESS_ERRORS:
            self.loop.call_later(AGAIN_S, self._again, context.name, run_of_node, context=contextvars.Context())
        except Exception as error:
            self._crashed(context.name, error)

    def _again(self, name: str, run_of_node: NodeRun) -> None:
        if self.node_runs.get(name) is run_of_node:
            self.kill_node(name)
            self.restart_node(name)

    def kill_node(self, name: str) -> None:
        """Close its link to the broker first, then its connections, then its tasks: so a `finally` has no effect."""
        run_of_node = self.node_runs.pop(name, None)
        if run_of_node is not None:
            run_of_node.broker_link.close()
            self.network.cut_node(name)
            run_of_node.process.kill()

    def restart_node(self, name: str) -> None:
        if name not in self.node_runs and not self.network.closing:
            self.recorder.note(name, "restarted")
            self.start_node(name)

    def drain_node(self, name: str, stopped: Callable[[], None]) -> None:
        """Send a node no new connections, let it drain, and kill it. Then call `stopped`."""
        run_of_node = self.node_runs.get(name)
        if run_of_node is None or run_of_node.node is None:
            self.kill_node(name)
            stopped()
            return
        self.network.ports.pop(name, None)
        run_of_node.process.spawn(self._drain(name, run_of_node, run_of_node.node, stopped))

    async def _drain(self, name: str, run_of_node: NodeRun, node: Node, stopped: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await node.drain()
        except TimeoutError:
            self.recorder.note(name, "gave up", detail=f"drained for {DRAIN_S:g} s")
        except HARMLESS_ERRORS:
            pass
        except Exception as error:
            self._crashed(name, error)
        finally:
            self.loop.call_soon(self._stop, name, run_of_node, stopped, context=contextvars.Context())

    def _stop(self, name: str, run_of_node: NodeRun, stopped: Callable[[], None]) -> None:
        if self.node_runs.get(name) is run_of_node:
            self.kill_node(name)
        stopped()

    # the broker

    def cut_off_broker(self, name: str) -> None:
        """Reset this node's connections to the broker, and refuse new ones."""
        self.cut_off.append(name)
        if name in self.node_runs:
            self.node_runs[name].broker_link.cut()

    def join_to_broker(self, name: str) -> None:
        self.cut_off.remove(name)
        self.recorder.note(name, "healed")

    def kill_broker(self, keeps_log: bool) -> None:
        """Cut the links to it first, so that bytes on their broker_link have no effect."""
        for run_of_node in self.node_runs.values():
            run_of_node.broker_link.cut()
        self.observer.stop()
        self.network.broker.kill()
        if not keeps_log:
            self.recorder.wiped()

    def start_broker(self, keeps_log: bool) -> None:
        self.network.broker.start()
        if not keeps_log:
            self.network.broker.forget(self.network.prefix)
        self.observer.start(anew=not keeps_log)
        self.recorder.note("broker", "restarted")

    # the clients

    def make_client_context(self, **given: Any) -> ClientContext:
        return MemberContext(**given, room=self.recorder.room_of[given["me"]])

    # notes for the history

    def _sample_server(self) -> None:
        for name, run_of_node in self.node_runs.items():
            self.loop.call_soon(self._sample, name, run_of_node.node)


class NodesScheduleRun(ScheduleRun):
    """As `ScheduleRun`, with nodes in place of one server."""

    make_processes: ClassVar[type[Processes]] = NodesProcesses
    make_recorder: ClassVar[type[Recorder]] = RoomsRecorder
    network: NodesNetwork
    processes: NodesProcesses

    def happens(self, fault: TimedFault, end: LinkEnd) -> None:
        match fault:
            case NodeKill():
                self._kill_node(self._node_of(fault), fault.down_s)
            case NodeDrain():
                self._drain_node(self._node_of(fault), fault.down_s)
            case BrokerCut():
                name = self._node_of(fault)
                self.processes.cut_off_broker(name)
                self.until(fault.for_s, lambda: self.processes.join_to_broker(name))
            case BrokerRestart():
                self._restart_broker(fault)
            case BalancerCut():
                self.network.cuts += 1
                self.network.cut_clients()
                self.until(fault.for_s, self._balance_again)
            case _:
                super().happens(fault, end)

    def _node_of(self, fault: NodeKill | NodeDrain | BrokerCut) -> str:
        return fault.node or self.network.serves(fault.at.link)

    def _kill_node(self, name: str, down_s: float) -> None:
        if name in self.processes.node_runs:  # else it is down already
            self.processes.kill_node(name)
            self.until(down_s, lambda: self.processes.restart_node(name))

    def _drain_node(self, name: str, down_s: float) -> None:
        if name not in self.processes.node_runs:
            return

        def stopped() -> None:
            self.disturbed -= 1
            self.until(down_s, lambda: self.processes.restart_node(name))

        self.disturbed += 1
        self.processes.drain_node(name, stopped)

    def _restart_broker(self, fault: BrokerRestart) -> None:
        if self.network.broker.up:
            self.processes.kill_broker(fault.keeps_log)
            self.until(fault.down_s, lambda: self.processes.start_broker(fault.keeps_log))

    def _balance_again(self) -> None:
        self.network.cuts -= 1
        self.recorder.note("balancer", "healed")


@checked
def play_nodes(implementation: Implementation, schedule: Schedule, watch: Watch | None = None) -> History:
    """Run one schedule on three nodes and a broker, on this thread.

    Args:
        implementation: the node and the client under test (`NodeContext`, `MemberContext`).
        schedule: the clients with their rooms, their messages, and the faults.
        watch: what to observe besides the history.
    """
    with (
        shared_broker() as broker,
        broker.turn,
        implementation.around(schedule.seed),
        patched_random(schedule.seed),
        clients() as left,
    ):
        loop = VirtualTimeSelectorLoop()
        loop.wait_for_others = broker.settle
        network = partial(
            NodesNetwork, authority=shared_authority(), counts=implementation.counts, bus=broker, left=left
        )
        schedule_run = NodesScheduleRun(loop, implementation, schedule, watch or Watch(), network)
        try:
            return to_the_end_and_close(schedule_run)
        finally:
            broker.start()
            broker.settle()
            broker.forget(schedule_run.network.prefix)


MOST_RUNS = 100  # the most runs for shrinking a counterexample
NODE_SHAPE = Shape(
    messages=6,
    clients=4,
    faults=4,
    kinds=(
        *("Cut",) * 3,
        *("NodeKill",) * 3,
        *("NodeDrain", "BrokerCut", "BrokerRestart") * 2,
        *("BalancerCut", "ClientRestart", "HalfOpen", "Silence", "Delay", "Refuse", "Revoke"),
    ),
)


@checked
def generate_nodes(seed: int, shape: Shape | None = None) -> Schedule:
    """The schedule of this seed, with its clients in the rooms in turn. Default of `shape`: `NODE_SHAPE`."""
    made = generate(seed, shape or NODE_SHAPE)
    joins = tuple(replace(join, room=ROOMS[i % len(ROOMS)]) for i, join in enumerate(made.joins))
    return replace(made, joins=joins)


@checked
def search_nodes(
    implementation: Implementation,
    seeds: Iterable[int] = range(30),
    shape: Shape | None = None,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
) -> Findings:
    """Play the schedule of each seed on one broker. Runs in a thread beside the caller's loop.

    The arguments are those of `midspan.simulation.search`. Default of `shape`: `NODE_SHAPE`.
    """
    examine = partial(counterexample, most_runs=MOST_RUNS)
    return search_by_seeds(
        "search_nodes", opened_nodes, implementation, seeds, shape, names, keep_going, generate_nodes, examine
    )


@contextmanager
def opened_nodes(_implementation: Implementation) -> Iterator[Player]:
    """Give `play_nodes`, with one open broker for all runs in the block."""
    with shared_broker():
        yield play_nodes
