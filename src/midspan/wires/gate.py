"""A gate on the way to an address: bytes pass, until it is shut.

Stands in for the network between two parts of a system, a node and its broker, say. While it is shut it is what a
cable pulled out and a firewall's refusal look like together: open connections are reset, new ones refused. What had
been sent may have arrived or not, as on any network. Nothing is ever taken out of the middle of a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from midspan.refusal import need
from midspan.wires.certs import HOST
from midspan.wires.reset import close, reset

READ_BYTES = 65536
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Gate:
    """An open gate. Opened by `gate()`."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = 0
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The target's address, by way of this gate: `redis://...` in front of a Unix socket."""
        return by_way_of(self.target, f"{HOST}:{self.port}")

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Reset what is open, refuse what is new; open again, on the same port, at the end of the block."""
        await self._close()
        try:
            yield
        finally:
            await self._open()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass((reader, writer)))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass(self, near: Ends) -> None:
        writers = [near[1]]
        try:
            far = await connect(self.target)
            writers.append(far[1])
            await carry(near, far)
        except (OSError, asyncio.CancelledError):  # one side is gone, or the gate shuts
            for writer in writers:
                reset(writer.transport)
        finally:
            await close(writers)


@asynccontextmanager
async def gate(target: str) -> AsyncIterator[Gate]:
    """Open a gate in front of `target`: `redis://host:port/0`, `unix:///path` or any URL with host and port.

    Raises:
        Refusal: the target speaks TLS; its certificate would not match the gate's address.
    """
    need(not target.startswith("rediss:"), "an address without TLS", target, "Use redis:// or a Unix socket here")
    opened = Gate(target)
    await opened._open()
    try:
        yield opened
    finally:
        await opened._close()


def by_way_of(target: str, here: str) -> str:
    """The URL of a target that is reached through `here` ("127.0.0.1:4711"), with its user, password and database."""
    parts = urlsplit(target)
    if parts.scheme == "unix":
        return f"redis://{here}"
    who, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=who + at + here).geturl()


async def connect(url: str) -> Ends:
    """A stream to where `url` points.

    Raises:
        OSError: nothing answers there.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def carry(one: Ends, other: Ends) -> None:
    """Carry bytes both ways until one side has ended; slowness passes too.

    Raises:
        OSError: one side was reset.
    """
    ways = [asyncio.ensure_future(_pump(one[0], other[1])), asyncio.ensure_future(_pump(other[0], one[1]))]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(READ_BYTES):
        sink.write(data)
        await sink.drain()
