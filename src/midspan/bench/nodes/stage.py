"""The processes of one run of nodes: three nodes, each with its way to the broker, and the members of the rooms."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, cast

from midspan.bench.nodes.log import Observer, RoomsRecorder
from midspan.bench.nodes.network import NOT_ITS_FAULT, NodesNetwork
from midspan.bench.nodes.seats import MemberSeat, Node, NodeSeat
from midspan.bench.nodes.way import BrokerWay
from midspan.bench.real.clock import HastyLoop
from midspan.sim.cast import Cast, ClientSeat
from midspan.sim.outages import NODES
from midspan.sim.process import Process
from midspan.sim.schedule import Schedule
from midspan.sim.stage import Stage

AGAIN_S = 0.5  # until a node that could not start is started again
DRAIN_S = 5.0  # that a node may take to drain: then it is killed, as by an orchestrator
APART_S = 1e-6  # no two connections to the broker are equally long: it hears one after the other, on each replay


class Life:
    """One life of a node: its process, its way to the broker, and the node."""

    def __init__(self, process: Process, way: BrokerWay) -> None:
        self.process, self.way = process, way
        self.node: Node | None = None


class NodesStage(Stage):
    """As `Stage`, with nodes in place of a server."""

    harmless = NOT_ITS_FAULT
    network: NodesNetwork
    recorder: RoomsRecorder
    loop: HastyLoop

    def __init__(self, loop: Any, cast: Cast, schedule: Schedule, recorder: Any, network: Any) -> None:
        super().__init__(loop, cast, schedule, recorder, network)
        self.recorder.take_seats(schedule.joins)
        self.lives: dict[str, Life] = {}
        self._latencies_s = count(self.write_s / 2, APART_S)
        self.cut_off: list[str] = []  # nodes whose way to the broker is cut, once for each fault
        self.observer = Observer(self.loop, self.network.bus.url, self.network.prefix, self.recorder)

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
        """A new life, with an empty memory."""
        way = BrokerWay(self.loop, self.network.bus.url, self._latencies_s, partial(self._passable, name))
        self.network.ways.append(way)
        life = self.lives[name] = Life(Process(self.loop), way)
        bounds, prefix = self.cast.bounds, self.network.prefix
        seat = NodeSeat(name, way.url, prefix, self._authorise, self.rng, self.loop.time, bounds)
        life.process.spawn(self._serve_node(life, seat))

    def _passable(self, name: str) -> bool:
        return name not in self.cut_off and self.network.bus.up

    async def _serve_node(self, life: Life, seat: NodeSeat) -> None:
        try:
            node = life.node = cast("Node", self.cast.server(seat))
            start = getattr(node, "start", None)
            if start is not None:
                await start()
            await self.network.run_node(seat.name, node)
        except NOT_ITS_FAULT:
            self.loop.call_later(AGAIN_S, self._again, seat.name, life, context=contextvars.Context())
        except Exception as error:
            self._crashed(seat.name, error)

    def _again(self, name: str, life: Life) -> None:
        if self.lives.get(name) is life:
            self.kill_node(name)
            self.restart_node(name)

    def kill_node(self, name: str) -> None:
        """First its way to the broker, then its connections, then its tasks: what these still do has no effect."""
        life = self.lives.pop(name, None)
        if life is not None:
            life.way.close()
            self.network.cut_node(name)
            life.process.kill()

    def restart_node(self, name: str) -> None:
        if name not in self.lives and not self.network.closing:
            self.recorder.note(name, "restarted")
            self.start_node(name)

    def drain_node(self, name: str, stopped: Callable[[], None]) -> None:
        """Take a node out of the balancer's turn, let it drain, stop it; say so then, or when it was killed."""
        life = self.lives.get(name)
        if life is None or life.node is None:
            self.kill_node(name)
            stopped()
            return
        self.network.ports.pop(name, None)
        life.process.spawn(self._drain(name, life, life.node, stopped))

    async def _drain(self, name: str, life: Life, node: Node, stopped: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await node.drain()
        except TimeoutError:
            self.recorder.note(name, "gave up", detail=f"drained for {DRAIN_S:g} s")
        except NOT_ITS_FAULT:
            pass
        except Exception as error:
            self._crashed(name, error)
        finally:
            self.loop.call_soon(self._stop, name, life, stopped, context=contextvars.Context())

    def _stop(self, name: str, life: Life, stopped: Callable[[], None]) -> None:
        if self.lives.get(name) is life:
            self.kill_node(name)
        stopped()

    # the broker

    def cut_off_broker(self, name: str) -> None:
        """This node's connections to the broker are reset, and new ones refused."""
        self.cut_off.append(name)
        if name in self.lives:
            self.lives[name].way.cut()

    def join_to_broker(self, name: str) -> None:
        self.cut_off.remove(name)
        self.recorder.note(name, "healed")

    def kill_broker(self, keeps_log: bool) -> None:
        """First the ways to it, so that nothing that is on its way has an effect."""
        for life in self.lives.values():
            life.way.cut()
        self.observer.stop()
        self.network.bus.kill()
        if not keeps_log:
            self.recorder.wiped()

    def start_broker(self, keeps_log: bool) -> None:
        self.network.bus.start()
        if not keeps_log:
            self.network.bus.forget(self.network.prefix)
        self.observer.start(anew=not keeps_log)
        self.recorder.note("broker", "restarted")

    # the clients

    def make_client_seat(self, **given: Any) -> ClientSeat:
        return MemberSeat(**given, room=self.recorder.room_of[given["me"]])

    # what they show

    def _sample_server(self) -> None:
        for name, life in self.lives.items():
            self.loop.call_soon(self._sample, name, life.node)
