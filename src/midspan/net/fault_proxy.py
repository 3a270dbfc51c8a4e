"""A fault proxy in front of a TLS server. Each fault is a method of `Link`, for a `with` block.

    with link.latency(0.2), link.throttle(10_000, way="down"):
        ...
    with link.blackhole():
        ...

Several faults act one after the other, in the order in which their blocks were entered. Without a fault the link
forwards all bytes. It does not end TLS, except for the faults of the upgrade. `Link` accepts connections; a
`ProxiedConnection` is one of them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress

from midspan.errors import need
from midspan.net.faults import (
    Blackhole,
    CutAfter,
    Fault,
    Latency,
    Piece,
    Refuse,
    RefuseUpgrade,
    Reset,
    ResetUpgrade,
    Slice,
    StripUpgrade,
    SwallowUpgrade,
    Throttle,
    Way,
    Ways,
)
from midspan.net.servers import HOST, Authority
from midspan.net.taps import TlsEnd, ends_of
from midspan.net.tcp import TcpEnd, close, reset

# Each direction of a connection has a task that reads and a task that writes, with a window between them: bytes on
# their way, as on a long path. When the window is full, the first task stops reading, so the sender has to wait.


WINDOW_CHUNKS = 64  # of 16 KiB: a mebibyte on its way
Ends = dict[Way, TcpEnd | TlsEnd]
BROKEN = (OSError, EOFError, ssl.SSLError)


class ProxiedConnection:
    """One connection through a link, from its first byte to its last. Its bytes pass the faults of the link.

    Args:
        link: to which the connection belongs.
        reader, writer: to the client.
    """

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link = link
        self._near = reader, writer
        self._writers = [writer]
        self._sources: Ends = {}  # by the direction in which they send
        self.task = asyncio.create_task(self._run())

    def reset(self) -> None:
        """Reset both ends, now."""
        for writer in self._writers:
            reset(writer.transport)
        self.task.cancel()

    @property
    def inspected(self) -> bool:
        """Whether the link ends TLS, so that it sees the plaintext."""
        return isinstance(self._sources.get("up"), TlsEnd)

    async def answer(self, data: bytes) -> None:
        """Send bytes to the client in place of the server."""
        await self._sources["up"].send(data)

    async def _run(self) -> None:
        try:
            for fault in self.link.faults:
                fault.admit()
            await self.link.clear("up")
            await self._open()
            async with asyncio.TaskGroup() as group:
                for way, source in self._sources.items():
                    group.create_task(self._carry(way, source, self._sources["down" if way == "up" else "up"]))
        except* BROKEN:
            for writer in self._writers:
                reset(writer.transport)
        finally:
            await close(self._writers)

    async def _open(self) -> None:
        """Connect to the server. End TLS on both sides if a fault needs the plaintext."""
        far = await asyncio.open_connection(HOST, self.link.target_port)
        self._writers.append(far[1])
        inspects = any(fault.plaintext for fault in self.link.faults)
        near, onward = ends_of(self._near, far, self.link.authority if inspects else None)
        for end in (near, onward):
            async for _ in end.handshake():
                pass
        self._sources = {"up": near, "down": onward}

    async def _carry(self, way: Way, source: TcpEnd | TlsEnd, sink: TcpEnd | TlsEnd) -> None:
        """Forward one direction to its end."""
        window: asyncio.Queue[Piece] = asyncio.Queue(WINDOW_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(way, source, window))
            group.create_task(self._write(window, sink))

    async def _read(self, way: Way, source: TcpEnd | TlsEnd, window: asyncio.Queue[Piece]) -> None:
        now = asyncio.get_running_loop().time
        error = None
        try:
            async for data in source.chunks():
                await window.put(Piece(data, now(), way))
        except BROKEN as broken:
            error = broken
        await window.put(Piece(b"", now(), way, error))

    async def _write(self, window: asyncio.Queue[Piece], sink: TcpEnd | TlsEnd) -> None:
        while True:
            piece = await window.get()
            async for part in self._through(self.link.concerning(piece.way), piece):
                await self.link.clear(piece.way)
                if part:
                    await sink.send(part)
            if not piece.data:
                break
        await self.link.clear(piece.way)
        if piece.error is not None:
            raise piece.error
        await sink.end()

    async def _through(self, faults: tuple[Fault, ...], piece: Piece) -> AsyncIterator[bytes]:
        """The bytes of the piece after all these faults."""
        if not faults:
            yield piece.data
            return
        fault, kept_bytes = faults[0], len(piece.data)
        async for part in fault.carry(piece, self):
            kept_bytes -= len(part)
            async for carried in self._through(faults[1:], piece._replace(data=part)):
                yield carried
        if kept_bytes and not fault.plaintext:  # TCP never loses bytes and goes on
            raise ConnectionResetError(f"{fault} kept {kept_bytes} bytes")


# The proxy.


Block = AbstractContextManager[Fault]


class Link:
    """The fault proxy between clients and one server. Opened by `link()`; clients connect to `.port`.

    Args:
        target_port: of the TLS server on this machine.
        authority: of the TLS that faults of the upgrade end.
    """

    def __init__(self, target_port: int, authority: Authority) -> None:
        self.target_port, self.authority = target_port, authority
        self.port = 0
        self.faults: tuple[Fault, ...] = ()
        self.connections: set[ProxiedConnection] = set()
        self._loop = asyncio.get_running_loop()

    # the faults; the class of each one says how realistic it is

    def latency(self, delay_s: float, way: Ways = "both", *, jitter_s: float = 0.0, seed: int = 0) -> Block:
        """Each byte comes `delay_s` later, plus or minus `jitter_s`. See `faults.Latency`."""
        return self.fault(Latency(delay_s, way, jitter_s, seed))

    def throttle(self, bytes_per_s: float, way: Ways = "both") -> Block:
        """At most `bytes_per_s` bytes pass in a second, on each connection. See `faults.Throttle`."""
        return self.fault(Throttle(bytes_per_s, way))

    def slice(self, size_bytes: int, way: Ways = "both", *, pause_s: float = 0.0, seed: int = 0) -> Block:
        """Bytes come in pieces of 1 to `size_bytes`, `pause_s` apart. See `faults.Slice`."""
        return self.fault(Slice(size_bytes, way, pause_s, seed))

    def blackhole(self, way: Ways = "both") -> Block:
        """Nothing passes, no FIN and no RST, until the block ends. See `faults.Blackhole`."""
        return self.fault(Blackhole(way))

    def cut_after(self, size_bytes: int, way: Ways = "both") -> Block:
        """Each connection is reset after `size_bytes` more bytes in one direction. See `faults.CutAfter`."""
        return self.fault(CutAfter(size_bytes, way))

    def reset(self) -> Block:
        """Open connections are reset at once, new ones at their first byte. See `faults.Reset`."""
        return self.fault(Reset())

    def refuse(self) -> Block:
        """New connections are refused, open ones go on. See `faults.Refuse`."""
        return self.fault(Refuse())

    def strip_upgrade(self) -> Block:
        """A request to upgrade reaches the server as an ordinary GET. See `faults.StripUpgrade`."""
        return self.fault(StripUpgrade())

    def refuse_upgrade(self) -> Block:
        """A request to upgrade is answered with 403. See `faults.RefuseUpgrade`."""
        return self.fault(RefuseUpgrade())

    def reset_upgrade(self) -> Block:
        """A connection with a request to upgrade is reset. See `faults.ResetUpgrade`."""
        return self.fault(ResetUpgrade())

    def swallow_upgrade(self) -> Block:
        """A connection with a request to upgrade gets no answer. See `faults.SwallowUpgrade`."""
        return self.fault(SwallowUpgrade())

    def cut(self) -> None:
        """Reset every connection that is open now, but no new ones. Both ends get a real RST."""
        self._in_loop(lambda: Reset().begin(list(self.connections)))

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[Fault]:
        """Make a fault act on this link until the block ends. Works in any thread."""
        need(isinstance(fault, Fault), "a fault", fault, "Use a verb of the link: with link.latency(0.2): ...")
        self._in_loop(lambda: self._begin(fault))
        try:
            yield fault
        finally:
            self._in_loop(lambda: self._end(fault))

    # called by connections

    def concerning(self, way: Way) -> tuple[Fault, ...]:
        """The faults that act now on bytes in this direction."""
        return tuple(fault for fault in self.faults if fault.concerns(way))

    async def clear(self, way: Way) -> None:
        """Return when bytes may pass in this direction."""
        waiting = True
        while waiting:
            faults = self.concerning(way)
            for fault in faults:
                await fault.clear()
            waiting = faults != self.concerning(way)  # another one may have begun meanwhile

    # inside

    def __str__(self) -> str:
        return f"link ({', then '.join(map(str, self.faults))})" if self.faults else "link"

    __repr__ = __str__

    def _begin(self, fault: Fault) -> None:
        self.faults = (*self.faults, fault)
        fault.begin(list(self.connections))

    def _end(self, fault: Fault) -> None:
        self.faults = tuple(one for one in self.faults if one is not fault)
        fault.end()

    def _in_loop(self, change: Callable[[], None]) -> None:
        """Run `change` on the loop of the link, and wait for it. Works in any thread."""

        async def do() -> None:
            change()

        if self._loop.is_closed():
            return  # the bench was closed inside the block
        if _running_loop() is self._loop:
            change()
        else:
            asyncio.run_coroutine_threadsafe(do(), self._loop).result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


@asynccontextmanager
async def link(target_port: int, authority: Authority) -> AsyncIterator[Link]:
    """Open a link in front of the TLS server on `target_port` of this machine."""
    opened = Link(target_port, authority)

    def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ProxiedConnection(opened, reader, writer)
        opened.connections.add(connection)
        connection.task.add_done_callback(lambda _: opened.connections.discard(connection))

    server = await asyncio.start_server(carry, HOST, 0)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        connections = list(opened.connections)
        for connection in connections:
            connection.reset()
        await asyncio.gather(*(connection.task for connection in connections), return_exceptions=True)
        await server.wait_closed()
