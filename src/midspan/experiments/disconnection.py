"""Clients whose link is cut: when they notice it, what they buffer, and what is lost."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import dropwhile
from typing import Any, ClassVar

import socketio
from socketio.exceptions import SocketIOError

from midspan.errors import checked, need
from midspan.experiments.on_trial import named
from midspan.implementations import in_python
from midspan.net.servers import Authority, http_session, socketio_server
from midspan.simulation.faults import Cut, HalfOpen, Trigger
from midspan.simulation.history import Bounds, History, Index
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import play, run_in_thread
from midspan.simulation.schedule import Join, Say, Schedule

# How long a client needs to notice a dead connection, compared with the settings of its heartbeat.
#
# The connection carries a message. From some point of the heartbeat's period on it carries nothing more, and neither
# end is told (half-open). We measure until the client tries to connect again, since then its application knows.


PHASES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the heartbeat's period
CLOSE_TIMEOUT_S = 10.0  # `websockets` waits so long for an answer to its close frame
FIRST_WAIT_S = 1.5  # the longest first wait of python-socketio before it connects again
SAID_S = 0.5
SchedulePlayer = Callable[[Implementation, Schedule], History]


@dataclass(frozen=True)
class Noticed:
    """The result for one library with one setting.

    Args:
        made_of: the library and its version.
        interval_s, timeout_s: the time between two pings, and the limit for a pong.
        after_s: the time from the last byte to the next attempt to connect, for each phase of the period; infinite
            if there was none.
        bound_s: the upper bound that the settings give.
    """

    made_of: str
    interval_s: float
    timeout_s: float
    after_s: tuple[float, ...]
    bound_s: float

    def __str__(self) -> str:
        first, last = min(self.after_s), max(self.after_s)
        settings = f"ping every {self.interval_s:g} s, {self.timeout_s:g} s to answer"
        return f"{self.made_of}, {settings}: after {first:.0f} to {last:.0f} s, bound {self.bound_s:.1f} s"


@checked
def noticed(name: str, interval_s: float, timeout_s: float, player: SchedulePlayer = play) -> Noticed:
    """Make the connection half-open at each phase of the heartbeat's period.

    Args:
        name: "websockets" or "python-socketio".
        interval_s: seconds between two pings.
        timeout_s: seconds for the pong.
        player: `play` for the simulated link, `play_real` for the real one.

    Raises:
        Refusal: the name is another, or a setting is not above zero.
    """
    need(name in ("websockets", "python-socketio"), "websockets or python-socketio", name, "Choose one of them")
    need(min(interval_s, timeout_s) > 0, "seconds above zero", (interval_s, timeout_s), "Correct the settings")
    implementation = _websockets(interval_s, timeout_s) if name == "websockets" else _socketio(interval_s, timeout_s)
    return noticed_by(implementation, name, interval_s, timeout_s, player)


def noticed_by(
    implementation: Implementation, name: str, interval_s: float, timeout_s: float, player: SchedulePlayer = play
) -> Noticed:
    """As `noticed`, for an implementation with these settings. `name`: the library whose last wait counts."""
    after = tuple(_after_s(run_in_thread(player, implementation, _half_open(share * interval_s))) for share in PHASES)
    closing_s = CLOSE_TIMEOUT_S if name == "websockets" else FIRST_WAIT_S
    return Noticed(f"{name} {version(name)}", interval_s, timeout_s, after, interval_s + timeout_s + closing_s)


@checked
def noticed_cut_s(name: str, player: SchedulePlayer = play) -> float:
    """For comparison: return the seconds from a reset to the client's next attempt to connect.

    They are infinite if the client never tries again.
    """
    first = 1 if name == "raw" else 2  # the others' first message up is a greeting
    cut = replace(_half_open(0.0), faults=(Cut(Trigger("a", "up", first, "after")),))
    return _after_s(run_in_thread(player, named(name).implementation, cut))


def _websockets(interval_s: float, timeout_s: float) -> Implementation:
    implementation = named("websockets").implementation
    return replace(
        implementation, limits=replace(implementation.limits, ping_interval=interval_s, ping_timeout=timeout_s)
    )


def _socketio(interval_s: float, timeout_s: float) -> Implementation:
    """Make python-socketio with these settings. They are the server's; a client receives them when it connects."""

    class Server(in_python.EventServer):
        options: ClassVar[dict[str, Any]] = {"ping_interval": interval_s, "ping_timeout": timeout_s}

    return replace(named("python-socketio").implementation, server=Server)


