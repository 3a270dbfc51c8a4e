"""The real stage: the same casts play the same schedules over TLS, and the histories are those of virtual time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import product
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from midspan.net.servers import HOST
from midspan.simulation import (
    NAIVE,
    ClientContext,
    ClientRestart,
    Cut,
    Deadlock,
    Delay,
    Fault,
    HalfOpen,
    History,
    Implementation,
    Limits,
    OutOfTime,
    Refuse,
    Revoke,
    ServerContext,
    ServerRestart,
    Silence,
    Trigger,
    draw,
    generate,
    judge,
    play,
    run_in_thread,
    simple,
)
from midspan.simulation.faults import Way, When
from midspan.simulation.tls import play_real, search_real
from midspan.simulation.tls.loop import VirtualTimeSelectorLoop
from tests.simulation_session import Client, Server, implementation

# the clock


def test_the_clock_jumps_when_everybody_waits() -> None:
    loop = VirtualTimeSelectorLoop()
    began_s = time.monotonic()
    loop.run_until_complete(asyncio.sleep(3000))
    assert loop.time() == pytest.approx(3000)
    assert time.monotonic() - began_s < 30
    loop.close()


def test_timers_of_one_moment_run_in_the_order_in_which_they_were_set() -> None:
    loop, order = VirtualTimeSelectorLoop(), list[int]()
    for i in range(20):
        loop.call_later(1.0, order.append, i)
    loop.run_until_complete(asyncio.sleep(2))
    assert order == list(range(20))
    loop.close()


def test_quiet_comes_after_all_that_is_on_its_way_and_before_the_clock_moves() -> None:
    loop = VirtualTimeSelectorLoop()
    said: list[tuple[str, float]] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(((await reader.readline()).decode(), loop.time()))
        writer.close()

    async def speak() -> None:
        async with await asyncio.start_server(listen, HOST, 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            loop.when_quiet(lambda: said.append(("quiet", loop.time())))
            await asyncio.sleep(1)
            writer.close()
            await writer.wait_closed()

    loop.run_until_complete(speak())
    assert said == [("hello\n", 0.0), ("quiet", 0.0)]
    loop.close()


def test_a_loop_that_nobody_will_wake_says_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midspan.simulation.tls.loop.STUCK_S", 0.01)
    loop = VirtualTimeSelectorLoop()

    async def wait_for_nothing() -> None:
        await loop.create_future()

    task = loop.create_task(wait_for_nothing())
    with pytest.raises(Deadlock, match="waits in wait_for_nothing"):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()


def test_a_run_that_goes_round_without_waiting_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midspan.simulation.tls.loop.LIMIT_TURNS", 500)

    class Spinning(Client):
        async def run(self) -> None:
            while True:  # noqa: ASYNC110
                await asyncio.sleep(0)

    spinning = Implementation(
        lambda context: Server(context, frozenset()), lambda context: Spinning(context, frozenset())
    )
    history = play_real(spinning, simple(1))
    assert "500 turns" in history.of("crashed")[0].detail


def test_with_a_speed_the_loop_waits_for_others() -> None:
    """What a thread does in the meantime takes its share of the run's time: 20 s of the run are 0.1 s of ours."""
    loop = VirtualTimeSelectorLoop(speed=200)
    began_s = time.monotonic()
    loop.run_until_complete(asyncio.sleep(20))
    assert time.monotonic() - began_s >= 0.1
    loop.close()


def test_time_has_a_limit() -> None:
    loop = VirtualTimeSelectorLoop()
    with pytest.raises(OutOfTime):
        loop.run_until_complete(asyncio.sleep(4000))
    loop.run_until_complete(loop.shutdown_asyncgens())
    for task in loop.tasks:
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


# histories


def steps(history: History) -> list[str]:
    """All that happened, with its time to the millisecond; the order within a moment is the machine's."""
    lines = (f"{r.at_s:.3f} {r.who} {r.what} {r.message}{r.detail}" for r in history if r.what != "size")
    return sorted(lines)


def outcomes(history: History) -> dict[str, str]:
    return {name: verdict.outcome for name, verdict in judge(history).items()}


def test_without_faults_the_two_links_give_the_same_history() -> None:
    assert steps(play_real(implementation(), simple(4))) == steps(play(implementation(), simple(4)))


