"""One connection that crosses a link: its bytes are read, pass the faults of the moment, and are written again.

Each direction has a reader and a writer of its own with a window between them, as a long path holds bytes that are on
their way. When the window is full nobody reads on, so slowness reaches the sender.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from midspan.wires.certs import HOST
from midspan.wires.faults.fault import Piece, Way
from midspan.wires.reset import reset
from midspan.wires.tcp import TcpEnd
from midspan.wires.tls import TlsEnd

if TYPE_CHECKING:
    from midspan.wires.faults.fault import Fault
    from midspan.wires.link import Link

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
            await self._close()

    async def _open(self) -> None:
        """Connect onward; end TLS on both sides where a fault must see what it hides."""
        far = await asyncio.open_connection(HOST, self.link.target_port)
        self._writers.append(far[1])
        if not any(fault.plaintext for fault in self.link.faults):
            self._sources = {"up": TcpEnd(*self._near), "down": TcpEnd(*far)}
            return
        authority = self.link.authority
        near, onward = TlsEnd(*self._near, authority.server), TlsEnd(*far, authority.client, HOST)
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
        if kept_bytes and not fault.plaintext:  # no link does this and goes on: see faults/fault.py
            raise ConnectionResetError(f"{fault} kept {kept_bytes} bytes")

    async def _close(self) -> None:
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()
