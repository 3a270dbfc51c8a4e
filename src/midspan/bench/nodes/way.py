"""The way of one node to the broker: a door of ours in front of it, so that it takes its time and can be cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from midspan.bench.real.door import Door
from midspan.sim.pipe import Pipe, SimFrame
from midspan.wires.certs import HOST
from midspan.wires.gate import by_way_of
from midspan.wires.reset import reset

if TYPE_CHECKING:
    from midspan.bench.real.clock import HastyLoop


class BrokerWay:
    """All connections of one node, in one of its lives, to the broker.

    Args:
        loop: of the run.
        broker: URL of the broker.
        latencies_s: of each connection, one way.
        passable: may a new connection pass now?
    """

    def __init__(
        self, loop: HastyLoop, broker: str, latencies_s: Iterator[float], passable: Callable[[], bool]
    ) -> None:
        self._loop, self._broker, self._latencies_s, self._passable = loop, urlsplit(broker), latencies_s, passable
        self._ends: dict[_End, None] = {}
        self._door = Door(loop, self._let_in)
        self.url = by_way_of(broker, self._door.address)

    def cut(self) -> None:
        """Reset what is open; what is on its way is lost."""
        for end in list(self._ends):
            end.lose()

    def close(self) -> None:
        """The node's life is over: cut, and let nothing pass any more."""
        self._door.close()
        self.cut()

    async def _let_in(self, sock: socket.socket) -> None:
        latency_s = next(self._latencies_s)
        near, far = (_End(self._ends, Pipe(self._loop, latency_s)) for _ in range(2))
        near.into.to, far.into.to = far, near
        try:
            if not self._passable():
                raise ConnectionRefusedError
            await self._reach(far)
            await self._loop.connect_accepted_socket(lambda: near, sock)
        except OSError:
            reset(sock)
            far.lose()

    async def _reach(self, far: _End) -> None:
        at = self._broker
        if at.scheme == "unix":
            await self._loop.create_unix_connection(lambda: far, at.path)
        else:
            await self._loop.create_connection(lambda: far, at.hostname or HOST, at.port or 6379)


class _End(asyncio.Protocol):
    """One side of a connection: what it reads goes into its pipe, what comes out of the other pipe it writes.

    Args:
        open_ends: where it stands while it is open.
        into: the pipe to the other side.
    """

    paused = False

    def __init__(self, open_ends: dict[_End, None], into: Pipe) -> None:
        self._open_ends, self.into = open_ends, into
        self._transport: asyncio.Transport | None = None
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open_ends[self] = None
        if self._over:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self.into.write(SimFrame("http", data, 0, data))

    def connection_lost(self, _error: Exception | None) -> None:
        self._open_ends.pop(self, None)
        if not self._over:
            self._over = True
            self.into.write(SimFrame("end", b""))

    def receive(self, frame: SimFrame) -> None:
        """Write what has arrived to this side."""
        if self._transport is None or self._over:
            return
        if frame.opcode == "end":
            self._over = True
            self._transport.close()
        else:
            self._transport.write(frame.raw)

    def lose(self) -> None:
        """The connection is gone."""
        self._over = True
        self.into.break_()
        if self._transport is not None:
            reset(self._transport)