WAYS: tuple[Way, ...] = ("up", "down")
WHEN: tuple[When, ...] = ("before", "during", "after", "reply")
KINDS: dict[str, Any] = {
    "cut": Cut,
    "half-open": HalfOpen,
    "silence": partial(Silence, for_s=3.0),
    "delay": partial(Delay, by_s=0.3),
    "server restart": ServerRestart,
    "server restart without its log": partial(ServerRestart, keeps_log=False),
    "client restart": ClientRestart,
    "revocation": Revoke,
}


@pytest.mark.parametrize(("kind", "way"), list(product(KINDS, WAYS)))
def test_each_fault_at_each_moment_is_judged_alike(kind: str, way: Way) -> None:
    for n, when in product((1, 2), WHEN):
        schedule = simple(3, faults=(KINDS[kind](at=Trigger("a", way, n, when)),))
        here, there = play_real(implementation(), schedule), play(implementation(), schedule)
        assert outcomes(here) == outcomes(there), str(schedule)
        assert len(here.of("fault")) == len(there.of("fault")), str(schedule)


def test_a_refused_attempt_is_an_os_error_and_the_next_one_is_let_in() -> None:
    history = play_real(implementation(), simple(1, ("a",), faults=(Refuse("a", 1, 2),)))
    assert [r.what for r in history.of("attempt", "refused", "opened") if r.who == "a"] == [
        *("attempt", "refused", "attempt", "refused", "attempt", "opened")
    ]
    assert history.of("crashed") == ()


def test_a_silence_longer_than_the_opening_may_take_is_a_timeout() -> None:
    schedule = simple(1, ("a",), faults=(Silence(Trigger("a", "up", 1), 30.0), Cut(Trigger("a", "up", 2))))
    impatient = implementation(limits=Limits(open_timeout=1.0))
    history = play_real(impatient, schedule)
    assert len(history.of("refused")) > 10
    assert steps(history) == steps(play(impatient, schedule))


def test_a_run_is_the_same_each_time() -> None:
    for seed in range(5):
        first, second = (play_real(implementation(), generate(seed)) for _ in range(2))
        assert steps(first) == steps(second)


@pytest.mark.parametrize("flaw", ["", "no dedupe", "hasty ack", "no ack", "trusting", "any epoch", "forgets"])
def test_a_sample_of_generated_schedules_is_judged_alike(flaw: str) -> None:
    """The honest session, and one with each flaw, on both links."""
    for seed in range(8):
        flawed, schedule = implementation(*filter(None, [flaw])), generate(seed)
        here, there = outcomes(play_real(flawed, schedule)), outcomes(play(flawed, schedule))
        broken = [{name for name, outcome in one.items() if outcome == "violated"} for one in (here, there)]
        assert broken[0] == broken[1], str(schedule)


def test_the_negative_control_loses_messages_here_too() -> None:
    """What is found is shrunk in virtual time, and seen to break over TLS."""
    found = search_real(NAIVE, [5], names=("no_loss",)).counterexamples["no_loss"]
    assert found.found == generate(5)
    assert str(found.schedule) == "seed 5: a says 1; cut before a's message 1 up leaves"
    assert outcomes(found.history)["no_loss"] == "violated"
    assert found.replay == "search_real(implementation, [5])"


def test_a_counterexample_of_the_real_link_is_drawn_from_its_messages() -> None:
    schedule = simple(1, ("a",), faults=(Cut(Trigger("a", "up", 1, "during")),))
    (_, here), (_, there) = draw(implementation(), schedule, play_real), draw(implementation(), schedule)
    assert str(here) == str(there)
    assert "never gets it" in str(here)


# implementations with a server and a client of their own


class OwnServer:
    """Brings its own serving: what midspan knows of it is a port."""

    handle: Any = None

    def __init__(self, context: ServerContext) -> None:
        self.inner = Server(context, frozenset())

    async def start(self) -> None:
        await self.inner.start()

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext) -> AsyncIterator[int]:
        async with serve(self.greet, HOST, 0, ssl=tls) as server:
            yield next(iter(server.sockets)).getsockname()[1]

    async def greet(self, connection: Any) -> None:
        with suppress(ConnectionClosed):
            await connection.send("#greeting of a framework")
            await self.inner.handle(connection)


