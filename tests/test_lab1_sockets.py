"""Lab 1's server and client on real sockets, against raw bytes: what is said, and that TCP ends as it must."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from midspan.net.servers import HOST, Authority
from tests.lab1 import BINARY, CLOSE, TEXT, Sent, closing, frame, reference, sent
from tests.lab1_handshakes import REQUESTS
from tests.lab1_rows import HI, ROWS, Row
from tests.loops import in_a_loop

ASK = REQUESTS[0].head
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def server(tls: ssl.SSLContext | None = None, timeout_s: float = 2.0) -> AsyncIterator[Any]:
    async with await reference().serve(reference().echo, tls=tls, timeout_s=timeout_s) as served:
        yield served


@asynccontextmanager
async def raw(served: Any, tls: ssl.SSLContext | None = None, opening: bytes = ASK) -> AsyncIterator[Streams]:
    """A bare TCP or TLS connection on which the opening handshake is done."""
    reader, writer = await asyncio.open_connection(HOST, served.port, ssl=tls)
    try:
        writer.write(opening)
        if opening:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield reader, writer
    finally:
        writer.transport.abort()


async def tell(row: Row, streams: Streams, size: int) -> list[Sent | int]:
    """Send the row's bytes, end with a close if the row leaves the connection open, read to the end of TCP."""
    reader, writer = streams
    data = row.sent + (frame(CLOSE, closing(1000)) if row.open else b"")
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
    async with asyncio.timeout(2):
        said: list[Sent | int] = list(sent(await reader.read()))
    assert isinstance(said[-1], Sent)
    if row.open:
        assert said.pop() == Sent(CLOSE, closing(1000))
    elif isinstance(row.back[-1], int):
        said[-1] = int.from_bytes(said[-1].payload[:2], "big")
    return said


@in_a_loop
async def test_every_row_on_tcp() -> None:
    """The server says the same as without a socket, and ends TCP at once: section 7.1.1."""
    async with server() as served:
        for row in ROWS:
            async with raw(served) as streams:
                assert await tell(row, streams, 2**20) == row.back, row.claim


@pytest.mark.parametrize("size", [1, 7])
@in_a_loop
async def test_a_sample_in_pieces_on_tcp(size: int) -> None:
    async with server() as served:
        for row in [row for row in ROWS[::9] if len(row.sent) < 1000]:
            async with raw(served) as streams:
                assert await tell(row, streams, size) == row.back, row.claim


@in_a_loop
async def test_a_sample_on_tls() -> None:
    authority = Authority()
    async with server(authority.server) as served:
        for row in ROWS[::7]:
            async with raw(served, authority.client) as streams:
                assert await tell(row, streams, 2**20) == row.back, row.claim


@in_a_loop
async def test_every_bad_request_on_tcp() -> None:
    """The refusal is whole, and TCP ends behind it; half of the time a first frame comes with the request."""
    async with server() as served:
        for number, row in enumerate(row for row in REQUESTS if row.status != 101):
            async with raw(served, opening=b"") as (reader, writer):
                writer.write(row.head + HI * (number % 2))
                async with asyncio.timeout(2):
                    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % row.status), row.claim
            assert b"Content-Length: %d" % len(body) in head


@in_a_loop
async def test_frames_that_come_with_the_request_are_answered() -> None:
    async with server() as served, raw(served, opening=b"") as (reader, writer):
        writer.write(ASK + HI + frame(CLOSE))
        async with asyncio.timeout(2):
            _, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        assert list(sent(rest)) == [Sent(TEXT, b"Hi"), Sent(CLOSE, b"")]


@in_a_loop
async def test_sixteen_mebibytes_come_back() -> None:
    data = bytes(2**24)
    lab = reference()
    async with server() as served, raw(served) as (reader, writer):
        writer.write(lab.encode_frame(BINARY, data, True, b"abcd"))
        async with asyncio.timeout(20):
            assert await reader.readexactly(10) == lab.encode_frame(BINARY, data)[:10]
            assert await reader.readexactly(len(data)) == data


@in_a_loop
async def test_the_close_is_heard_by_one_who_goes_on_sending() -> None:
    """A server that closes above unread bytes resets the connection, and its close may never be read."""
    async with server() as served, raw(served) as (reader, writer):
        writer.write(frame(TEXT, b"\xff") + bytes(2**20))
        async with asyncio.timeout(2):
            assert [f.opcode for f in sent(await reader.read())] == [CLOSE]


@pytest.mark.parametrize("opening", [b"", b"GET / HTTP/1.1\r\nHost: x"])
@in_a_loop
async def test_one_who_never_asks_is_dropped(opening: bytes) -> None:
    async with server(timeout_s=0.05) as served, raw(served, opening=b"") as (reader, writer):
        writer.write(opening)
        async with asyncio.timeout(2):
            assert await reader.read() == b""


@in_a_loop
async def test_one_who_never_answers_the_close_is_dropped() -> None:
    """Our close, half of TCP, then all of it; with TLS too."""
    authority = Authority()
    for theirs, ours in ((None, None), (authority.server, authority.client)):
        async with server(theirs, timeout_s=0.05) as served, raw(served, ours) as (reader, _):
            served.close()
            async with asyncio.timeout(2):
                assert list(sent(await reader.read())) == [Sent(CLOSE, closing(1001))]
                await served.wait_closed()


@in_a_loop
async def test_a_hundred_at_once_and_none_is_left() -> None:
    async def one(served: Any, number: int) -> None:
        async with reference().connect(f"ws://{HOST}:{served.port}/") as socket:
            await socket.send(f"{number}")
            assert await socket.recv() == f"{number}"

    async with server() as served, asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(one(served, number))
    assert served.tasks == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@in_a_loop
async def test_one_who_vanishes_leaves_nothing() -> None:
    """A reset in the middle of everything: no task, no noise."""
    async with server() as served:
        for data in (b"", HI[:3], HI * 1000):
            async with raw(served) as (_, writer):
                writer.write(data)
                await writer.drain()
        async with asyncio.timeout(2):
            await asyncio.gather(*served.tasks)
    assert served.tasks == set()
