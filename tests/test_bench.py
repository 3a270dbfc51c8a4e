"""The bench opens in order, closes in reverse, is replaced by the next one, and says what was still open."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from itertools import count

import pytest
import socketio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.sync.client import connect as connect_and_block

from midspan.errors import Refusal
from midspan.experiments import bench as module
from midspan.experiments.bench import Bench, Leftovers
from midspan.net.background_loop import END_S, LoopThread
from midspan.pictures.scenes import bench_picture
from tests.course import ROOT
from tests.loops import in_a_loop
from tests.tls_in_threads import for_threads


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
        with connect_and_block(bench.raw.url, ssl=for_threads(bench.trust)) as client:
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
async def test_a_session_of_ours_asks_the_system_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """With aiodns installed aiohttp's own choice starts a thread that outlives the session."""

    class Leaves:
        def __init__(self, *_: object, **__: object) -> None:
            raise AssertionError("this resolver would leave a thread")

    monkeypatch.setattr("aiohttp.connector.DefaultResolver", Leaves)
    async with Bench() as bench, bench.http_session() as http:
        client = socketio.AsyncClient(http_session=http)
        await client.connect(bench.socketio.url.replace("127.0.0.1", "localhost"))
        await client.disconnect()


def test_every_session_of_ours_is_made_in_one_place() -> None:
    sources = (ROOT / "src").rglob("*.py")
    made = [path for path in sources if re.search(r"(ClientSession|TCPConnector)\(", path.read_text("utf-8"))]
    assert [path.name for path in made] == ["servers.py"]


def test_closing_has_limits_that_are_under_a_second_together() -> None:
    settling_s = module.SETTLE_TURNS * module.TURN_S
    assert module.ANSWER_S + settling_s < 1.0
    assert module.CLOSE_S + sum(END_S) < 1.0


def test_what_waits_for_a_worker_is_done_after_the_thread_has_closed() -> None:
    """aiohttp closes files there: a job that is dropped leaves one open."""
    thread, busy, done = LoopThread(), threading.Event(), threading.Event()

    jobs: list[Callable[[], object]] = [*[busy.wait] * thread._executor._max_workers, done.set]

    async def fill() -> None:
        for job in jobs:
            thread.loop.run_in_executor(None, job)

    thread.run(fill())
    thread.close()
    assert not done.is_set()
    busy.set()
    assert done.wait(20)


@in_a_loop
async def test_a_bench_whose_own_thread_is_blocked_is_left_and_named() -> None:
    """It would have been waited for as long as the call lasts. It ends with that call."""
    entered, free = threading.Event(), threading.Event()

    async def blocks(connection: ServerConnection) -> None:
        await connection.recv()
        entered.set()
        free.wait()

    bench = await Bench(raw=blocks)
    client = await connect(bench.raw.url, ssl=bench.trust)
    await client.send("block")
    await asyncio.to_thread(entered.wait)
    left = await bench.close()
    assert "midspan bench" in left.threads
    assert "midspan bench" in str(left)
    free.set()
    await client.wait_closed()
    await asyncio.to_thread(bench._thread._thread.join)
    assert bench._thread.loop.is_closed()


@in_a_loop
async def test_a_worker_thread_that_is_blocked_is_named_and_not_waited_for() -> None:
    entered, free = threading.Event(), threading.Event()

    async def hands_on(_: ServerConnection) -> None:
        entered.set()
        await asyncio.to_thread(free.wait)

    bench = await Bench(raw=hands_on)
    client = await connect(bench.raw.url, ssl=bench.trust)
    await asyncio.to_thread(entered.wait)
    left = await bench.close()
    free.set()
    await client.close()
    assert [name for name in left.threads if name.startswith("midspan bench_")]


@in_a_loop
async def test_what_is_still_open_is_looked_for_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look goes through all processes: a hundred of them took six seconds beside one thread of a learner's."""
    bench, end, looks = await Bench(), threading.Event(), count()
    once = module.Baseline._compare
    monkeypatch.setattr(module.Baseline, "_compare", lambda *given: (next(looks), once(*given))[1])
    thread = threading.Thread(target=end.wait, name="blocked", daemon=True)
    thread.start()
    left = await bench.close()
    end.set()
    thread.join()
    assert left.threads == ("blocked",)
    assert next(looks) == module.SETTLE_TURNS


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
    monkeypatch.setattr("midspan.experiments.bench.CLOSE_S", 0.05)
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
        assert "<polygon" in bench_picture(bench).svg
    assert str(bench) == closed
    picture = bench_picture(bench).svg
    assert "Closed: nobody listens" in picture
    assert "<polygon" not in picture, "no arrow leads to who does not listen"
