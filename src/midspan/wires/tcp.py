"""One end of a TCP connection whose bytes are nobody's business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

CHUNK_BYTES = 2**14


class TcpEnd:
    """A reader and a writer, as a link and a tap want them; `TlsEnd` has the same methods."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def chunks(self) -> AsyncIterator[bytes]:
        """What the peer sends, until its FIN. Raises `ConnectionError` for a reset."""
        while chunk := await self._reader.read(CHUNK_BYTES):
            yield chunk

    async def handshake(self) -> AsyncIterator[bytes]:
        """There is none, so no record of it either."""
        none: tuple[bytes, ...] = ()
        for record in none:
            yield record

    async def records(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """What the peer sends, as `TlsEnd` has it: no TLS record, and the plaintext."""
        async for chunk in self.chunks():
            yield b"", chunk

    async def send(self, data: bytes) -> None:
        """Send; waits while the peer is slow."""
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> None:
        """Say FIN; the other direction stays open."""
        self.writer.write_eof()
