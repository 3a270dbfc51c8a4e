"""A crowd opens many connections, counts what arrives whatever the reads, and says who is slow or gone."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, broadcast

from midspan.errors import Refusal
from midspan.net.receivers import STAMP, Receiver, open_receivers
from midspan.net.servers import raw_server, socketio_server
from tests.loops import in_a_loop


def stamped(**more: Any) -> str:
    return json.dumps({"at": time.monotonic(), **more})


@in_a_loop
async def test_each_hears_each_message_and_its_age() -> None:
    everybody: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        everybody.add(connection)
        await connection.wait_closed()

    async with raw_server(handler, None) as served, open_receivers() as people:
        assert await people.ask("open", url=served.url, count=60) == 60
        for _ in range(3):
            broadcast(everybody, stamped())
        assert await people.ask("until", messages=180)
        heard = await people.ask("heard")
        assert (heard["messages"], heard["gone"]) == (180, 0)
        assert 0 < heard["p50_ms"] <= heard["p99_ms"] < 20_000
        assert (await people.ask("heard"))["messages"] == 0
        await people.ask("close")


@in_a_loop
async def test_a_slow_one_reads_nothing() -> None:
    """What the server writes to it stays with the server, past a small bound."""
    waiting = asyncio.get_running_loop().create_future()

    async def handler(connection: ServerConnection) -> None:
        broadcast([connection], stamped(filler="x" * 8 * 2**20))
        waiting.set_result(connection.transport.get_write_buffer_size())
        await connection.wait_closed()

    async with raw_server(handler, None) as served, open_receivers() as people:
        await people.ask("open", url=served.url, count=1, slow=1)
        assert await waiting > 2**20
        assert not await people.ask("until", messages=1, within_s=0.05)
        await people.ask("close")


@in_a_loop
async def test_socketio_is_greeted() -> None:
    def register(sio: Any) -> None:
        async def connect(sid: str, _environ: Any) -> None:
            await sio.emit("tick", {"at": time.monotonic()}, to=sid)

        sio.on("connect", connect)

    async with socketio_server(register, None, always_connect=True) as served, open_receivers() as people:
        await people.ask("open", url=served.url.replace("http", "ws"), count=2, says="40")
        assert await people.ask("until", messages=2)
        await people.ask("close")


@in_a_loop
async def test_who_is_gone_is_counted() -> None:
    async def handler(connection: ServerConnection) -> None:
        broadcast([connection], stamped())
        connection.transport.close()  # not the connection: the crowd would not answer its goodbye

    async with raw_server(handler, None) as served, open_receivers() as people:
        await people.ask("open", url=served.url, count=3)
        assert await people.ask("until", messages=3)
        while (await people.ask("heard"))["gone"] < 3:  # the server closes right after
            pass


@in_a_loop
async def test_where_nobody_listens_is_a_sentence() -> None:
    async with open_receivers() as people:
        with pytest.raises(Refusal, match="an address where a server takes connections"):
            await people.ask("open", url="ws://127.0.0.1:1", count=1)


class Ears:
    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.more = asyncio.Event()


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_a_stamp_is_counted_once_however_it_is_read(cut: int) -> None:
    """Two frames, cut into reads of any size, are two messages."""

    async def read() -> int:
        ears = Ears()
        receiver = Receiver(ears, slow=False, says="")  # type: ignore[arg-type]  # it needs only these two attributes
        data = b'HTTP/1.1 101 Ok\r\n\r\n\x81\x0f{"at": 12.25, "x": 1}\x81\x0f42["tick",{"at":13.5}]'
        for start in range(0, len(data), cut):
            receiver.data_received(data[start : start + cut])
        return len(ears.latencies_s)

    assert asyncio.run(read()) == 2


def test_a_number_that_may_go_on_is_no_stamp() -> None:
    assert STAMP.search(b'"at": 12.2') is None
    assert STAMP.search(b'"at": 12.2}')
