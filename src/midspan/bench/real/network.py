"""All real links of one run, and the server behind them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, ClassVar

from midspan.bench.real.clock import HastyLoop
from midspan.bench.real.face import Face
from midspan.bench.real.link import RealLink
from midspan.sim.cast import Server
from midspan.sim.clock import CANCELLATIONS
from midspan.sim.faults import Way
from midspan.sim.link import Link
from midspan.sim.network import Network
from midspan.wires.certs import Authority
from midspan.wires.direct import Direct
from midspan.wires.servers import raw_server

ENDING_S = 60  # of the run's clock: asyncio gives a TLS connection half of it to say goodbye


class RealNetwork(Network):
    """As `Network`, on real connections.

    Args:
        authority: of the TLS on both sides of each relay.
        counts: as `Cast.counts`.
    """

    make_link: ClassVar[type[Link]] = RealLink
    loop: HastyLoop

    def __init__(self, *args: Any, authority: Authority, counts: Callable[[Way, bytes], bool] | None) -> None:
        super().__init__(*args)
        self.trust, self.identity = authority.client, authority.server
        self.behind: tuple[ssl.SSLContext | None, ssl.SSLContext | None] = self.trust, self.identity
        self.counts = counts
        self.faces: set[Face] = set()
        self.port = 0  # 0: no server listens

    @property
    def up(self) -> bool:
        return self.port != 0

    def place(self) -> tuple[str, int]:
        """Who serves the next connection, and its port."""
        return "", self.port

    async def run(self, server: Server) -> None:
        """Let the server listen, until its process is killed."""
        serving = getattr(server, "serving", None)
        async with serving(self.identity) if serving is not None else self._serving(server) as self.port:
            await self.loop.create_future()

    @asynccontextmanager
    async def _serving(self, server: Server, who: str = "server") -> AsyncIterator[int]:
        handler = partial(self._handle, server.handle, who=who)
        options = {"compression": None, "create_connection": Direct, **asdict(self.limits)}
        async with raw_server(handler, self.behind[1], **options) as served:
            yield served.port

    def kill_server(self) -> None:
        self.port = 0
        super().kill_server()

    async def close(self) -> None:
        """End every task of the run, and wait until its last socket is closed."""
        for link in self.links.values():
            assert isinstance(link, RealLink)
            link.door.close()
        for face in list(self.faces):
            face.abort()
        this = asyncio.current_task()
        for _ in range(CANCELLATIONS):
            tasks = [task for task in self.loop.tasks if not task.done() and task is not this]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=ENDING_S)
        for _ in range(ENDING_S):
            if self.loop.watches:
                await asyncio.sleep(1)
