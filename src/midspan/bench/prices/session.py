"""A lab's session as a server on trial: the same code that plays on the simulated link, served over real sockets.

A lab's server has one log, and sends each entry of it to everybody. What is measured is an event that is acknowledged
to its sender and told to nobody else, as with the other contenders: so each path is a room of its own, with a log of
its own. Its log is durable as soon as it is in memory: what a disk costs is the same for all, and no part of this.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from midspan.bench.prices.servers import Tls
from midspan.sim.cast import Cast, ServerSeat
from midspan.sim.store import Disk, Entry, Fact, Store
from midspan.wires.certs import HOST


class Memory(Store):
    """A store that writes at once."""

    def __init__(self) -> None:
        self.disk = Disk()
        super().__init__(self.disk, 0.0)

    async def append(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log."""
        self.disk.log.append(Entry(body, facts))

    async def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """The entries of the log after the first `after`, `most` at most."""
        return self.disk.log[after : None if most is None else after + most]


async def serve_cast(cast: Cast, tls: Tls) -> AsyncIterator[int]:
    """Serve a cast's server, one for each path, and give the port."""
    rooms: dict[str, Any] = {}

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path
        if path not in rooms:
            rooms[path] = cast.server(seat(cast))
            await rooms[path].start()
        await rooms[path].handle(connection)

    async with serve(handler, HOST, 0, ssl=tls, compression=None, ping_interval=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def seat(cast: Cast) -> ServerSeat:
    """A seat for a server of which nothing is known before; everybody may come."""
    return ServerSeat(Memory(), lambda _who, _token: True, random.Random(), monotonic, cast.bounds)
