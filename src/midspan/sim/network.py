"""All links of one run, and the server behind them."""

from __future__ import annotations

import math
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from websockets.exceptions import ConnectionClosed

from midspan.sim.cast import Server
from midspan.sim.connection import SimConnection
from midspan.sim.errors import in_words
from midspan.sim.faults import Fault, Way
from midspan.sim.history import Recorder
from midspan.sim.limits import Limits
from midspan.sim.link import Fire, Link, Trace
from midspan.sim.runloop import RunLoop

Handler = Callable[[SimConnection], Awaitable[None]]


class Network:
    """All links of one run, and the server behind them.

    Args:
        loop: the run's loop.
        recorder: told of what happens to connections.
        latency_s: of a frame, one way.
        faults: what goes wrong; those that name a moment fire there.
        fire: makes a fault happen; the connection is the one on which its moment came.
        limits: of each connection.
    """

    make_link: ClassVar[type[Link]] = Link

    def __init__(
        self,
        loop: RunLoop,
        recorder: Recorder,
        latency_s: float,
        faults: tuple[Fault, ...],
        fire: Fire,
        limits: Limits,
    ) -> None:
        self.loop, self.recorder, self.latency_s, self.limits = loop, recorder, latency_s, limits
        self.faults, self.fire = faults, fire
        self.links: dict[str, Link] = {}
        self.handler: Handler | None = None  # None: no server listens
        self.killed_at_s = -math.inf  # when a server process last was
        self.spawn: Callable[[Coroutine[Any, Any, None]], object] = loop.create_task  # a task of the server process
        self.crossings: list[tuple[str, Way, int]] | None = None  # each message of the run, where a search asks for it
        self.trace: Trace | None = None
        self.on_open: Callable[[], None] = lambda: None
        self.trust: ssl.SSLContext | None = None  # of the clients of a real link

    def link(self, name: str) -> Link:
        """The link of one client."""
        if name not in self.links:
            self.links[name] = self.make_link(self, name)
        return self.links[name]

    @property
    def up(self) -> bool:
        """Does a server listen?"""
        return self.handler is not None

    async def run(self, server: Server) -> None:
        """Let the server listen; called in its process. On a real link it lasts until the process is killed."""
        self.serve(server.handle)

    def serve(self, handler: Handler) -> None:
        """From now on a server listens: `handler` is called for each connection, as `websockets.serve` does."""
        self.handler = handler

    def kill_server(self) -> None:
        """The server process is gone, and its connections with it."""
        self.handler, self.killed_at_s = None, self.loop.now_s
        for link in self.links.values():
            link.cut_all()

    def accept(self, connection: SimConnection) -> None:
        """Call the handler for one connection."""
        assert self.handler is not None
        self.spawn(self._handle(self.handler, connection))

    async def _handle(self, handler: Handler, connection: SimConnection, who: str = "server") -> None:
        try:
            await handler(connection)
        except ConnectionClosed:
            pass
        except Exception as error:
            self.recorder.note(who, "crashed", detail=in_words(error))
            await connection.close(1011)
        else:
            await connection.close()

    def let_go(self) -> None:
        """The run is over."""
        for link in self.links.values():
            link.let_go()
        self.links.clear()
        self.handler = None
        del self.fire, self.on_open, self.spawn
