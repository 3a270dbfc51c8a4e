"""A tap: a proxy in the middle of a TLS link that keeps what passes, in both directions, with times."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from midspan.errors import need
from midspan.net.servers import HOST, Authority
from midspan.net.tcp import Ends, TcpEnd, WireCount, close, reset_on_close, wire_count
from midspan.protocols.capture import OTHER, Capture, Chunk, ChunkKind, Side

# One end of a TLS connection that shows every record twice: as it is on the wire, and as plaintext.
#
# asyncio's own TLS hides the records. With `ssl.MemoryBIO` we do the carrying ourselves: ciphertext goes in and comes
# out of two buffers, so we know which record held which bytes (RFC 8446 section 5.1: a 5-byte header, the last two
# bytes of it the length of what follows).


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


# A tap: it stands in the middle of a TLS link and keeps what passes, in both directions, with times.
#
# It is on neither end. To the client it presents a certificate of the session's authority; to the server it is a
# client that verifies the server's certificate. Neither is asked to look away: both trust the authority whose key the
# tap holds, which is how a company's inspecting proxy works too.
#
# Records pass one by one, in order, and slowness passes as well: the tap reads no further than the other side takes.
#
# Without an authority it taps plain TCP: the same bytes, and no records around them.


KEPT_BYTES = 64 * 2**20  # of plaintext and records; past this the tap passes on without keeping, and says so
SETTLE_S = 1.0  # how long `settled` waits for connections that are about to end


class Tap:
    """What one tap has seen. Opened by `tap()`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.port = 0
        self.not_kept_bytes = 0
        self._clock, self._began_s = clock, clock()
        self._chunks: list[Chunk] = []
        self._shown_from = 0  # chunks before it were cleared, and are kept for their readers only
        self._kept_bytes = 0
        self._connections = 0
        self._open: set[int] = set()
        self._ending: dict[int, asyncio.Event] = {}
        self._hops: dict[tuple[int, Side], asyncio.StreamWriter] = {}

    @property
    def capture(self) -> Capture:
        """Everything seen since the tap was opened or cleared."""
        return Capture(tuple(self._chunks)).since(self._shown_from)

    def clear(self) -> None:
        """Forget what was seen; connections keep their numbers.

        What connections that are still open agreed on (the upgrade, deflate) stays known, or nobody could read what
        comes next.
        """
        self._chunks = [chunk for chunk in self._chunks if chunk.connection in self._open]
        self._shown_from, self.not_kept_bytes = len(self._chunks), 0
        self._kept_bytes = sum(len(chunk.data) + len(chunk.tls) for chunk in self._chunks)

    async def settled(self) -> Capture:
        """The capture, once connections that are ending have ended on both sides (waits a second at most)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                for done in list(self._ending.values()):
                    await done.wait()
        return self.capture

    def counts(self) -> dict[tuple[int, Side], WireCount]:
        """What the kernel has counted between each sender and the tap, by connection; of open connections only.

        Empty on a system that does not tell.
        """
        counted = {at: wire_count(writer.get_extra_info("socket")) for at, writer in self._hops.items()}
        return {at: count for at, count in counted.items() if count is not None}

    def saw(self, connection: int, sender: Side, kind: ChunkKind, data: bytes = b"", tls: bytes = b"") -> None:
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
        self.saw(self._connections, "client", "opened")
        return self._connections

    def reaches(self, connection: int, side: Side, writer: asyncio.StreamWriter) -> None:
        """The way to one side of a connection."""
        self._hops[connection, side] = writer

    def gone(self, connection: int) -> None:
        """Both sides of a connection have ended."""
        for side in OTHER:
            self._hops.pop((connection, side), None)
        self._open.discard(connection)
        self._ending.pop(connection, asyncio.Event()).set()


@asynccontextmanager
async def tap(target_port: int, authority: Authority | None) -> AsyncIterator[Tap]:
    """Open a tap in front of the server on `target_port` of this machine; clients connect to `.port`.

    Args:
        target_port: where the server listens, with TLS.
        authority: whom both ends trust; None if they speak without TLS.

    Raises:
        Refusal: no such port, no such authority.
    """
    is_port = isinstance(target_port, int) and 0 < target_port <= 65535
    need(is_port, "the port of a server on this machine", target_port, "Pass `server.port`")
    trusted = authority is None or isinstance(authority, Authority)
    need(trusted, "the authority that both ends trust, None without TLS", authority, "Pass bench.authority")
    seen = Tap(asyncio.get_running_loop().time)
    links: set[asyncio.Task[None]] = set()

    def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Our own task, not the server's: Python 3.11 reports a cancelled one of its own as an error.
        task = asyncio.create_task(_pass_on(seen, reader, writer, target_port, authority))
        links.add(task)
        task.add_done_callback(links.discard)
        task.add_done_callback(lambda _: writer.close())  # one that is cancelled before it began has no `finally`

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
    """Carry one connection from its first byte to its last."""
    connection = seen.opened()
    writers = [writer]
    try:
        onward = await asyncio.open_connection(HOST, port)
        writers.append(onward[1])
        near, far = ends_of((reader, writer), onward, authority)
        ends: dict[Side, TlsEnd | TcpEnd] = {"client": near, "server": far}
        for side, end in ends.items():
            seen.reaches(connection, side, end.writer)
            async for record in end.handshake():
                seen.saw(connection, side, "data", tls=record)
        async with asyncio.TaskGroup() as group:
            for side in ends:
                group.create_task(_pump(seen, connection, side, ends[side], ends[OTHER[side]]))
    except* (OSError, EOFError, ssl.SSLError):
        for each in writers:  # whatever one side met, the other shall meet too
            reset_on_close(each.transport)
    finally:
        await close(writers)
        seen.gone(connection)


def ends_of(near: Ends, onward: Ends, authority: Authority | None) -> tuple[TlsEnd | TcpEnd, TlsEnd | TcpEnd]:
    """The way to each side: to the client we are the server, to the server its client. None: TLS stays closed."""
    if authority is None:
        return TcpEnd(*near), TcpEnd(*onward)
    return TlsEnd(*near, authority.server), TlsEnd(*onward, authority.client, HOST)


async def _pump(seen: Tap, connection: int, sender: Side, source: TlsEnd | TcpEnd, sink: TlsEnd | TcpEnd) -> None:
    """Pass on what `sender` sends until it ends; note how it ended."""
    try:
        async for record, plaintext in source.records():
            seen.saw(connection, sender, "data", plaintext, record)
            await sink.send(plaintext)
    except ConnectionResetError:
        seen.saw(connection, sender, "reset")
        raise
    seen.saw(connection, sender, "ended")
    await sink.end()