def _half_open(later_s: float) -> Schedule:
    """Client a sends one message; `later_s` after its arrival nothing passes any more. (a2 keeps the run going.)"""
    dead = HalfOpen(Trigger("a", "up", 2, "after", later_s))  # the first message up is a greeting
    return Schedule(1, (Join(0.0, "a"),), (Say(SAID_S, "a", "a1"), Say(300.0, "a", "a2")), (dead,))


def _after_s(history: History) -> float:
    """Return the seconds from the fault to the client's next attempt; infinite without one."""
    fault, *attempts = dropwhile(lambda record: record.what != "fault", history.of("fault", "attempt"))
    return attempts[0].at_s - fault.at_s if attempts else math.inf


# python-socketio's two clients while they are cut off: what happens to events they emit, and which session they get.


WAITED_S = 0.1  # a fifth of the shortest wait between two attempts to connect
LIMIT_S = 10.0
AWAY_S = 60.0  # before the first client's next attempt, so that no cut falls into it


@dataclass(frozen=True)
class OfflineEmits:
    """The results for both clients.

    Args:
        async_client: the error of `AsyncClient.emit`; "" if there was none.
        simple_client_waited: whether `AsyncSimpleClient.emit` was still waiting after a tenth of a second.
        arrived: the events that reached the server at the end.
        same_session: whether the client has the same session id as before.
        rooms: the rooms of the client after it came back; before, it was in "lobby".
    """

    async_client: str
    simple_client_waited: bool
    arrived: tuple[str, ...]
    same_session: bool
    rooms: tuple[str, ...]

    def __str__(self) -> str:
        waited = "waits until it is back, then sends" if self.simple_client_waited else "does not wait"
        session = "the same" if self.same_session else "another"
        lines = [
            f"AsyncClient.emit: {self.async_client or 'no error'}",
            f"AsyncSimpleClient.emit: {waited}",
            f"arrived: {', '.join(self.arrived) or 'nothing'}",
            f"session id: {session}; rooms: {', '.join(self.rooms) or 'none'}",
        ]
        return "\n".join(lines)

    __repr__ = __str__


class _Room:
    """The server's handlers: each client enters the lobby on its first connection; `cut()` cuts all clients off."""

    def __init__(self) -> None:
        self.ends: list[asyncio.Transport] = []
        self.arrived: list[str] = []

    def register(self, sio: socketio.AsyncServer) -> None:
        self.sio = sio
        sio.on("connect", self.connect)
        sio.on("enter", self.enter)
        sio.on("note", self.note)

    async def connect(self, _sid: str, environ: dict[str, Any], _auth: object = None) -> None:
        self.ends.append(environ["aiohttp.request"].transport)

    async def enter(self, sid: str) -> None:
        await self.sio.enter_room(sid, "lobby")

    async def note(self, _sid: str, text: str) -> None:
        self.arrived.append(text)

    def cut(self) -> None:
        for end in self.ends:
            end.abort()


