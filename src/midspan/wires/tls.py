"""One end of a TLS connection that shows every record twice: as it is on the wire, and as plaintext.

asyncio's own TLS hides the records. With `ssl.MemoryBIO` we do the carrying ourselves: ciphertext goes in and comes
out of two buffers, so we know which record held which bytes (RFC 8446 section 5.1: a 5-byte header, the last two
bytes of it the length of what follows).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

RECORD_HEADER_BYTES = 5
PLAINTEXT_BYTES = 16384  # the most one record may carry (RFC 8446 section 5.1)


class TlsEnd:
    """TLS over an asyncio reader and writer."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        server_name: str | None = None,
    ) -> None:
        """Be the server, or the client of `server_name`."""
        self._reader, self.writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_name is None, server_name)
        self._ended = False

    async def handshake(self) -> AsyncIterator[bytes]:
        """Shake hands; yield the peer's records as they arrive.

        Raises:
            ssl.SSLError: the peer's certificate or its bytes are not acceptable.
            ConnectionError, EOFError: the connection ended first.
        """
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                pass
            finally:
                await self._flush()
            record = await self._record()
            if not record:
                raise EOFError("the connection ended inside the TLS handshake")
            self._incoming.write(record)
            yield record

    async def records(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (record on the wire, plaintext in it) until the peer says close_notify or FIN.

        Plaintext is empty in the records that TLS needs for itself. A peer that says close_notify may keep its TCP
        connection open until it hears ours (asyncio does), so we do not wait for the FIN.
        """
        while not self._ended and (record := await self._record()):
            self._incoming.write(record)
            plaintext = b"".join(self._decrypted())
            await self._flush()  # TLS may owe an answer (a key update, an alert)
            yield record, plaintext

    async def chunks(self) -> AsyncIterator[bytes]:
        """The plaintext alone, as `TcpEnd` has it."""
        async for _, plaintext in self.records():
            if plaintext:
                yield plaintext

    async def send(self, plaintext: bytes) -> None:
        """Send `plaintext`; waits while the peer is slow (so that backpressure crosses the tap)."""
        for start in range(0, len(plaintext), PLAINTEXT_BYTES):
            self._tls.write(plaintext[start : start + PLAINTEXT_BYTES])
        await self._flush()

    async def end(self) -> None:
        """Say close_notify, then FIN; the other direction stays open."""
        with suppress(ssl.SSLError):  # the peer need not have said its own close_notify yet
            self._tls.unwrap()
        with suppress(OSError):  # the peer may be gone already
            await self._flush()
            self.writer.write_eof()

    async def _record(self) -> bytes:
        """The next whole record, or b"" at the end of the stream."""
        try:
            header = await self._reader.readexactly(RECORD_HEADER_BYTES)
            return header + await self._reader.readexactly(int.from_bytes(header[3:], "big"))
        except asyncio.IncompleteReadError:
            return b""

    def _decrypted(self) -> Iterator[bytes]:
        """What can be read now. The peer's close_notify is an empty read; an exception once we have said ours."""
        with suppress(ssl.SSLWantReadError):
            with suppress(ssl.SSLZeroReturnError):
                while plaintext := self._tls.read(PLAINTEXT_BYTES):
                    yield plaintext
            self._ended = True

    async def _flush(self) -> None:
        if ciphertext := self._outgoing.read():
            self.writer.write(ciphertext)
            await self.writer.drain()
