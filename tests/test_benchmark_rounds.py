"""Servers in processes of their own: who burns more is found out, equals are equal, and nothing outlives its owner."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from midspan.benchmark import contender, contenders, growth, paired
from midspan.benchmark.clients import Echo, Envelope
from midspan.benchmark.contenders import Code, Contender, Started, code_of, load_code, started
from midspan.benchmark.rounds import Events, FanOut, Idle, ServerWork, Steady, averaged
from midspan.benchmark.servers import websockets_envelope
from midspan.benchmark.statistics import Comparison
from midspan.errors import Refusal
from midspan.net.child_process import Child
from midspan.net.receivers import Reader, masked_frame
from midspan.protocols.websocket import read_frames
from tests.loops import in_a_loop
from tests.node import needs_node

FEW = Events(events=64, connections=4, at_once=4)
WARM_UP = 8


async def burning(tls: Any, times: int) -> AsyncIterator[int]:
    """An echo that works `times` as long on each message."""
    from websockets.asyncio.server import serve

    async def handler(connection: Any) -> None:
        async for message in connection:
            for _ in range(times):
                sum(range(20_000))
            await connection.send(message)

    async with serve(handler, "127.0.0.1", 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def nothing() -> Any:
    """No server."""


def burner(name: str, times: int) -> Contender:
    return contender(name, burning, Echo, times=times)


@pytest.mark.timeout(300)  # fifteen servers are started: on a machine that does much else it takes its time
@in_a_loop
async def test_who_burns_twice_is_larger_and_an_equal_is_not() -> None:
    three = [burner("once", 1), burner("again", 1), burner("twice", 2)]
    run = await paired(three, FEW, rounds=5, tls=False, warm_up=WARM_UP)
    assert run.ratio("twice", "once", "cpu_us").verdict is Comparison.LARGER
    assert run.ratio("once", "twice", "cpu_us").verdict is Comparison.SMALLER
    assert all(run.median(name, "floor_us") <= run.median(name, "p50_us") for name in run.names)
    assert run.ratio("once", "again", "cpu_us", margin=0.3).verdict is Comparison.NOISE
    assert run.ratio("once", "again", "frame_bytes").median == 1


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
@in_a_loop
async def test_every_contender_acknowledges(tls: bool) -> None:
    everybody = [*contenders.PYTHON, *contenders.node_contenders()]
    if not tls:  # what differs without it is the same for all
        everybody = everybody[:2]
    run = await paired(everybody, Events(events=8, connections=2, at_once=2), rounds=1, tls=tls, warm_up=2)
    assert run.median("TCP echo", "frame_bytes") == 2 * len(Echo.text)
    assert run.median("websockets echo", "frame_bytes") == 2 * len(Echo.text) + 8  # two headers, one of them masked
    for name in run.names:
        assert run.median(name, "cpu_us") > 0, name
        more = run.median(name, "payload_bytes") - run.median(name, "frame_bytes")
        assert more == (44 if tls else 0), name  # a TLS 1.3 record around each frame: 5 bytes, 1 and 16 (RFC 8446)


@in_a_loop
async def test_node_serves_both() -> None:
    names = [one.name for one in contenders.node_contenders()]
    assert names == ["Node ws + envelope", "Node socket.io"]


test_node_serves_both = needs_node("ws", "socket.io")(test_node_serves_both)


@in_a_loop
async def test_at_a_low_rate_the_last_acknowledgement_of_tcp_is_counted() -> None:
    run = await paired(
        [contenders.WEBSOCKETS_ECHO], Steady(events=4, every_s=0.05), rounds=1, tls=False, warm_up=WARM_UP
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells how many segments there were")
    headers = run.median("websockets echo", "wire_bytes") - run.median("websockets echo", "payload_bytes")
    assert 2 * 40 <= headers <= 4 * 52  # there, back, and what only acknowledges
    assert headers % 13 == 0  # 52 bytes a segment, of 4 events


@in_a_loop
async def test_many_events_in_one_turn_are_all_acknowledged() -> None:
    run = await paired([contenders.AIOHTTP_SOCKETIO], Events(64, 16, 2, 2), rounds=1, tls=False, warm_up=WARM_UP)
    assert 60 < run.median("aiohttp + python-socketio", "frame_bytes") < 80


@in_a_loop
async def test_idle_connections_have_a_size() -> None:
    two = [contenders.TCP_ECHO, contenders.AIOHTTP_SOCKETIO]
    run = await paired(two, Idle(connections=50, until=250), rounds=1, tls=False, warm_up=WARM_UP)
    assert 0 < 2 * run.median("TCP echo", "kib") < run.median("aiohttp + python-socketio", "kib") < 100


@in_a_loop
async def test_everybody_is_told() -> None:
    everybody = (contenders.WEBSOCKETS_ENVELOPE, contenders.AIOHTTP_ENVELOPE, contenders.AIOHTTP_SOCKETIO)
    run = await paired(everybody, FanOut(times=2, connections=20), rounds=1, tls=False, warm_up=WARM_UP)
    assert all(run.median(one.name, "cpu_us") > 0 for one in everybody)


@in_a_loop
async def test_what_is_counted_inside_is_the_same_each_time() -> None:
    two = [contenders.WEBSOCKETS_ENVELOPE, contenders.AIOHTTP_SOCKETIO]
    run = await paired(two, ServerWork(events=10), rounds=2, tls=False, warm_up=WARM_UP)
    assert run.values("websockets + envelope", "tasks") == (0, 0)
    assert run.median("aiohttp + python-socketio", "tasks") >= 1
    assert run.median("aiohttp + python-socketio", "calls") > 1.5 * run.median("websockets + envelope", "calls")
    first, second = run.values("websockets + envelope", "calls")
    assert abs(first - second) / first < 0.1
    assert run.median("websockets + envelope", "blocks") >= 1


SOURCE = """
async def app(tls, word):
    from websockets.asyncio.server import serve
    async def handler(connection):
        async for message in connection:
            await connection.send(word)
    async with serve(handler, "127.0.0.1", 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]
