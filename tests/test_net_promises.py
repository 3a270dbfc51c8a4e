"""What asyncio promises of a closed transport is kept here, and where a Python breaks it, it is mended."""

from __future__ import annotations

import asyncio
import socket
from asyncio import transports
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from midspan.net.background_loop import fix_closed_transports
from midspan.net.servers import HOST, Authority
from tests.loops import in_a_loop


class AbortRaises:
    """`abort` as it stands in 3.11.2."""

    def __init__(self, ssl_protocol: Any) -> None:
        self._closed, self._ssl_protocol = False, ssl_protocol

    def abort(self) -> None:
        self._closed = True
        self._ssl_protocol._abort()


class AbortHolds(AbortRaises):
    def abort(self) -> None:
        self._closed = True
        if self._ssl_protocol is not None:
            self._ssl_protocol._abort()


class LinesRaise(transports.WriteTransport):
    """`writelines` as it stands in 3.12.1 and 3.13.0, of a transport that `close()` has emptied."""

    def __init__(self) -> None:
        self.written = b""
        self._buffer: list[bytes] = []
        self._write_ready: Any = None

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, list_of_data: Any) -> None:
        self._buffer.extend(list_of_data)
        self._write_ready()


class LinesHold(LinesRaise):
    writelines = transports.WriteTransport.writelines


class Open:
    """What lies under a TLS transport that is open."""

    aborted = False

    def _abort(self) -> None:
        self.aborted = True


def fresh(kind: type) -> type:
    """A class that may be mended without harm to the next test."""
    return type(kind.__name__, (kind,), {name: it for name, it in vars(kind).items() if callable(it)})


def test_what_is_broken_is_mended_once() -> None:
    tls, tcp = fresh(AbortRaises), fresh(LinesRaise)
    assert fix_closed_transports(tls, tcp) == ["abort", "writelines"]
    assert fix_closed_transports(tls, tcp) == []


def test_a_python_that_keeps_its_promises_is_left_alone() -> None:
    tls, tcp = fresh(AbortHolds), fresh(LinesHold)
    assert fix_closed_transports(tls, tcp) == []
    assert vars(tls)["abort"] is AbortHolds.abort


def test_an_open_transport_is_aborted_and_a_closed_one_is_closed() -> None:
    """The mended method still does its work."""
    tls = fresh(AbortRaises)
    fix_closed_transports(tls, LinesHold)
    below = Open()
    tls(below).abort()
    assert below.aborted
    closed = tls(None)
    closed.abort()
    assert closed._closed


def test_lines_are_written_as_write_does() -> None:
    tcp = fresh(LinesRaise)
    fix_closed_transports(AbortHolds, tcp)
    transport = tcp()
    transport.writelines([b"a", b"b"])
    assert transport.written == b"ab"


def test_this_python_keeps_them() -> None:
    """Importing `midspan.net` has mended what there was to mend."""
    assert fix_closed_transports() == []


# On real transports


Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Served, authority: Authority | None) -> AsyncIterator[asyncio.StreamWriter]:
    """The client's end of a connection, over TLS if there is an authority."""
    server, client = (authority.server, authority.client) if authority else (None, None)
    async with await asyncio.start_server(serve, HOST, 0, ssl=server) as serving:
        _, writer = await asyncio.open_connection(HOST, serving.sockets[0].getsockname()[1], ssl=client)
        try:
            yield writer
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


async def drop(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def gone(writer: asyncio.StreamWriter) -> None:
    """Close it, as a `finally` does and a caller does again; then it is gone."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    writer.close()


@pytest.mark.parametrize("authority", [None, Authority()], ids=["TCP", "TLS"])
@in_a_loop
async def test_what_is_gone_may_be_aborted(authority: Authority | None) -> None:
    async with connected(drop, authority) as writer:
        await gone(writer)
        writer.transport.abort()
        writer.transport.abort()


@in_a_loop
async def test_lines_to_what_is_gone_are_dropped() -> None:
    """As with `write`: the next read says that the connection has ended."""
    async with connected(drop, None) as writer:
        writer.close()
        writer.writelines([b"between", b"close and its end"])
        await gone(writer)
        writer.writelines([b"after", b"its end"])


@in_a_loop
async def test_lines_pause_the_writer_as_write_does() -> None:
    """More than the other end takes: `drain` waits."""
    near, far = socket.socketpair()
    with far:
        _, writer = await asyncio.open_connection(sock=near)
        writer.writelines([bytes(2**20)] * 16)
        draining = asyncio.create_task(writer.drain())
        await asyncio.wait({draining}, timeout=0.01)
        waited = not draining.done()
        writer.transport.abort()
        await asyncio.gather(draining, return_exceptions=True)
    assert waited
