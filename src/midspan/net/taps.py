"""A tap: a proxy in front of a server that keeps what passes in both directions, with times.

The tap ends TLS on both sides. To the client it presents a certificate of the session's authority; to the server it is
a client that verifies the server's certificate. Both sides trust the authority whose key the tap has. A company's
inspecting proxy works in the same way.

Records pass one by one, in order. The tap reads no faster than the other side accepts, so backpressure passes too.
Without an authority it is a tap of plain TCP: the same bytes, without TLS records.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from midspan.errors import need
from midspan.net.servers import HOST, Authority
from midspan.net.tcp import Ends, TcpEnd, WireCount, close, reset_on_close, wire_count
from midspan.protocols.capture import OTHER, Capture, Chunk, ChunkKind, Side

# One end of a TLS connection that gives each record as ciphertext and as plaintext.
#
# asyncio's TLS hides the records. With `ssl.MemoryBIO` the ciphertext passes through two buffers, so it is known which
# record holds which bytes. (RFC 8446 section 5.1: the last two bytes of the 5-byte header are the length.)


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
        """Be a client of the server `server_name`; without a name, be a server."""
        self._reader, self.writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_name is None, server_name)
        self._ended = False

    async def handshake(self) -> AsyncIterator[bytes]:
        """Do the TLS handshake. Yields the records of the peer as they arrive.

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
        """Yield (record on the wire, its plaintext) until the peer sends close_notify or FIN.

        The plaintext of records for TLS itself is empty. After its close_notify a peer may keep the TCP connection open
        until it receives ours, as asyncio does. So this does not wait for the FIN.
        """
        while not self._ended and (record := await self._record()):
            self._incoming.write(record)
            plaintext = b"".join(self._decrypted())
            await self._flush()  # TLS may have to answer (a key update, an alert)
            yield record, plaintext

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the plaintext only, as `TcpEnd.chunks` does."""
        async for _, plaintext in self.records():
            if plaintext:
                yield plaintext

    async def send(self, plaintext: bytes) -> None:
        """Send `plaintext`. Waits while the peer is slow, so that backpressure passes through the tap."""
        for start in range(0, len(plaintext), PLAINTEXT_BYTES):
            self._tls.write(plaintext[start : start + PLAINTEXT_BYTES])
        await self._flush()

    async def end(self) -> None:
        """Send close_notify, then FIN. The other direction stays open."""
        with suppress(ssl.SSLError):  # the peer may not have sent its own close_notify yet
            self._tls.unwrap()
        with suppress(OSError):  # the peer may have closed already
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
        """The plaintext that can be read now. A close_notify of the peer gives b"", or an exception after ours."""
        with suppress(ssl.SSLWantReadError):
            with suppress(ssl.SSLZeroReturnError):
                while plaintext := self._tls.read(PLAINTEXT_BYTES):
                    yield plaintext
            self._ended = True

    async def _flush(self) -> None:
        if ciphertext := self._outgoing.read():
            self.writer.write(ciphertext)
            await self.writer.drain()


# The tap itself.


KEPT_BYTES = 64 * 2**20  # the most plaintext and records; then the tap only forwards, and counts `not_kept_bytes`
SETTLE_S = 1.0  # how long `settled` waits for connections that are about to end


class Tap:
    """A tap, with what it has seen. Opened by `tap()`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.port = 0
        self.not_kept_bytes = 0
        self._clock, self._began_s = clock, clock()
        self._chunks: list[Chunk] = []
        self._shown_from = 0  # earlier chunks were cleared; they are kept for the parsers only
        self._kept_bytes = 0
        self._connections = 0
        self._open: set[int] = set()
        self._ending: dict[int, asyncio.Event] = {}
        self._hops: dict[tuple[int, Side], asyncio.StreamWriter] = {}

    @property
    def capture(self) -> Capture:
        """All chunks since the tap was opened or cleared."""
        return Capture(tuple(self._chunks)).since(self._shown_from)

    def clear(self) -> None:
        """Begin a new capture. Connections keep their numbers.

        Chunks of open connections are kept as `Capture.before`: later bytes cannot be read without them (upgrade,
        compression).
        """
        self._chunks = [chunk for chunk in self._chunks if chunk.connection in self._open]
        self._shown_from, self.not_kept_bytes = len(self._chunks), 0
        self._kept_bytes = sum(len(chunk.data) + len(chunk.tls) for chunk in self._chunks)

    async def settled(self) -> Capture:
        """The capture, after closing connections have ended on both sides. Waits at most `SETTLE_S`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                for done in list(self._ending.values()):
                    await done.wait()
        return self.capture

    def counts(self) -> dict[tuple[int, Side], WireCount]:
        """What the kernel has counted between each sender and the tap, by (connection, sender).

        Only for open connections. Empty on a system without such counts.
        """
        counted = {at: wire_count(writer.get_extra_info("socket")) for at, writer in self._hops.items()}
        return {at: count for at, count in counted.items() if count is not None}

    def keep_chunk(self, connection: int, sender: Side, kind: ChunkKind, data: bytes = b"", tls: bytes = b"") -> None:
        """Keep one chunk."""
        if kind in ("ended", "reset"):
            self._ending.setdefault(connection, asyncio.Event())
        if self._kept_bytes + len(data) + len(tls) > KEPT_BYTES:
            self.not_kept_bytes += len(data) + len(tls)
            return
        self._kept_bytes += len(data) + len(tls)
        self._chunks.append(Chunk(connection, sender, self._clock() - self._began_s, kind, data, tls))

    def opened(self) -> int:
        """Number a new connection."""
        self._connections += 1
        self._open.add(self._connections)
        self.keep_chunk(self._connections, "client", "opened")
        return self._connections

    def remember_writer(self, connection: int, side: Side, writer: asyncio.StreamWriter) -> None:
        """Remember the writer to one side of a connection, for `counts`."""
        self._hops[connection, side] = writer

    def ended(self, connection: int) -> None:
        """Both sides of a connection have ended."""
        for side in OTHER:
            self._hops.pop((connection, side), None)
        self._open.discard(connection)
        self._ending.pop(connection, asyncio.Event()).set()


@asynccontextmanager
async def tap(target_port: int, authority: Authority | None) -> AsyncIterator[Tap]:
    """Open a tap in front of the server on `target_port` of this machine; clients connect to `.port`.

    Args:
        target_port: where the server listens.
        authority: the authority that both ends trust; None for a server without TLS.

    Raises:
        Refusal: it is no port, or no authority.
    """
    is_port = isinstance(target_port, int) and 0 < target_port <= 65535
    need(is_port, "the port of a server on this machine", target_port, "Pass `server.port`")
    trusted = authority is None or isinstance(authority, Authority)
    need(trusted, "the authority that both ends trust, None without TLS", authority, "Pass bench.authority")
    seen = Tap(asyncio.get_running_loop().time)
    links: set[asyncio.Task[None]] = set()

    def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: for a cancelled task of the server Python 3.11 reports an error.
        task = asyncio.create_task(_pass_on(seen, reader, writer, target_port, authority))
        links.add(task)
        task.add_done_callback(links.discard)
        task.add_done_callback(lambda _: writer.close())  # a task cancelled before its start runs no `finally`

    server = await asyncio.start_server(link, HOST, 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in list(links):
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        await server.wait_closed()


async def _pass_on(
    seen: Tap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, authority: Authority | None
) -> None:
    """Forward one connection from its first byte to its last."""
    connection = seen.opened()
    writers = [writer]
    try:
        onward = await asyncio.open_connection(HOST, port)
        writers.append(onward[1])
        near, far = ends_of((reader, writer), onward, authority)
        ends: dict[Side, TlsEnd | TcpEnd] = {"client": near, "server": far}
        for side, end in ends.items():
            seen.remember_writer(connection, side, end.writer)
            async for record in end.handshake():
                seen.keep_chunk(connection, side, "data", tls=record)
        async with asyncio.TaskGroup() as group:
            for side in ends:
                group.create_task(_pump(seen, connection, side, ends[side], ends[OTHER[side]]))
    except* (OSError, EOFError, ssl.SSLError):
        for each in writers:  # an error of one side becomes a reset of both
            reset_on_close(each.transport)
    finally:
        await close(writers)
        seen.ended(connection)


def ends_of(near: Ends, onward: Ends, authority: Authority | None) -> tuple[TlsEnd | TcpEnd, TlsEnd | TcpEnd]:
    """The ends to both sides: a server for the client, and a client for the server. Authority None: plain TCP."""
    if authority is None:
        return TcpEnd(*near), TcpEnd(*onward)
    return TlsEnd(*near, authority.server), TlsEnd(*onward, authority.client, HOST)


async def _pump(seen: Tap, connection: int, sender: Side, source: TlsEnd | TcpEnd, sink: TlsEnd | TcpEnd) -> None:
    """Forward what `sender` sends until it ends, and note how it ended."""
    try:
        async for record, plaintext in source.records():
            seen.keep_chunk(connection, sender, "data", plaintext, record)
            await sink.send(plaintext)
    except ConnectionResetError:
        seen.keep_chunk(connection, sender, "reset")
        raise
    seen.keep_chunk(connection, sender, "ended")
    await sink.end()
