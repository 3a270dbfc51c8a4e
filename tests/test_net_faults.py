"""Each fault of a link, on real sockets and TLS, on a clock that does not wait (and so is exact)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from midspan.errors import Refusal
from midspan.net.fault_proxy import Link, link
from midspan.net.faults import Blackhole, Fault, Latency, Piece, Refuse, Slice, Throttle, Ways
from midspan.net.servers import HOST, Authority, raw_server
from tests.loops import in_jumping_time


class Scene:
    """A server that echoes and remembers, and a link in front of it."""

    def __init__(self, link: Link, authority: Authority, served: list[ServerConnection]) -> None:
        self.link, self.authority, self.served = link, authority, served

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def client(self, **options: Any) -> connect:
        options = {"ping_interval": None, "compression": None, **options}
        return connect(f"wss://{HOST}:{self.link.port}", ssl=self.authority.client, **options)

    async def round_trip_s(self, client: ClientConnection, message: str | bytes = "hello") -> float:
        began_s = self.now_s
        await client.send(message)
        assert await client.recv() == message
        return self.now_s - began_s


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    authority, served = Authority(), list[ServerConnection]()

    async def echo(connection: ServerConnection) -> None:
        served.append(connection)
        async for message in connection:
            await connection.send(message)

    async with (
        raw_server(echo, authority.server, ping_interval=None, compression=None, max_size=None) as server,
        link(server.port, authority) as opened,
    ):
        yield Scene(opened, authority, served)


ONE_WAY: list[tuple[Ways, float]] = [("up", 0.2), ("down", 0.2), ("both", 0.4)]


@pytest.mark.parametrize(("way", "expected_s"), ONE_WAY)
@in_jumping_time
async def test_latency_is_added_each_way(way: Ways, expected_s: float) -> None:
    async with scene() as here, here.client() as client:
        assert await here.round_trip_s(client) == pytest.approx(0, abs=1e-6)
        with here.link.latency(0.2, way):
            assert await here.round_trip_s(client) == pytest.approx(expected_s)
        assert await here.round_trip_s(client) == pytest.approx(0, abs=1e-6)


@in_jumping_time
async def test_latency_takes_no_throughput() -> None:
    """Ten messages on their way at once take no longer than one."""
    async with scene() as here, here.client() as client:
        with here.link.latency(0.5, "up"):
            began_s = here.now_s
            for i in range(10):
                await client.send(str(i))
            assert [await client.recv() for _ in range(10)] == [str(i) for i in range(10)]
            assert here.now_s - began_s == pytest.approx(0.5)


@in_jumping_time
async def test_jitter_is_seeded_and_swaps_nothing() -> None:
    times = []
    for _ in range(2):
        async with scene() as here, here.client() as client:
            with here.link.latency(0.5, "up", jitter_s=0.4, seed=7):
                times.append([await here.round_trip_s(client) for _ in range(5)])
                for i in range(10):
                    await client.send(str(i))
                assert [await client.recv() for _ in range(10)] == [str(i) for i in range(10)]
    assert times[0] == pytest.approx(times[1])
    assert len({round(time_s, 6) for time_s in times[0]}) == 5
    assert all(0.1 <= time_s <= 0.9 for time_s in times[0])


@in_jumping_time
async def test_a_narrow_link_takes_its_time() -> None:
    """100,000 bytes at 50,000 bytes a second; TLS and the frame add less than a twentieth."""
    async with scene() as here, here.client() as client:
        with here.link.throttle(50_000, "up"):
            assert await here.round_trip_s(client, bytes(100_000)) == pytest.approx(2.0, rel=0.05)


@in_jumping_time
async def test_slices_arrive_as_one_message() -> None:
    async with scene() as here, here.client() as client:
        with here.link.slice(7, pause_s=0.001):
            assert await here.round_trip_s(client, bytes(range(256)) * 4) > 0.1


def test_slices_are_seeded() -> None:
    async def sizes(seed: int) -> list[int]:
        return [len(part) async for part in Slice(9, seed=seed).carry(Piece(bytes(100), 0.0, "up"), None)]  # type: ignore[arg-type]

    first, again, other = (asyncio.run(sizes(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert sum(first) == 100
    assert max(first) <= 9


@in_jumping_time
async def test_what_a_blackhole_held_comes_when_it_is_over() -> None:
    async with scene() as here, here.client() as client:
        with here.link.blackhole():
            await client.send("held")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await client.recv()
        assert await client.recv() == "held"


@in_jumping_time
async def test_a_blackhole_swallows_the_end_of_a_connection_too() -> None:
    """Half-open: the client has let go, and the server cannot know."""
    async with scene() as here, here.client() as client:
        await here.round_trip_s(client)
        with here.link.blackhole():
            client.transport.abort()
            await asyncio.sleep(60)
            assert here.served[0].close_code is None
        await here.served[0].wait_closed()
        assert here.served[0].close_code == 1006


@in_jumping_time
async def test_nobody_connects_through_a_blackhole() -> None:
    async with scene() as here:
        with here.link.blackhole():
            began_s = here.now_s
            with pytest.raises(TimeoutError):
                await here.client(open_timeout=5)
            assert here.now_s - began_s == pytest.approx(5)


@in_jumping_time
async def test_a_blackhole_one_way_lets_the_other_pass() -> None:
    async with scene() as here, here.client() as client:
        await here.round_trip_s(client)
        with here.link.blackhole("down"):
            await client.send("heard")
            await here.served[0].ping()
            await asyncio.sleep(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await client.recv()
        assert await client.recv() == "heard"


@in_jumping_time
async def test_bytes_that_wait_in_a_latency_do_not_cross_a_blackhole() -> None:
    async with scene() as here, here.client() as client:
        with here.link.latency(0.5, "up"):
            await client.send("late")
        with here.link.blackhole(), pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await client.recv()
        assert await client.recv() == "late"


@in_jumping_time
async def test_a_link_that_is_cut_after_some_bytes_delivers_these_and_resets() -> None:
    async with scene() as here, here.client() as client:
        await here.round_trip_s(client)
        with here.link.cut_after(10_000, "up"):
            for _ in range(9):
                await here.round_trip_s(client, "x" * 1000)
            with pytest.raises(ConnectionClosed):
                await here.round_trip_s(client, "x" * 1000)
            await here.served[0].wait_closed()
            assert (client.close_code, here.served[0].close_code) == (1006, 1006)


@in_jumping_time
async def test_reset_ends_what_is_open_and_what_begins() -> None:
    async with scene() as here, here.client() as client:
        await here.round_trip_s(client)
        with here.link.reset():
            await client.wait_closed()
            await here.served[0].wait_closed()
            assert (client.close_code, here.served[0].close_code) == (1006, 1006)
            with pytest.raises(OSError, match="reset"):
                await here.client()
        async with here.client() as again:
            await here.round_trip_s(again)


@in_jumping_time
async def test_refuse_turns_away_new_connections_only() -> None:
    async with scene() as here, here.client() as client:
        await here.round_trip_s(client)
        with here.link.refuse():
            with pytest.raises(ConnectionError):
                await here.client()
            await here.round_trip_s(client)
        assert len(here.served) == 1


@in_jumping_time
async def test_a_stripped_upgrade_is_an_ordinary_get() -> None:
    """`websockets` answers it with 426 Upgrade Required (RFC 9110 section 15.5.22)."""
    async with scene() as here:
        with here.link.strip_upgrade():
            with pytest.raises(InvalidStatus) as refused:
                await here.client()
            assert refused.value.response.status_code == 426


@in_jumping_time
async def test_a_refused_upgrade_is_answered_by_the_link() -> None:
    async with scene() as here:
        with here.link.refuse_upgrade():
            with pytest.raises(InvalidStatus) as refused:
                await here.client()
            assert refused.value.response.status_code == 403
        assert here.served == []


@in_jumping_time
async def test_who_asks_for_an_upgrade_is_reset() -> None:
    async with scene() as here:
        with here.link.reset_upgrade(), pytest.raises(Exception, match="did not receive a valid HTTP response"):
            await here.client()
        assert here.served == []


@in_jumping_time
async def test_a_swallowed_upgrade_is_never_answered() -> None:
    async with scene() as here:
        with here.link.swallow_upgrade():
            began_s = here.now_s
            with pytest.raises(TimeoutError):
                await here.client(open_timeout=8)
            assert here.now_s - began_s == pytest.approx(8)
        assert here.served == []


VERBS = ["strip_upgrade", "refuse_upgrade", "reset_upgrade", "swallow_upgrade"]


@pytest.mark.parametrize("verb", VERBS)
@in_jumping_time
async def test_what_asks_for_no_upgrade_passes_an_inspecting_link(verb: str) -> None:
    """A connection that is upgraded already is not inspected; one over TLS that asks for nothing passes as it came."""
    async with scene() as here, here.client() as client:
        with getattr(here.link, verb)():
            await here.round_trip_s(client)
            reader, writer = await asyncio.open_connection(HOST, here.link.port, ssl=here.authority.client)
            for part in (b"GE", b"T / HTTP/1.1\r\nHost: x\r\n", b"\r\n"):
                writer.write(part)
                await asyncio.sleep(0.1)
            assert (await reader.readline()).startswith(b"HTTP/1.1 426")
            writer.close()
            await writer.wait_closed()


@in_jumping_time
async def test_faults_stack() -> None:
    async with scene() as here, here.client() as client:
        with here.link.latency(0.2, "up"), here.link.latency(0.3, "up"), here.link.slice(50):
            assert str(here.link) == "link (latency 0.2 s, then latency 0.3 s, then slice into 50 bytes at most)"
            assert await here.round_trip_s(client, "x" * 500) == pytest.approx(0.3), "both count from when it came"
        assert str(here.link) == "link"


WRONG: list[tuple[str, tuple[Any, ...]]] = [
    ("latency", ("fast",)),
    ("latency", (-1,)),
    ("latency", (0.1, "sideways")),
    ("throttle", (0,)),
    ("slice", (0,)),
    ("cut_after", (-5,)),
    ("cut_after", ("many",)),
    ("blackhole", (3,)),
    ("fault", ("latency",)),
]


@pytest.mark.parametrize(("verb", "arguments"), WRONG, ids=str)
@in_jumping_time
async def test_a_fault_that_cannot_be_is_refused(verb: str, arguments: tuple[Any, ...]) -> None:
    async with scene() as here:
        with pytest.raises(Refusal), getattr(here.link, verb)(*arguments):
            pass
        assert here.link.faults == ()


@in_jumping_time
async def test_a_connection_whose_bytes_were_kept_is_reset() -> None:
    """A fault of somebody else's that drops a byte in the middle does not get away with it."""

    class Dropping(Fault):
        async def carry(self, piece: Piece, _carriage: Any, /) -> AsyncIterator[bytes]:
            yield piece.data[:5]
            yield piece.data[6:]

    async with scene() as here, here.client() as client:
        await here.round_trip_s(client)
        with here.link.fault(Dropping()):
            await client.send("a byte of this is lost")
            await here.served[0].wait_closed()
            await client.wait_closed()


def test_no_fault_can_lose_a_byte() -> None:
    """What a fault is given it yields whole and in order: each is fed every size of piece."""
    faults: list[Fault] = [Latency(0.1), Throttle(3000), Slice(5), Blackhole(), Refuse()]

    async def carried(fault: Fault, data: bytes) -> bytes:
        return b"".join([part async for part in fault.carry(Piece(data, 0.0, "up"), None)])  # type: ignore[arg-type]

    @in_jumping_time
    async def try_all() -> None:
        for fault in faults:
            for size in (0, 1, 2, 149, 150, 151, 1000):
                data = bytes(i % 251 for i in range(size))
                assert await carried(fault, data) == data, (fault, size)

    try_all()
