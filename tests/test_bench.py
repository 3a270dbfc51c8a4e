"""The bench opens in order, closes in reverse, is replaced by the next one, and says what was still open."""

from __future__ import annotations

import asyncio
import threading

import pytest
import socketio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.sync.client import connect as connect_and_block

from midspan.bench.bench import Bench
from midspan.bench.leftovers import Leftovers
from midspan.eyes.parties import parties
from midspan.refusal import Refusal
from tests.loops import in_a_loop


async def never_ends(_connection: ServerConnection) -> None:
    await asyncio.Event().wait()


@in_a_loop
async def test_both_servers_answer_through_their_taps() -> None:
    async with Bench() as bench:
        async with connect(bench.raw.url, ssl=bench.trust) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        async with bench.http_session() as http:
            framework = socketio.AsyncClient(http_session=http)
            await framework.connect(bench.socketio.url)
            assert await framework.call("typing_start", {"room": "a"}) == {"room": "a"}
            await framework.disconnect()
        assert "TEXT fin" in str(await bench.raw.exchange())
        assert "EVENT" in str(await bench.socketio.exchange())


@in_a_loop
async def test_a_cleared_tap_still_reads_what_comes_next_and_forgets_the_dead() -> None:
    async with Bench() as bench, connect(bench.raw.url, ssl=bench.trust, compression=None) as client:
        async with connect(bench.raw.url, ssl=bench.trust):
            pass
        await bench.raw.exchange()  # the second connection has ended on both sides
        bench.raw.clear()
        await client.send("again")
        await client.recv()
        exchange = await bench.raw.exchange()
        assert [sighting.what for sighting in exchange] == [
            'TEXT fin masked 5 bytes "again"',
            'TEXT fin 5 bytes "again"',
        ]
        assert {chunk.connection for chunk in bench.raw.capture.before} == {1}


@in_a_loop
async def test_a_synchronous_client_in_a_cell_is_served() -> None:
    async with Bench() as bench:
        with connect_and_block(bench.raw.url, ssl=bench.trust) as client:
            client.send("hello")
            assert client.recv() == "hello"


@in_a_loop
async def test_closing_says_that_nothing_is_open() -> None:
    bench = await Bench()
    assert await bench.close() == Leftovers()
    assert await bench.close() == Leftovers(), "closing twice does nothing"


@in_a_loop
async def test_what_a_learner_forgot_is_named() -> None:
    bench = await Bench()
    forgotten = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    left = await bench.close()
    forgotten.cancel()
    await asyncio.wait([forgotten])
    assert left.tasks == ("Event.wait",)
    assert str(left).startswith("Closed, but still open:\n  task: Event.wait\n")


class ZmqThread(threading.Thread):
    """Stands for the thread that pyzmq starts with the first large output of a kernel."""

    __module__ = "zmq.utils.garbage"


@in_a_loop
async def test_a_thread_of_the_kernels_own_is_no_leftover() -> None:
    bench, end = await Bench(), threading.Event()
    started = ZmqThread(target=end.wait, daemon=True)
    started.start()
    left = await bench.close()
    end.set()
    started.join()
    assert left.nothing


@in_a_loop
async def test_opening_a_second_bench_closes_the_first() -> None:
    first = await Bench()
    url = first.raw.url
    async with Bench() as second:
        assert second.raw.url != url
        with pytest.raises(ConnectionRefusedError):
            await connect(url, ssl=first.trust)
        with pytest.raises(Refusal, match="open bench"):
            _ = first.raw


@in_a_loop
async def test_a_handler_that_never_ends_is_cancelled_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midspan.bench.bench.CLOSE_S", 0.05)
    bench = await Bench(raw=never_ends)
    client = await connect(bench.raw.url, ssl=bench.trust)
    left = await bench.close()
    await client.close()
    assert left.nothing
    assert any("handler" in name for name in left.cancelled), left.cancelled


@in_a_loop
async def test_options_reach_the_servers() -> None:
    async with Bench(raw_options={"max_size": 4}) as bench, connect(bench.raw.url, ssl=bench.trust) as client:
        await client.send("too long")
        await client.wait_closed()
        assert client.close_code == 1009


@in_a_loop
async def test_a_bench_that_cannot_start_leaves_nothing() -> None:
    with pytest.raises(Refusal, match="async function"):
        await Bench(raw="echo")  # type: ignore[arg-type]  # what a learner may write


@in_a_loop
async def test_the_bench_says_who_talks_to_whom_and_when_nobody_does() -> None:
    bench = Bench()
    closed = str(bench)
    assert closed.splitlines()[0] == "Closed: nobody listens. Open it: `bench = await Bench()`."
    async with bench:
        lines = [line.split(" (")[0] for line in str(bench).splitlines()]
        assert lines == ["client -> tap -> raw server", "client -> tap -> Socket.IO server"]
        assert "<polygon" in parties(bench).svg
    assert str(bench) == closed
    picture = parties(bench).svg
    assert "Closed: nobody listens" in picture
    assert "<polygon" not in picture, "no arrow leads to who does not listen"