class OwnClient(Client):
    """Opens its connections by itself, and with compression."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context, frozenset())

    async def run(self) -> None:
        while True:
            with suppress(OSError, InvalidHandshake, ConnectionClosed):
                async with connect(self.context.url, ssl=self.context.trust) as own:
                    assert await own.recv() == "#greeting of a framework"
                    await self.session(own)
            await asyncio.sleep(0.1)


def test_a_server_may_bring_its_own_serving_and_a_client_its_own_connections() -> None:
    """The framework's own messages are not counted: the first one down is the session's greeting."""
    own = Implementation(OwnServer, OwnClient, counts=lambda _way, data: not data.startswith(b"#"))
    schedule = simple(2, ("a",), faults=(ServerRestart(Trigger("a", "up", 2, "after", 0.002)),))
    history, ladder = draw(own, schedule, play_real)
    assert outcomes(history)["no_loss"] == "holds"
    assert len(history.of("restarted")) == 1
    assert "framework" not in str(ladder)
    assert '["welcome"' in str(ladder)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Swit"], ids=["nothing", "half an answer"])
def test_a_connection_that_breaks_while_it_opens_is_what_the_library_makes_of_it(answer: bytes) -> None:
    """Its server dies before it has agreed to speak WebSocket, or in the middle of saying so."""

    class Dying(OwnServer):
        @asynccontextmanager
        async def serving(self, tls: ssl.SSLContext) -> AsyncIterator[int]:
            async with await asyncio.start_server(self.die, HOST, 0, ssl=tls) as server:
                yield server.sockets[0].getsockname()[1]

        async def die(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

    raised: list[BaseException] = []

    class Seeing(Client):
        async def run(self) -> None:
            try:
                await self.context.connect()
            except InvalidMessage as error:
                raised.append(error)

    seeing = Implementation(Dying, lambda context: Seeing(context, frozenset()))
    assert play_real(seeing, simple(1, ("a",))).of("crashed") == ()
    assert [type(error.__cause__) for error in raised] == [EOFError]


def test_what_virtual_time_cannot_play_is_shrunk_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midspan.simulation.tls.run.MOST_RUNS", 5)

    class Hasty(OwnServer):
        def __init__(self, context: ServerContext) -> None:
            self.inner = Server(context, frozenset({"hasty ack"}))

    own = Implementation(Hasty, OwnClient, counts=lambda _way, data: not data.startswith(b"#"))
    found = search_real(own, [0], names=("ack_after_durable",)).counterexamples["ack_after_durable"]
    assert len(found.schedule.faults) < len(found.found.faults)
    assert "acknowledged" in found.reason


def test_what_a_handler_raises_is_a_crash_of_the_server() -> None:
    class Broken(Server):
        async def handle(self, connection: Any) -> None:
            await connection.recv()
            raise KeyError("number")

    history = play_real(
        Implementation(lambda context: Broken(context, frozenset()), lambda context: Client(context, frozenset())),
        simple(1, ("a",)),
    )
    assert "KeyError" in history.of("crashed")[0].detail


def test_a_sender_feels_that_its_link_carries_nothing() -> None:
    """Backpressure crosses the relay: what a dead link holds is a few megabytes, most of them the sender's kernel's."""
    sent: list[int] = []

    class Flood(Client):
        async def run(self) -> None:
            async with self.context.connect() as connection:
                for i in range(1000):
                    await connection.send(bytes(2**16))
                    sent.append(i)

    flood = Implementation(lambda context: Server(context, frozenset()), lambda context: Flood(context, frozenset()))
    play_real(flood, simple(1, ("a",), faults=(HalfOpen(Trigger("a", "up", 1)),)))
    assert 0 < len(sent) < 1000


LEFT_HANGING: list[Fault] = [HalfOpen(Trigger("a", "up", 1)), ServerRestart(Trigger("a", "up", 1, "after"))]


@pytest.mark.parametrize("fault", LEFT_HANGING, ids=str)
def test_nothing_is_left_behind(fault: Fault) -> None:
    """What the run opened is closed when it ends, also what a fault left hanging (the guard of each test looks)."""
    run_in_thread(play_real, implementation(), simple(1, faults=(fault,)))
