"""What chapter 03 tries on implementations: a fault at each moment, a blocked upgrade, a message that breaks off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any

import socketio
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import Frame, Opcode

from midspan.errors import checked, need
from midspan.experiments.bench import Bench
from midspan.experiments.bench_clients import raw_client
from midspan.experiments.guarantee_matrix import OnTrial, chosen
from midspan.experiments.on_trial import CONTENDERS, Recorded
from midspan.experiments.upgraded_streams import upgraded_stream
from midspan.simulation.baseline import BaselineClient, draft
from midspan.simulation.faults import Cut, Refuse, Trigger
from midspan.simulation.guarantees import violates
from midspan.simulation.history import History
from midspan.simulation.reconnect_herd import javascript_waits
from midspan.simulation.run import play, run_in_thread
from midspan.simulation.schedule import Join, Say, Schedule, Shape, generate

__all__ = ["CLIENTS", "MISSED", "RAW", "at_every_moment", "connect_all", "doubled", "handed_over", "javascript_waits"]

# The histories behind one cell of the guarantee matrix.


@checked
def at_every_moment(name: str, fault: str) -> tuple[History, ...]:
    """Return the history of one fault at each of its moments.

    Args:
        name: a column of the guarantee matrix: "raw", "python-socketio", "socket.io (JS)".
        fault: "cut", "outage", "revoke" or another fault of the matrix.

    Raises:
        Refusal: there is no such column, or no such fault.
    """
    columns: dict[str, OnTrial] = {one.name: one for one in (*CONTENDERS, Recorded())}
    need(name in columns, f"one of {', '.join(columns)}", name, "Correct the name")
    return histories(columns[name], fault)


def histories(of: OnTrial, fault: str) -> tuple[History, ...]:
    """As `at_every_moment`, for a column that may be your own."""
    (trial,) = chosen((fault,))
    return tuple(history for _, history in run_in_thread(lambda: list(of.runs(trial, play))))


MISSED = Schedule(  # b speaks while a is away: a's link is cut after its greeting, and its next attempts are refused
    seed=0,
    joins=(Join(0.0, "a"), Join(0.0, "b")),
    says=(Say(0.5, "b", "b1"),),
    faults=(Cut(Trigger("a", "up", 1, "after")), Refuse("a", 2, 3)),
)


# A sender that sends again what is not acknowledged in time. It is broken by cuts, and by a link that is too slow.


ANSWER_S = 0.5  # after it the sender takes a message for lost
SHAPE = Shape(bursts=0.0, kinds=("Cut",), stores=(0.005, 0.03))  # the server itself answers within 0.15 s


class ImpatientClient(BaselineClient):
    """The first draft, with a timer: it sends a message again that is not acknowledged in half a second."""

    async def pump(self, connection: Any) -> None:
        """Send each message of the outbox, and again when its time is over."""
        now, sent_s = asyncio.get_running_loop().time, dict[str, float]()
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.more.clear()
                for body in [body for body in self.outbox if now() - sent_s.get(body, -ANSWER_S) >= ANSWER_S]:
                    await connection.send(json.dumps(body))
                    sent_s[body] = now()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_S / 10):
                        await self.more.wait()


@checked
def doubled(latency_s: float, cuts: bool, runs: int = 100) -> int:
    """Count the schedules in which the impatient client makes a message arrive twice.

    Args:
        latency_s: of the link, one way.
        cuts: whether the schedules have their cuts; without them nothing fails.
        runs: how many schedules are played; the first ones of all generated ones.

    Raises:
        Refusal: a latency of 0 s or less, or no run.
    """
    need(latency_s > 0 and runs > 0, "a latency above 0 s and a run or more", (latency_s, runs), "Correct it")
    made = [replace(generate(seed, SHAPE), latency_s=latency_s) for seed in range(runs)]
    made = made if cuts else [replace(schedule, faults=()) for schedule in made]
    return run_in_thread(lambda: sum(map(_doubles, made)))


def _doubles(schedule: Schedule) -> bool:
    return violates(play(draft(client=ImpatientClient), schedule), "no_duplicate")


# A link on which a WebSocket's upgrade is blocked, and the clients that try to connect over it.


CLIENTS = {  # of python-socketio: what `connect(transports=...)` is given
    "python-socketio, as it comes": None,
    "python-socketio, websocket": ["websocket"],
    "python-socketio, websocket, polling": ["websocket", "polling"],
}
RAW = "websockets"
BLOCKS = ("refuse_upgrade", "reset_upgrade", "swallow_upgrade")
LIMIT_S = 20.0


async def connect_all(bench: Bench, block: str = "", limit_s: float = LIMIT_S) -> dict[str, str]:
    """Let one client after the other connect while the upgrade is blocked.

    Args:
        bench: an open bench with links.
        block: a verb of its links, one of `BLOCKS`; "" for a link that blocks nothing.
        limit_s: the time that a client is given.

    Returns:
        By client: the transport on which it is connected, or the name of its error.

    Raises:
        Refusal: no bench, one without links, or no such block.
    """
    need(isinstance(bench, Bench), "an open bench", bench, "Pass bench")
    need(block in ("", *BLOCKS), f"one of {', '.join(BLOCKS)}", block, "Correct the name")
    links = (bench.socketio.link, bench.raw.link)
    blocked = [getattr(link, block)() if block else nullcontext() for link in links]
    with blocked[0], blocked[1]:
        tried = {name: _framework(bench, ways) for name, ways in CLIENTS.items()} | {RAW: _raw(bench)}
        ended = await asyncio.gather(*(_outcome(connecting, limit_s) for connecting in tried.values()))
    return dict(zip(tried, ended, strict=True))


async def _outcome(connecting: Awaitable[str], limit_s: float) -> str:
    try:
        async with asyncio.timeout(limit_s):
            return await connecting
    except (socketio.exceptions.ConnectionError, OSError, InvalidHandshake) as error:  # TimeoutError is an OSError
        return type(error).__name__


async def _framework(bench: Bench, ways: list[str] | None) -> str:
    async with bench.http_session() as session:
        client = socketio.AsyncClient(http_session=session, reconnection=False)
        try:
            await client.connect(bench.socketio.url, transports=ways)
            return str(client.transport())
        finally:
            await session.close()  # a disconnect would wait for the poll that is open
            await client.eio.wait()


async def _raw(bench: Bench) -> str:
    async with raw_client(bench):
        return "websocket"


# An echo that breaks off. Two clients ask for it: one that uses the library, one that reads the bytes themselves.


Ask = Callable[[bytes], Awaitable[None]]
Read = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def with_the_library(bench: Bench) -> AsyncIterator[tuple[Ask, Read]]:
    """Send and receive with `websockets`."""
    async with raw_client(bench) as connection:
        yield connection.send, lambda: connection.recv(decode=False)


@asynccontextmanager
async def without_a_library(bench: Bench) -> AsyncIterator[tuple[Ask, Read]]:
    """Write a frame, and read what is there: no library puts the pieces of an answer together."""
    async with upgraded_stream(bench.raw.url, bench.trust) as (reader, writer):

        async def ask(message: bytes) -> None:
            writer.write(Frame(Opcode.BINARY, message).serialize(mask=True))

        async def read() -> bytes:
            return await reader.readexactly(1) + await reader.read(2**20)

        yield ask, read


@checked
async def handed_over(
    bench: Bench,
    cut_after: int,
    size_bytes: int = 60_000,
    by: Callable[[Bench], AbstractAsyncContextManager[tuple[Ask, Read]]] = with_the_library,
) -> list[int]:
    """Ask for an echo and cut the link inside it. Return the size of each thing that the application was handed.

    Args:
        bench: an open bench with links, whose raw server echoes.
        cut_after: bytes of the answer that pass before the cut.
        size_bytes: of the message.
        by: how the application sends and reads.

    Raises:
        Refusal: no bench, or one without links.
    """
    handed: list[int] = []
    with contextlib.suppress(ConnectionClosed, OSError, EOFError):
        async with by(bench) as (ask, read), asyncio.timeout(LIMIT_S):
            with bench.raw.link.cut_after(cut_after, way="down"):
                await ask(bytes(size_bytes))
                while sum(handed) < size_bytes:
                    handed.append(len(await read()))
    return handed
