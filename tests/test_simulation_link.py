"""The simulated connection does what `websockets` does: each scene is played on both, and both say the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed, InvalidMessage

from midspan.net.servers import HOST, Authority
from midspan.simulation import (
    Bounds,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    Limits,
    Refuse,
    Silence,
    Trigger,
    VirtualLoop,
    WallClock,
    run_in_virtual_time,
)
from midspan.simulation.faults import TimedFault
from midspan.simulation.history import Recorder
from midspan.simulation.link import Network

Scene = Callable[[Any], Awaitable[object]]

HANGS_S = 60.0  # a scene that takes longer does not end at all


async def echo(connection: Any) -> None:
    """What the server does in each scene, unless the client tells it otherwise."""
    async for message in connection:
        if message == "leave":
            return
        if message == "fail":
            raise ZeroDivisionError
        if message == "refuse":
            await connection.close(4401, "not you")
            return
        if message == "twice":
            await connection.send("one")
            await connection.send("two")
            return
        await connection.send(message)


def simulated(
    scene: Scene, faults: tuple[Fault, ...] = (), limits: Limits | None = None, handler: Any = echo, record: Any = None
) -> object:
    """Play a scene on the simulated link."""

    async def main() -> object:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        recorder = Recorder(loop.time)

        def fire(fault: TimedFault, end: Any) -> None:
            match fault:
                case Cut():
                    end.link.cut(end)
                case HalfOpen():
                    end.link.forget([end, end.peer], float("inf"))
                case Silence():
                    end.link.go_silent(loop.time() + fault.for_s)
                case Delay():
                    end.into.delay(fault.by_s)

        network = Network(loop, recorder, 0.01, faults, fire, limits or Limits())
        network.serve(handler)
        if record is not None:
            record.append(recorder)
        return await scene(network.link("a").connect)

    return run_in_virtual_time(main())


def real(scene: Scene, **options: Any) -> object:
    """Play a scene on `websockets`, over TLS on loopback; deflating 16 MiB of noise four times would take seconds."""
    options = {"compression": None, **options}

    async def main() -> object:
        authority = Authority()
        async with websockets.serve(echo, HOST, 0, ssl=authority.server, **options) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"wss://localhost:{port}"

            def connect() -> Any:
                return websockets.connect(url, host=HOST, ssl=authority.client, proxy=None, **options)

            async with asyncio.timeout(HANGS_S):
                return await scene(connect)

    return asyncio.run(main())


def pair(result: object) -> tuple[Any, Any]:
    assert isinstance(result, tuple)
    assert len(result) == 2
    return result


def said(error: BaseException) -> tuple[str, str]:
    return type(error).__name__, str(error)


async def text_and_bytes(connect: Any) -> object:
    async with connect() as ws:
        await ws.send("text")
        await ws.send(b"bytes")
        await ws.send(["in ", "parts"])
        await ws.send(bytearray(b"more"))
        return [await ws.recv() for _ in range(4)], ws.close_code, ws.state.name


async def broadcast_does_not_wait(connect: Any) -> object:
    """It writes at once, whatever waits in the buffer; a connection that is closed is passed over."""
    async with connect() as ws:
        broadcast([ws], "text")
        broadcast([ws], b"bytes")
        got = [await ws.recv(), await ws.recv()]
        large = random.Random(1).randbytes(2**19)  # 16 MiB of these are more than two kernels take
        for _ in range(32):
            broadcast([ws], large)
        waits = ws.transport.get_write_buffer_size() > 2**16
        sizes = [len(await ws.recv()) for _ in range(32)]
    broadcast([ws], "late")
    return got, waits, sizes, ws.transport.get_write_buffer_size()


async def closed_by_us(connect: Any) -> object:
    ws = await connect()
    await ws.close(1000, "bye")
    try:
        await ws.send("late")
    except ConnectionClosed as error:
        return said(error), ws.close_code, ws.close_reason, ws.state.name
    return "open"


async def closed_by_the_server(connect: Any) -> object:
    ws = await connect()
    await ws.send("refuse")
    try:
        await ws.recv()
    except ConnectionClosed as error:
        return said(error), error.rcvd is not None and error.rcvd.code, ws.close_code
    return "open"


async def handler_returns(connect: Any) -> object:
    ws = await connect()
    await ws.send("leave")
    await ws.wait_closed()
    try:
        await ws.recv()
    except ConnectionClosed as error:
        return said(error)
    return "open"


async def read_after_the_end(connect: Any) -> object:
    ws = await connect()
    await ws.send("twice")
    await ws.wait_closed()
    got = [await ws.recv(), await ws.recv()]
    try:
        await ws.recv()
    except ConnectionClosed as error:
        return got, said(error)
    return "open"


async def iteration_ends_quietly(connect: Any) -> object:
    async with connect() as ws:
        await ws.send("twice")
        return [message async for message in ws]


async def abort(connect: Any) -> object:
    ws = await connect()
    ws.transport.abort()
    try:
        await ws.recv()
    except ConnectionClosed as error:
        return said(error), ws.close_code, ws.close_reason
    return "open"


async def two_readers(connect: Any) -> object:
    async with connect() as ws:
        first = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        try:
            await ws.recv()
        except Exception as error:
            first.cancel()
            return said(error)
        return "no error"


async def cancelled_recv_loses_nothing(connect: Any) -> object:
    async with connect() as ws:
        reader = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.sleep(0)
        await ws.send("kept")
        return await ws.recv()


async def ping_and_pong(connect: Any) -> object:
    async with connect() as ws:
        first, second = await ws.ping(b"1"), await ws.ping(b"2")
        return await second > 0, first.done(), ws.latency > 0


async def same_ping_twice(connect: Any) -> object:
    async with connect() as ws:
        await ws.ping(b"same")
        try:
            await ws.ping("same")
        except Exception as error:
            return said(error)
        return "no error"


async def ping_at_the_end(connect: Any) -> object:
    ws = await connect()
    await ws.close()
    try:
        await ws.ping()
    except ConnectionClosed as error:
        return said(error)
    return "open"


async def wrong_types(connect: Any) -> object:
    async with connect() as ws:
        errors = []
        for wrong in (7, {"a": 1}, None):
            try:
                await ws.send(wrong)
            except TypeError as error:
                errors.append(str(error))
        return errors


async def error_in_the_block(connect: Any) -> object:
    kept = []
    try:
        async with connect() as ws:
            kept.append(ws)
            raise KeyError("ours")
    except KeyError:
        return kept[0].close_code, kept[0].state.name


SCENES = [
    text_and_bytes,
    broadcast_does_not_wait,
    closed_by_us,
    closed_by_the_server,
    handler_returns,
    read_after_the_end,
    iteration_ends_quietly,
    abort,
    two_readers,
    cancelled_recv_loses_nothing,
    ping_and_pong,
    same_ping_twice,
    ping_at_the_end,
    wrong_types,
    error_in_the_block,
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_both_links_say_the_same(scene: Scene) -> None:
    """Results, exceptions and their texts are those of the library."""
    assert simulated(scene) == real(scene)


async def too_big(connect: Any) -> object:
    async with connect() as ws:
        await ws.send("x" * 100)
        try:
            await ws.recv()
        except ConnectionClosed as error:
            return type(error).__name__, error.rcvd is not None and error.rcvd.code
        return "fits"


def test_max_size_closes_with_1009() -> None:
    assert (
        simulated(too_big, limits=Limits(max_size=50)) == real(too_big, max_size=50) == ("ConnectionClosedError", 1009)
    )


async def handler_fails(connect: Any) -> object:
    ws = await connect()
    await ws.send("fail")
    await ws.wait_closed()
    return ws.close_code


def test_an_error_in_the_handler_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="websockets.server")
    assert simulated(handler_fails) == real(handler_fails) == 1011


def test_close_on_a_dead_link_waits_for_close_timeout() -> None:
    """The trap of lab 3: after a half-open link was noticed, close() costs ten seconds more."""

    async def scene(connect: Any) -> object:
        loop = asyncio.get_running_loop()
        ws = await connect()
        await ws.send("1")
        began = loop.time()
        await ws.close()
        return loop.time() - began, ws.close_code

    took_s, code = pair(simulated(scene, (HalfOpen(Trigger("a", "up", 1)),)))
    assert (took_s, code) == (pytest.approx(10.0), 1006)


def test_keepalive_gives_up_as_the_library_does() -> None:
    """20 s to the ping, 20 s for its answer, 10 s for the close: the defaults of websockets, in virtual time."""

    async def scene(connect: Any) -> object:
        ws = await connect()
        await ws.send("1")
        try:
            await ws.recv()
        except ConnectionClosed as error:
            return str(error), asyncio.get_running_loop().time()
        return "open"

    text, at_s = pair(simulated(scene, (HalfOpen(Trigger("a", "up", 1)),), Limits(ping_interval=20.0)))
    assert text == "sent 1011 (internal error) keepalive ping timeout; no close frame received"
    assert at_s == pytest.approx(50.06)


def test_a_full_buffer_makes_send_wait() -> None:
    """32 KiB on their way are the limit: the writer waits until a quarter is left, or the link ends."""

    async def never_reads(connection: Any) -> None:
        await connection.wait_closed()

    async def scene(connect: Any) -> object:
        ws = await connect()
        sent = 0
        try:
            async with asyncio.timeout(5):
                while True:
                    await ws.send(b"x" * 1024)
                    sent += 1
        except TimeoutError:
            return sent

    assert simulated(scene, handler=never_reads) == 32  # the 33rd waits: 16 are read, more than 8 KiB are left


CUTS = [("before", "raises", []), ("during", "returns", []), ("after", "returns", ["2"]), ("reply", "returns", ["2"])]


@pytest.mark.parametrize(("when", "sender", "arrived"), CUTS)
def test_a_cut_happens_at_its_moment(when: Any, sender: str, arrived: list[str]) -> None:
    """Before, during, after the second message, or before its answer: what its sender and its receiver see."""
    got: list[str] = []

    async def handler(connection: Any) -> None:
        async for message in connection:
            got.append(message)
            await connection.send(f"ack {message}")

    async def scene(connect: Any) -> object:
        ws = await connect()
        await ws.send("1")
        assert await ws.recv() == "ack 1"
        try:
            await ws.send("2")
        except ConnectionClosed:
            return "raises"
        with pytest.raises(ConnectionClosed, match="no close frame received or sent"):
            await ws.recv()
        return "returns"

    assert simulated(scene, (Cut(Trigger("a", "up", 2, when)),), handler=handler) == sender
    assert got == ["1", *arrived]


def test_silence_holds_messages_and_loses_none() -> None:
    async def scene(connect: Any) -> object:
        ws = await connect()
        for message in ("1", "2", "3"):
            await ws.send(message)
        return [await ws.recv() for _ in range(3)], asyncio.get_running_loop().time()

    got, at_s = pair(simulated(scene, (Silence(Trigger("a", "up", 2), 5.0),)))
    assert got == ["1", "2", "3"]
    assert at_s == pytest.approx(5.07)


def test_a_delay_lets_nothing_overtake() -> None:
    async def scene(connect: Any) -> object:
        ws = await connect()
        for message in ("1", "2", "3"):
            await ws.send(message)
        got = []
        for _ in range(3):
            got.append((await ws.recv(), round(asyncio.get_running_loop().time(), 3)))
        return got

    assert simulated(scene, (Delay(Trigger("a", "up", 2), 1.0),)) == [("1", 0.08), ("2", 1.08), ("3", 1.08)]


def test_a_half_open_connection_is_dead_and_a_new_one_is_not() -> None:
    async def scene(connect: Any) -> object:
        old = await connect()
        await old.send("into the void")
        async with connect() as new:
            await new.send("hello")
            answer = await new.recv()
        return answer, old.state.name

    assert simulated(scene, (HalfOpen(Trigger("a", "up", 1)),)) == ("hello", "OPEN")


def test_refused_and_silent_attempts_raise_what_the_library_raises() -> None:
    async def refused(connect: Any) -> object:
        errors = []
        for _ in range(3):
            try:
                await connect()
            except OSError as error:
                errors.append(type(error).__name__)
        return errors

    assert simulated(refused, (Refuse("a", 2, 2),)) == ["ConnectionRefusedError"] * 2

    async def silent(connect: Any) -> object:
        ws = await connect()
        await ws.send("1")
        with pytest.raises(TimeoutError, match="timed out during opening handshake"):
            await connect()
        return asyncio.get_running_loop().time()

    assert simulated(silent, (Silence(Trigger("a", "up", 1), 60.0),)) == pytest.approx(10.06)


async def opens(connect: Any) -> object:
    """What an attempt to connect raises, and why."""
    with pytest.raises(InvalidMessage) as caught:
        await connect()
    return said(caught.value), said(caught.value.__cause__ or caught.value)


def test_a_server_that_dies_before_it_has_answered_is_what_the_library_makes_of_it() -> None:
    """Killed 45 ms after the attempt began: TLS is done after 40, the answer is there after 60. Or seen on sockets."""

    async def killed() -> object:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        network = Network(loop, Recorder(loop.time), 0.01, (), lambda _fault, _end: None, Limits())
        network.serve(echo)
        loop.call_later(0.045, network.kill_server)
        raised = await opens(network.link("a").connect)
        with pytest.raises(ConnectionRefusedError):
            await network.link("a").connect()  # it is long dead
        return raised

    async def hung_up() -> object:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        authority = Authority()
        async with await asyncio.start_server(hang_up, HOST, 0, ssl=authority.server) as server:
            port = server.sockets[0].getsockname()[1]
            return await opens(lambda: websockets.connect(f"wss://{HOST}:{port}", ssl=authority.client, proxy=None))

    assert run_in_virtual_time(killed()) == asyncio.run(hung_up())


@pytest.mark.parametrize("killed_s", [0.0, 0.035])
def test_a_server_that_dies_before_it_is_asked_refuses(killed_s: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        network = Network(loop, Recorder(loop.time), 0.01, (), lambda _fault, _end: None, Limits())
        network.serve(echo)
        loop.call_later(killed_s, network.kill_server)
        with pytest.raises(ConnectionRefusedError):
            await network.link("a").connect()

    run_in_virtual_time(main())


def test_the_history_of_a_connection() -> None:
    """Opened, closed, and by whom: the same records whatever closes it."""

    async def scene(connect: Any) -> object:
        ws = await connect()
        await ws.close()
        return None

    kept: list[Recorder] = []
    simulated(scene, record=kept)
    lines = [(record.who, record.what, record.detail) for record in kept[0].history(Bounds())]
    assert lines == [
        ("a", "attempt", ""),
        ("a", "opened", ""),
        ("server/a", "opened", ""),
        ("a", "closed", "1000"),
        ("server/a", "closed", "1000"),
    ]


def test_a_real_connection_is_refused_in_virtual_time() -> None:
    async def scene(_connect: Any) -> object:
        await asyncio.open_connection(HOST, 1)
        return None

    with pytest.raises(WallClock, match="use the `connect` that was passed as an argument"):
        simulated(scene)