"""

PROGRAM = """
import asyncio, sys
from websockets.asyncio.server import serve

async def handler(connection):
    async for message in connection:
        await connection.send(message)

async def main():
    async with serve(handler, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(main())
"""


@in_a_loop
async def test_a_cell_a_command_and_an_address_are_contenders(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(PROGRAM)
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} {{port}}"
    cell = contender("a cell", Code("app", source=SOURCE), Echo, word="hello")
    async with started(contenders.WEBSOCKETS_ECHO, tls=False) as running:
        three = [cell, contender("a command", command, Echo), contender("an address", running.url, Echo)]
        run = await paired(three, FEW, rounds=1, tls=False, warm_up=WARM_UP)
    assert all(run.median(one.name, "p50_us") > 0 for one in three)
    assert run.median("a cell", "cpu_us") > 0
    assert run.median("a command", "cpu_us") > 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: contender("x", "ws://example.org:80", Echo), "a server on this machine"),
        (lambda: contender("x", "ws://127.0.0.1", Echo), "a server on this machine"),
        (lambda: contender("x", "node server.mjs", Echo), "a command line that is told its port"),
        (lambda: contender("x", lambda tls: tls, Echo), "a function or a class with a name"),
        (lambda: contender("x", nothing(), Echo), "for `server` of contender"),
        (lambda: load_code(Code("app", source="x = 1").to_json()), "source that defines app"),
    ],
)
def test_no_contender(make: Any, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        make()


async def no_port(_tls: Any) -> AsyncIterator[str]:
    yield "8765"


async def no_server(_tls: Any) -> int:
    return 8765


async def silent(_tls: Any) -> AsyncIterator[int]:
    """It acknowledges with something that the dialect takes for no acknowledgement, then closes."""
    from websockets.asyncio.server import serve

    async def handler(connection: Any) -> None:
        await connection.recv()

    async with serve(handler, "127.0.0.1", 0) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (no_port, "Expected a port, but got '8765'"),
        (no_server, "an async generator that yields its port"),
        (silent, "Expected that x acknowledges events, but got"),
        (f"{shlex.quote(sys.executable)} -c pass {{port}}", "one that ended with 0"),
        ("no-such-program {port}", "a command that can be run"),
    ],
)
@in_a_loop
async def test_what_does_not_serve_is_a_sentence(server: Any, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        await paired([contender("x", server, Envelope)], FEW, rounds=1, tls=False, warm_up=WARM_UP)


def test_a_burst_of_other_work_in_one_slice_decides_no_round() -> None:
    assert averaged([{"cpu_us": 10.0}, {"cpu_us": 500.0}, {"cpu_us": 11.0}]) == {"cpu_us": 11.0}
    assert averaged([{"cpu_us": 10.0}, {"cpu_us": 11.0}]) == {"cpu_us": 10.5}


@in_a_loop
async def test_a_round_has_as_many_slices_as_asked() -> None:
    seen: list[str] = []

    class Counting(Events):
        async def __call__(self, _: Child, server: Started) -> dict[str, float]:
            seen.append(server.contender.name)
            return {"cpu_us": float(len(seen))}

    found = await paired([burner("echo", 1)], Counting(), rounds=1, slices=5, warm_up=0)
    (name,) = found.names
    assert (seen, found.values(name, "cpu_us")) == ([name] * 5, (3.0,))


@in_a_loop
async def test_growth_is_a_run_for_each_number_of_connections() -> None:
    found = await growth([contenders.TCP_ECHO], (1, 30), events=60, progress=False)
    assert list(found.runs) == [1, 30]
    assert found.names == ["TCP echo"]
    assert found.table().head == ("", "1", "30")
    for numbers in ((), (0,), ("many",)):
        with pytest.raises(Refusal, match="numbers of connections"):
            await growth([contenders.TCP_ECHO], numbers)  # type: ignore[arg-type]


@in_a_loop
async def test_what_cannot_be_measured_is_refused() -> None:
    echo = contenders.WEBSOCKETS_ECHO
    for contend, options, words in (
        ([], {}, "contenders, each with a name of its own"),
        ([echo, echo], {}, "contenders, each with a name of its own"),
        ([echo], {"rounds": 0}, "a round or more"),
        ([contender("x", "wss://127.0.0.1:1", Echo)], {"tls": True}, "the certificate to trust"),
        ([contender("x", "ws://127.0.0.1:1", Echo)], {"tls": True}, "a server with TLS"),
    ):
        with pytest.raises(Refusal, match=words):
            await paired(contend, FEW, **options)


OWNER = """
import asyncio, sys
from midspan.benchmark import contenders
from midspan.benchmark.contenders import contender, started
from midspan.benchmark.clients import Echo
async def main():
    command = contender("x", sys.argv[1], Echo)
    async with started(contenders.WEBSOCKETS_ECHO, tls=True) as one, started(command, tls=False) as two:
        print(one.pid, two.pid, flush=True)
        await asyncio.Future()
asyncio.run(main())
"""


def test_nobody_outlives_an_owner_that_is_killed() -> None:
    line = f"{shlex.quote(sys.executable)} -m http.server --bind 127.0.0.1 {{port}}"
    with subprocess.Popen([sys.executable, "-c", OWNER, line], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        processes = [psutil.Process(pid) for pid in pids]
        os.kill(owner.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert len(pids) == 2
    assert not alive


def test_server_and_load_stand_on_cores_of_their_own() -> None:
    ours = contenders.cores()
    if ours is None:
        pytest.skip("this system does not let us choose, or has one core")
    assert len({*ours}) == 2
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        contenders.pin(process.pid, ours[0])
        assert os.sched_getaffinity(process.pid) == {ours[0]}
    assert contenders.rss_bytes(os.getpid()) > 2**20


def test_processor_time_is_what_the_process_says() -> None:
    import time

    before_s, began_s = contenders.cpu_s(os.getpid()), time.process_time()
    while time.process_time() - began_s < 0.1:
        pass
    assert contenders.cpu_s(os.getpid()) - before_s == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_the_thin_client_reads_and_writes_frames(size: int, cut: int) -> None:
    """Against the library's own."""
    from websockets.frames import Frame, Opcode

    if cut < 100 and size > 1000:
        cut *= 1000
    message = "x" * size
    wire = Frame(Opcode.TEXT, message.encode()).serialize(mask=False) + Frame(Opcode.PING, b"?").serialize(mask=False)
    reader = Reader()
    heard = [one for at in range(0, len(wire), cut) for one in reader.feed(wire[at : at + cut])]
    assert (heard, reader.pings) == ([message], [b"?"])
    (written,), rest = read_frames(masked_frame(message))
    assert (written.opcode, written.payload, rest) == (Opcode.TEXT, message.encode(), b"")


def test_a_function_of_a_module_goes_by_its_name() -> None:
    code = code_of(websockets_envelope, {"a": 1})
    assert (str(code), code.options) == ("midspan.benchmark.servers:websockets_envelope", {"a": 1})
    assert load_code(code.to_json()) is websockets_envelope


def test_dialects_count_what_is_acknowledged() -> None:
    one = Envelope()
    assert [*one.events(2), *one.events(1)] == [f"{Echo.text[:-1]},{number}]" for number in range(3)]
    one.receive('{"ack":0}')
    one.receive('["say",{}]')
    assert (one.acked, one.delivered) == (1, 1)
