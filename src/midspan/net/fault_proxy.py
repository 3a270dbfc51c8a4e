"""A TCP proxy in front of a TLS server, with each fault as a verb in a `with` block.

`Link` accepts connections; a `ProxiedConnection` is one that crosses it.
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

# One connection that crosses a link: its bytes are read, pass the faults of the moment, and are written again.
#
# Each direction has a reader and a writer of its own with a window between them, as a long path holds bytes that are
# on their way. When the window is full nobody reads on, so slowness reaches the sender.


WINDOW_CHUNKS = 64  # of 16 KiB: a mebibyte on its way
Ends = dict[Way, TcpEnd | TlsEnd]
BROKEN = (OSError, EOFError, ssl.SSLError)


class ProxiedConnection:
    """One connection, from its first byte to its last.

    Args:
        link: which it crosses.
        reader, writer: to the client.
    """

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link = link
        self._near = reader, writer
        self._writers = [writer]
        self._sources: Ends = {}  # by the way on which they send
        self.task = asyncio.create_task(self._run())

    def reset(self) -> None:
        """Reset both ends, now."""
        for writer in self._writers:
            reset(writer.transport)
        self.task.cancel()

    @property
    def inspected(self) -> bool:
        """Does the link see what TLS hides from others?"""
        return isinstance(self._sources.get("up"), TlsEnd)

    async def answer(self, data: bytes) -> None:
        """Say something to the client in the server's place."""
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
        """Connect onward; end TLS on both sides where a fault must see what it hides."""
        far = await asyncio.open_connection(HOST, self.link.target_port)
        self._writers.append(far[1])
        inspects = any(fault.plaintext for fault in self.link.faults)
        near, onward = ends_of(self._near, far, self.link.authority if inspects else None)
        for end in (near, onward):
            async for _ in end.handshake():
                pass
        self._sources = {"up": near, "down": onward}

    async def _carry(self, way: Way, source: TcpEnd | TlsEnd, sink: TcpEnd | TlsEnd) -> None:
        """One direction, until its end has been passed on."""
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
        """The piece, after one fault and then the next."""
        if not faults:
            yield piece.data
            return
        fault, kept_bytes = faults[0], len(piece.data)
        async for part in fault.carry(piece, self):
            kept_bytes -= len(part)
            async for carried in self._through(faults[1:], piece._replace(data=part)):
                yield carried
        if kept_bytes and not fault.plaintext:  # no link does this and goes on: see `faults.Fault`
            raise ConnectionResetError(f"{fault} kept {kept_bytes} bytes")


# A link that can be made to fail: a proxy in front of a TLS server, with each fault a verb in a `with` block.
#
#     with link.latency(0.2), link.throttle(10_000, way="down"):
#         ...
#     with link.blackhole():
#         ...
#
# Faults stack: bytes meet them in the order in which the blocks were entered. Without faults the link passes on what
# comes. It does not see what TLS hides, but for the faults that meddle with upgrades, which end TLS as a tap does.


Block = AbstractContextManager[Fault]


class Link:
    """What lies between clients and one server. Opened by `link()`; clients connect to `.port`.

    Args:
        target_port: of the TLS server on this machine.
        authority: for the faults that end TLS.
    """

    def __init__(self, target_port: int, authority: Authority) -> None:
        self.target_port, self.authority = target_port, authority
        self.port = 0
        self.faults: tuple[Fault, ...] = ()
        self.connections: set[ProxiedConnection] = set()
        self._loop = asyncio.get_running_loop()

    # faults, as verbs: what each does and how real it is says its class

    def latency(self, delay_s: float, way: Ways = "both", *, jitter_s: float = 0.0, seed: int = 0) -> Block:
        """Each byte comes `delay_s` later, give or take `jitter_s`. See `faults.Latency`."""
        return self.fault(Latency(delay_s, way, jitter_s, seed))

    def throttle(self, bytes_per_s: float, way: Ways = "both") -> Block:
        """At most so many bytes a second pass, on each connection. See `faults.Throttle`."""
        return self.fault(Throttle(bytes_per_s, way))

    def slice(self, size_bytes: int, way: Ways = "both", *, pause_s: float = 0.0, seed: int = 0) -> Block:
        """Bytes come in pieces of 1 to `size_bytes`, `pause_s` apart. See `faults.Slice`."""
        return self.fault(Slice(size_bytes, way, pause_s, seed))

    def blackhole(self, way: Ways = "both") -> Block:
        """Nothing passes, no FIN and no RST, until the block ends. See `faults.Blackhole`."""
        return self.fault(Blackhole(way))

    def cut_after(self, size_bytes: int, way: Ways = "both") -> Block:
        """Each connection is reset when so many more bytes have passed one way. See `faults.CutAfter`."""
        return self.fault(CutAfter(size_bytes, way))

    def reset(self) -> Block:
        """Open connections are reset at once, new ones when they say something. See `faults.Reset`."""
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
        """A connection that asks to upgrade is reset. See `faults.ResetUpgrade`."""
        return self.fault(ResetUpgrade())

    def swallow_upgrade(self) -> Block:
        """A connection that asks to upgrade hears nothing more. See `faults.SwallowUpgrade`."""
        return self.fault(SwallowUpgrade())

    def cut(self) -> None:
        """Reset every connection that is open now; new ones are not touched. As real as it gets: both ends get RST."""
        self._in_loop(lambda: Reset().begin(list(self.connections)))

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[Fault]:
        """Let any fault happen on this link until the block ends. Works from any thread."""
        need(isinstance(fault, Fault), "a fault", fault, "Use a verb of the link: with link.latency(0.2): ...")
        self._in_loop(lambda: self._begin(fault))
        try:
            yield fault
        finally:
            self._in_loop(lambda: self._end(fault))

    # what connections ask

    def concerning(self, way: Way) -> tuple[Fault, ...]:
        """The faults that bytes on this way meet now."""
        return tuple(fault for fault in self.faults if fault.concerns(way))

    async def clear(self, way: Way) -> None:
        """Return when bytes may pass."""
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
        """Do it on the loop of the link, and wait for it, from whichever thread asks."""

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
