"""TCP connections: forwarded without inspecting them (a gate, a relay), reset, and counted by the kernel."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from midspan.errors import need
from midspan.net.servers import HOST

# One end of a TCP connection whose bytes are nobody's business.


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


# How a TCP connection is reset, which is not how it is closed: the other end gets RST and learns of it at once.


RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST


def reset(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Close a connection with RST; what is unsent is lost. Does nothing to one that is closed already."""
    reset_on_close(connection)
    if isinstance(connection, socket.socket):
        connection.close()
    else:
        connection.abort()  # type: ignore[attr-defined]


def reset_on_close(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Make the coming close an RST. A Unix socket knows no such thing, and one that is closed needs none."""
    sock = connection if isinstance(connection, socket.socket) else connection.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0 and sock.family != getattr(socket, "AF_UNIX", None):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


async def close(writers: Iterable[asyncio.StreamWriter]) -> None:
    """Close them all, and wait until it is done, whatever the other ends make of it."""
    writers = list(writers)
    for writer in writers:
        writer.close()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()


# How many bytes one TCP connection has put on the wire, headers included, as its kernel counts them.
#
# Linux tells it of any socket, without capture or privilege (`TCP_INFO`, `struct tcp_info` in linux/tcp.h). A segment
# has an IPv4 header of 20 bytes, a TCP header of 20, and 12 more of timestamps where both ends use them (RFC 7323).
# Segments that only acknowledge are counted too: on a quiet connection they are a good part of the price.


IP_BYTES, TCP_BYTES, TIMESTAMPS_BYTES = 20, 20, 12
TCPI_OPT_TIMESTAMPS = 1
OPTIONS_AT, RECEIVED_AT, SEGMENTS_AT, DATA_SEGMENTS_AT, SENT_AT = 5, 128, 136, 152, 200  # offsets in struct tcp_info
INFO_BYTES = 208  # what of it we read; since Linux 4.19


class HasOptions(Protocol):
    """A socket, or what asyncio gives in its place."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class WireCount:
    """TCP payload and segments of a connection so far, both ways; `later - earlier` is what lies between."""

    sent_bytes: int
    received_bytes: int
    segments: int
    header_bytes: int  # of one segment
    data_segments_received: int = 0  # segments that brought something, and not an acknowledgement alone

    @property
    def payload_bytes(self) -> int:
        """What TCP carried, both ways: TLS records, or frames where there is no TLS."""
        return self.sent_bytes + self.received_bytes

    @property
    def wire_bytes(self) -> int:
        """All bytes on the wire, both ways, IP and TCP headers included; no link layer."""
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
    """What the kernel has counted on a connection; None on a system that does not tell, or of a closed socket."""
    info = getattr(socket, "TCP_INFO", None)
    if info is None:
        return None
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, info, INFO_BYTES)
    except OSError:
        return None
    if len(told) < INFO_BYTES:  # another system's struct, or an old one
        return None
    (received,) = struct.unpack_from("=Q", told, RECEIVED_AT)
    out, into = struct.unpack_from("=II", told, SEGMENTS_AT)
    (data_into,) = struct.unpack_from("=I", told, DATA_SEGMENTS_AT)
    (sent,) = struct.unpack_from("=Q", told, SENT_AT)
    stamps = TIMESTAMPS_BYTES if told[OPTIONS_AT] & TCPI_OPT_TIMESTAMPS else 0
    return WireCount(sent, received, out + into, IP_BYTES + TCP_BYTES + stamps, data_into)


# A gate on the way to an address: bytes pass, until it is shut.
#
# Stands in for the network between two parts of a system, a node and its broker, say. While it is shut it is what a
# cable pulled out and a firewall's refusal look like together: open connections are reset, new ones refused. What had
# been sent may have arrived or not, as on any network. Nothing is ever taken out of the middle of a stream.


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


# A relay: it takes HTTP requests and WebSocket messages without TLS, and passes them on over TLS.
#
# A browser does not know the bench's authority, and would refuse its certificates. So it talks to a relay on
# loopback, as it talks to a server behind jupyter-server-proxy: messages pass unchanged, frames and heads are made
# anew. What says who asks (`Origin`, `Cookie`) passes too, and the relay adds which address the browser has asked, so
# that the server behind it can still tell its own pages from foreign ones.


Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Socket: TypeAlias = ClientWebSocketResponse | web.WebSocketResponse

# What passes. `Accept-Encoding` does not: at the tap we want to read.
FROM_CLIENT = ("Origin", "Cookie", "Content-Type", "Accept", "User-Agent")
FROM_SERVER = ("Content-Type", "Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])  # those that are open, to be closed with the application
NOT_SENT = (None, 1005, 1006, 1015)  # close codes that no frame may carry (RFC 6455, section 7.4.1)


def relay(session: aiohttp.ClientSession, target: str) -> Handler:
    """A handler for `add_route`, which passes requests on to `target` (an https address and nothing behind it).

    Args:
        session: trusts the server's certificate.
        target: where the server is; the request's path and query are kept.
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        url = target + request.path_qs
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await _pass_socket(session, url, request)
        async with session.request(
            request.method, url, headers=_heads(request), data=await request.read() or None
        ) as answer:
            heads = [(name, value) for name in FROM_SERVER for value in answer.headers.getall(name, [])]
            response = web.Response(status=answer.status, body=await answer.read())
            response.headers.extend(heads)
            return response

    return handler


async def close_relayed(app: web.Application) -> None:
    """For `app.on_shutdown`: close the WebSockets that are still open, or the server would wait for them."""
    still_open = app[SOCKETS]
    await asyncio.gather(*(here.close(code=1001) for here in list(still_open)))


async def _pass_socket(session: aiohttp.ClientSession, url: str, request: web.Request) -> web.StreamResponse:
    """Connect onwards first: a refusal there is the answer here."""
    names = request.headers.get("Sec-WebSocket-Protocol", "")
    protocols = [name.strip() for name in names.split(",") if name.strip()]
    try:
        there = await session.ws_connect(url, headers=_heads(request), protocols=protocols)
    except aiohttp.WSServerHandshakeError as refused:
        return web.Response(status=refused.status)
    here = web.WebSocketResponse(protocols=[there.protocol] if there.protocol else (), compress=False)
    try:
        await here.prepare(request)
        request.app[SOCKETS].add(here)
        await _both_ways(here, there)
    finally:
        request.app[SOCKETS].discard(here)
        await there.close()
    return here


async def _both_ways(here: Socket, there: Socket) -> None:
    """Pass messages both ways until one side closes; then close the other with the same code."""
    pumps = [asyncio.create_task(_relay_pump(here, there)), asyncio.create_task(_relay_pump(there, here))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    code = here.close_code or there.close_code
    await asyncio.gather(*(side.close(code=1000 if code in NOT_SENT else code) for side in (here, there)))


async def _relay_pump(source: Socket, sink: Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)


def _heads(request: web.Request) -> dict[str, str]:
    kept = {name: request.headers[name] for name in FROM_CLIENT if name in request.headers}
    asked = {"Host": request.host, "Proto": request.scheme}  # another proxy in front may know better
    return kept | {f"X-Forwarded-{what}": request.headers.get(f"X-Forwarded-{what}", to) for what, to in asked.items()}
