"""TCP connections: an end to read and write, a reset, the kernel's counts, and a gate."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from midspan.errors import need
from midspan.net.servers import HOST

CHUNK_BYTES = 2**14


class TcpEnd:
    """A reader and a writer, for a link and a tap. `taps.TlsEnd` has the same methods."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what the peer sends, until its FIN. Raises `ConnectionError` after a reset."""
        while chunk := await self._reader.read(CHUNK_BYTES):
            yield chunk

    async def handshake(self) -> AsyncIterator[bytes]:
        """Yield nothing: TCP without TLS has no handshake here."""
        none: tuple[bytes, ...] = ()
        for record in none:
            yield record

    async def records(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (b"", plaintext) for what the peer sends, as `TlsEnd.records` does."""
        async for chunk in self.chunks():
            yield b"", chunk

    async def send(self, data: bytes) -> None:
        """Send `data`. Waits while the peer is slow."""
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> None:
        """Send FIN. The other direction stays open."""
        self.writer.write_eof()


# Reset a connection: the other end gets RST, and so notices the end at once.


RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST


def reset(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Close a connection with RST. Unsent bytes are lost. Does nothing if it is closed already."""
    reset_on_close(connection)
    if isinstance(connection, socket.socket):
        connection.close()
    else:
        connection.abort()  # type: ignore[attr-defined]


def reset_on_close(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Let the next close send RST. Does nothing for a Unix socket, which has no RST, and for a closed socket."""
    sock = connection if isinstance(connection, socket.socket) else connection.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0 and sock.family != getattr(socket, "AF_UNIX", None):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


async def close(writers: Iterable[asyncio.StreamWriter]) -> None:
    """Close them all, and wait until they are closed. Errors of the other ends are ignored."""
    writers = list(writers)
    for writer in writers:
        writer.close()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()


# The bytes of one TCP connection on the wire, with headers, as the kernel counts them.
#
# Linux gives the counts for any socket, without a capture and without privileges (`TCP_INFO`, `struct tcp_info` in
# linux/tcp.h). A segment has an IPv4 header of 20 bytes, a TCP header of 20 bytes, and 12 bytes of timestamps if both
# ends use them (RFC 7323). Segments without data count too.


IP_BYTES, TCP_BYTES, TIMESTAMPS_BYTES = 20, 20, 12
TCPI_OPT_TIMESTAMPS = 1
OPTIONS_AT, RECEIVED_AT, SEGMENTS_AT, DATA_SEGMENTS_AT, SENT_AT = 5, 128, 136, 152, 200  # offsets in struct tcp_info
INFO_BYTES = 208  # how much of it is read here; since Linux 4.19


class HasOptions(Protocol):
    """A socket, or the object that asyncio gives in its place."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class WireCount:
    """TCP payload and segments of a connection so far, in both directions. `later - earlier` is the difference."""

    sent_bytes: int
    received_bytes: int
    segments: int
    header_bytes: int  # of one segment
    data_segments_received: int = 0  # received segments with data

    @property
    def payload_bytes(self) -> int:
        """The bytes that TCP carried, in both directions: TLS records, or plaintext without TLS."""
        return self.sent_bytes + self.received_bytes

    @property
    def wire_bytes(self) -> int:
        """All bytes in both directions, with IP and TCP headers, without those of the link layer."""
        return self.payload_bytes + self.segments * self.header_bytes

    def __sub__(self, earlier: WireCount) -> WireCount:
        return WireCount(
            self.sent_bytes - earlier.sent_bytes,
            self.received_bytes - earlier.received_bytes,
            self.segments - earlier.segments,
            self.header_bytes,
            self.data_segments_received - earlier.data_segments_received,
        )


def wire_count(connection: HasOptions) -> WireCount | None:
    """The kernel's counts of a connection; None for a closed socket, or on a system without such counts."""
    info = getattr(socket, "TCP_INFO", None)
    if info is None:
        return None
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, info, INFO_BYTES)
    except OSError:
        return None
    if len(told) < INFO_BYTES:  # an old kernel, or another system
        return None
    (received,) = struct.unpack_from("=Q", told, RECEIVED_AT)
    out, into = struct.unpack_from("=II", told, SEGMENTS_AT)
    (data_into,) = struct.unpack_from("=I", told, DATA_SEGMENTS_AT)
    (sent,) = struct.unpack_from("=Q", told, SENT_AT)
    stamps = TIMESTAMPS_BYTES if told[OPTIONS_AT] & TCPI_OPT_TIMESTAMPS else 0
    return WireCount(sent, received, out + into, IP_BYTES + TCP_BYTES + stamps, data_into)


# A gate: a TCP proxy that can be shut, for example between a node and its broker.
#
# While it is shut, open connections are reset and new ones refused. Bytes that were sent before may have arrived or
# not, as on any network. No bytes are lost in the middle of a stream.


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
        """The target's URL with the address of this gate; `redis://...` if the target is a Unix socket."""
        return by_way_of(self.target, f"{HOST}:{self.port}")

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Reset open connections and refuse new ones. Open again at the end of the block, on the same port."""
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
        except (OSError, asyncio.CancelledError):  # one side has ended, or the gate is shut
            for writer in writers:
                reset(writer.transport)
        finally:
            await close(writers)


@asynccontextmanager
async def gate(target: str) -> AsyncIterator[Gate]:
    """Open a gate in front of `target`: `redis://host:port/0`, `unix:///path` or any URL with host and port.

    Raises:
        Refusal: the target uses TLS; its certificate would not match the gate's address.
    """
    need(not target.startswith("rediss:"), "an address without TLS", target, "Use redis:// or a Unix socket here")
    opened = Gate(target)
    await opened._open()
    try:
        yield opened
    finally:
        await opened._close()


def by_way_of(target: str, here: str) -> str:
    """The URL of a target with `here` ("127.0.0.1:4711") as host and port; user, password and database stay."""
    parts = urlsplit(target)
    if parts.scheme == "unix":
        return f"redis://{here}"
    who, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=who + at + here).geturl()


async def connect(url: str) -> Ends:
    """Connect to the host and port, or the Unix socket, of `url`.

    Raises:
        OSError: there is no answer.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def carry(one: Ends, other: Ends) -> None:
    """Forward bytes in both directions until one side has ended. Backpressure passes too.

    Raises:
        OSError: one side was reset.
    """
    for way in await until_one_ends(_pump(one[0], other[1]), _pump(other[0], one[1])):
        way.result()


async def until_one_ends(*ways: Coroutine[Any, Any, None]) -> set[asyncio.Task[None]]:
    """Run these together until one has ended, then cancel the others. Returns the tasks that had ended."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(READ_BYTES):
        sink.write(data)
        await sink.drain()
