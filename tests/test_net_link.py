"""The link as a whole: what passes an honest one, threads, ends and resets, and the bench's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import socketio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_and_block

from midspan.errors import Refusal
from midspan.experiments.bench import Bench
from midspan.net.fault_proxy import Link, link
from midspan.net.servers import HOST, Authority
from tests.loops import in_a_loop, in_jumping_time
from tests.tls_in_threads import for_threads


@asynccontextmanager
async def in_front_of(
    serve: asyncio.Protocol, authority: Authority, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Link]:
    """A link in front of a bare server, which speaks TLS or not: the link does not look."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: serve, HOST, 0, ssl=tls)
    async with server, link(server.sockets[0].getsockname()[1], authority) as opened:
        yield opened


class Hearing(asyncio.Protocol):
    """Takes bytes when it is told to, says what it is told to, and keeps how the connection ended."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.heard, self.error = bytearray(), Exception()
        self.made, self.first, self.eof, self.lost = (loop.create_future() for _ in range(4))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.heard:
            self.first.set_result(None)
        self.heard += data

    def eof_received(self) -> bool:
        self.eof.set_result(None)
        return True  # the other direction stays open

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


@in_jumping_time
async def test_bytes_pass_both_ways_until_each_side_has_ended() -> None:
    """Half-closed TCP passes: the client has said FIN and still hears."""
    server = Hearing()
    async with in_front_of(server, Authority()) as opened:
        reader, writer = await asyncio.open_connection(HOST, opened.port)
        writer.write(b"all of it")
        writer.write_eof()
        await server.eof
        assert bytes(server.heard) == b"all of it"
        server.transport.write(b"x" * 300_000)
        server.transport.close()
        assert len(await reader.read()) == 300_000
        writer.close()
        await writer.wait_closed()


@in_jumping_time
async def test_a_reset_passes_as_a_reset() -> None:
    server = Hearing()
    async with in_front_of(server, Authority()) as opened:
        reader, writer = await asyncio.open_connection(HOST, opened.port)
        writer.write(b"hello")
        await server.first
        opened.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert isinstance(await server.lost, ConnectionResetError)
        writer.close()


@in_jumping_time
async def test_slowness_passes() -> None:
    """The server does not read: the sender has to stop when the window and the kernels' buffers are full."""
    server = Hearing()
    async with in_front_of(server, Authority()) as opened:
        reader, writer = await asyncio.open_connection(HOST, opened.port)
        await server.made
        server.transport.pause_reading()
        written = 0

        async def write_on() -> None:
            nonlocal written
            while True:
                writer.write(bytes(2**20))
                written += 2**20
                await writer.drain()

        writing = asyncio.create_task(write_on())
        await asyncio.wait([writing], timeout=10)
        assert not writing.done()
        assert written < 2**28
        writing.cancel()
        server.transport.resume_reading()
        writer.write_eof()
        await server.eof
        assert len(server.heard) == written
        server.transport.abort()
        writer.close()
        await reader.read()


@in_jumping_time
async def test_nobody_behind_the_link_is_a_reset() -> None:
    server = Hearing()
    async with in_front_of(server, Authority()) as opened:
        opened.target_port = 1  # nobody listens there
        reader, writer = await asyncio.open_connection(HOST, opened.port)
        with pytest.raises(ConnectionError):
            await reader.read()
        writer.close()


@in_a_loop
async def test_the_tap_of_a_bench_sees_what_has_crossed_its_link() -> None:
    async with Bench(links=True) as bench, connect(bench.raw.url, ssl=bench.trust) as client:
        await client.send("before")
        assert await client.recv() == "before"
        with bench.raw.link.blackhole():
            await client.send("held")
            assert b"held" not in bench.raw.capture.sent_by("client")
        assert await client.recv() == "held"
        assert str(bench).startswith("client -> link -> tap -> raw server")


@in_a_loop
async def test_faults_work_from_a_cell_that_awaits_and_from_one_that_blocks() -> None:
    """The link lives in the bench's thread; the blocks of several cells may overlap in any order."""
    async with Bench(links=True) as bench:
        with connect_and_block(bench.raw.url, ssl=for_threads(bench.trust)) as client:
            first, second = bench.raw.link.slice(10), bench.raw.link.latency(0.001)
            first.__enter__()
            second.__enter__()
            client.send("hello")
            assert client.recv() == "hello"
            first.__exit__(None, None, None)
            assert str(bench.raw.link) == "link (latency 0.001 s)"
            second.__exit__(None, None, None)
            bench.raw.link.cut()
            with pytest.raises(ConnectionClosed):
                client.recv()


@in_a_loop
async def test_a_block_that_outlives_its_bench_ends_in_peace() -> None:
    bench = await Bench(links=True)
    with bench.raw.link.blackhole():
        assert (await bench.close()).nothing


@in_a_loop
async def test_a_bench_without_links_says_how_to_get_them() -> None:
    async with Bench() as bench:
        with pytest.raises(Refusal, match="links=True"):
            bench.raw.link.latency(1)


@pytest.mark.parametrize("verb", ["strip_upgrade", "refuse_upgrade", "reset_upgrade"])
@in_a_loop
async def test_python_socketio_stays_on_polling_where_upgrades_do_not_pass(verb: str) -> None:
    async with Bench(links=True) as bench, bench.http_session() as session:
        client = socketio.AsyncClient(http_session=session, reconnection=False)
        with getattr(bench.socketio.link, verb)():
            await client.connect(bench.socketio.url)
            assert await client.call("hello", 1) == 1
            assert client.transport() == "polling"
        with bench.socketio.link.reset():  # its own disconnect() waits half a minute for the poll
            await client.wait()