async def emit_while_away(authority: Authority) -> OfflineEmits:
    """Cut both clients off, and emit from both before they are back. This takes about a second: their first wait.

    Args:
        authority: the bench's: `bench.authority`.

    Raises:
        Refusal: it is not an authority.
        TimeoutError: a client is not back within ten seconds.
    """
    need(isinstance(authority, Authority), "an authority", authority, "Pass bench.authority")
    room = _Room()
    async with (
        asyncio.timeout(LIMIT_S),
        socketio_server(room.register, authority.server) as served,
        _clients(served.url, authority.client) as (client, simple),
    ):
        await simple.call("enter")
        before = simple.sid
        room.cut()
        while client.connected or simple.connected_event.is_set():  # noqa: ASYNC110  no event says that it noticed
            await asyncio.sleep(0.01)
        error = await _error_of(client)
        emitting = asyncio.create_task(simple.emit("note", "of the simple client"))
        _, waiting = await asyncio.wait([emitting], timeout=WAITED_S)
        await emitting
        await simple.call("note", "after it")  # when it is answered, all events before it have arrived
        rooms = tuple(name for name in room.sio.rooms(simple.sid) if name != simple.sid)
        return OfflineEmits(error, bool(waiting), tuple(room.arrived), simple.sid == before, rooms)


async def _error_of(client: socketio.AsyncClient) -> str:
    try:
        await client.emit("note", "of the client")
    except SocketIOError as error:
        return f"{type(error).__name__}: {error}"
    return ""


@asynccontextmanager
async def _clients(
    url: str, trust: ssl.SSLContext
) -> AsyncIterator[tuple[socketio.AsyncClient, socketio.AsyncSimpleClient]]:
    """Connect one client of each kind; shut both down at the end, also during an attempt to connect."""
    async with http_session(trust) as session:
        client = socketio.AsyncClient(http_session=session, reconnection_delay=AWAY_S, reconnection_delay_max=AWAY_S)
        simple = socketio.AsyncSimpleClient(http_session=session)
        try:
            for each in (client, simple):
                await each.connect(url, transports=["websocket"])
            yield client, simple
        finally:
            await client.shutdown()
            await simple.disconnect()


# Two schedules in which the "exactly once" recipe of the Socket.IO tutorial loses a message that it has acknowledged.
#
# *same key*: a message that is sent before there is a connection gets a key without a session id: `None-0` here,
# `undefined-0` in JavaScript. Two clients that both send before they are connected send the same key. The database
# takes the second message as a copy of the first: the server acknowledges it and drops it.
#
# *overtaken*: a client that connects receives what it has missed. While the server reads that from its database, it
# broadcasts a new message, which arrives first. The client stores the number of the new message. If the connection then
# ends, the client asks for messages after that number, and never gets the older message.
#
#     history, ladder = draw(RECIPE, SAME_KEY)
#     lost_though_safe(history)


RECIPE: Implementation = replace(
    named("recipe").implementation, bounds=Bounds(detection_s=60.0, recovery_s=10.0)
)  # no need to wait longer

SAME_KEY = Schedule(
    seed=1,
    joins=(Join(0.0, "a"), Join(0.0, "b")),
    says=(Say(0.0, "a", "a1"), Say(0.0, "b", "b1")),  # both are sent before there is a connection
)
OVERTAKEN = Schedule(
    seed=1,
    joins=(Join(0.0, "b"), Join(1.0, "a")),
    says=(Say(0.5, "b", "b1"), Say(0.99, "b", "b2")),
    faults=(Cut(Trigger("a", "down", 4, "during")),),  # after Engine.IO's OPEN, CONNECT and b2: the first of the replay
    write_s=0.1,  # so a read takes 0.05 s: b2 is stored and broadcast while a's replay is being read
)
SHAPES = {"same key": SAME_KEY, "overtaken": OVERTAKEN}


def lost_though_safe(history: History) -> tuple[str, ...]:
    """Return a line for each message that was acknowledged to its sender, and that some client never received."""
    index = Index(history)
    return tuple(
        f"{message}, acknowledged at {record.at_s:.3f} s, never reached {who}"
        for message, record in index.acknowledged.items()
        for who in index.present
        if not index.excused(message) and message not in {one.message for one in index.views.get(who, ())}
    )
