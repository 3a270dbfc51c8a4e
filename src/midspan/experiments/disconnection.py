"""What happens to clients whose link is cut: when they notice, what they buffer, what is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import dropwhile, islice
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

# How long a client takes to notice that its connection is dead, against the settings of its heartbeat.
#
# The connection is opened, carries a message, and from some point of the heartbeat's period on carries nothing more,
# while nobody says so (half-open). What counts is when the client tries to connect again: then its application knows.


PHASES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the heartbeat's period
CLOSE_TIMEOUT_S = 10.0  # `websockets` waits so long for an answer to its close frame
FIRST_WAIT_S = 1.5  # python-socketio's first wait before it connects again, at most
SAID_S = 0.5
SchedulePlayer = Callable[[Implementation, Schedule], History]


@dataclass(frozen=True)
class Noticed:
    """What was seen of one library with one setting.

    Args:
        made_of: the library and its version.
        interval_s, timeout_s: between two pings, and for the answer to one.
        after_s: from the last byte to the next attempt to connect, for each phase of the period.
        bound_s: what the settings promise.
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
    """Let connections go half-open at each phase of the heartbeat's period.

    Args:
        name: "websockets" or "python-socketio".
        interval_s: between two pings.
        timeout_s: for the answer to a ping.
        player: `play` for the simulated link, `play_real` for the real one.

    Raises:
        Refusal: another name; a setting that is not above zero.
    """
    need(name in ("websockets", "python-socketio"), "websockets or python-socketio", name, "Choose one of them")
    need(min(interval_s, timeout_s) > 0, "seconds above zero", (interval_s, timeout_s), "Correct the settings")
    implementation = _websockets(interval_s, timeout_s) if name == "websockets" else _socketio(interval_s, timeout_s)
    after = tuple(_after_s(run_in_thread(player, implementation, _half_open(share * interval_s))) for share in PHASES)
    closing_s = CLOSE_TIMEOUT_S if name == "websockets" else FIRST_WAIT_S
    return Noticed(f"{name} {version(name)}", interval_s, timeout_s, after, interval_s + timeout_s + closing_s)


@checked
def noticed_cut_s(name: str, player: SchedulePlayer = play) -> float:
    """For comparison: how long after a reset the client tries to connect again, in seconds."""
    cut = replace(_half_open(0.0), faults=(Cut(Trigger("a", "up", 2, "after")),))
    return _after_s(run_in_thread(player, named(name).implementation, cut))


def _websockets(interval_s: float, timeout_s: float) -> Implementation:
    implementation = named("websockets").implementation
    return replace(
        implementation, limits=replace(implementation.limits, ping_interval=interval_s, ping_timeout=timeout_s)
    )


def _socketio(interval_s: float, timeout_s: float) -> Implementation:
    """Both settings are the server's; its clients are told on connection."""

    class Server(in_python.EventServer):
        options: ClassVar[dict[str, Any]] = {"ping_interval": interval_s, "ping_timeout": timeout_s}

    return replace(named("python-socketio").implementation, server=Server)


def _half_open(later_s: float) -> Schedule:
    """Client a says one message; `later_s` after that has arrived nothing passes any more. (a2 keeps the run going.)"""
    dead = HalfOpen(Trigger("a", "up", 2, "after", later_s))  # the first message up is a greeting
    return Schedule(1, (Join(0.0, "a"),), (Say(SAID_S, "a", "a1"), Say(300.0, "a", "a2")), (dead,))


def _after_s(history: History) -> float:
    """From the fault to the client's next attempt."""
    seen = dropwhile(lambda record: record.what != "fault", history.of("fault", "attempt"))
    fault, attempt = islice(seen, 2)
    return attempt.at_s - fault.at_s


# What python-socketio's two clients do with what is emitted while they are cut off, and who they are afterwards.


WAITED_S = 0.1  # a fifth of the shortest wait between two attempts to connect
LIMIT_S = 10.0
AWAY_S = 60.0  # before the first client tries again: it stays away, so that nobody cuts it in the middle of an attempt


@dataclass(frozen=True)
class Away:
    """What was seen.

    Args:
        async_client: the error of `AsyncClient.emit`, "" if there was none.
        simple_client_waited: whether `AsyncSimpleClient.emit` was still waiting after a tenth of a second.
        arrived: the events that reached the server, in the end.
        same_session: whether the client has the session id that it had before.
        rooms: the rooms of the client that is back; before, it was in "lobby".
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
    """The server's side: it lets everybody into the lobby once, and can cut everybody off."""

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


async def emit_while_away(authority: Authority) -> Away:
    """Cut both clients off, and let both emit before they are back. Takes about a second: their first wait.

    Args:
        authority: of the bench: `bench.authority`.

    Raises:
        Refusal: not an authority.
        TimeoutError: they are not back within ten seconds.
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
        await simple.call("note", "after it")  # so that all before it has arrived
        rooms = tuple(name for name in room.sio.rooms(simple.sid) if name != simple.sid)
        return Away(error, bool(waiting), tuple(room.arrived), simple.sid == before, rooms)


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
    """One of each kind, connected; shut down at the end, wherever they are in their attempts."""
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


# How the "exactly once" recipe of the Socket.IO tutorial loses a message that it has acknowledged: two schedules.
#
# *same key*: a message said before there is a connection gets a key without a session id, `None-0` here and
# `undefined-0` in JavaScript. Two clients that both speak before they are connected send the same key, and the
# database takes the second message for a copy of the first: acknowledged, and thrown away.
#
# *overtaken*: a client that connects is sent what it has not seen. While the server reads that from its database a
# new message is broadcast, which overtakes it. The client notes the new message's number. If the connection then
# goes, it asks for what comes after that number, and the older message is lost to it for good.
#
#     history, ladder = draw(RECIPE, SAME_KEY)
#     lost_though_safe(history)


RECIPE: Implementation = replace(
    named("recipe").implementation, bounds=Bounds(detection_s=60.0, recovery_s=10.0)
)  # no need to wait longer

SAME_KEY = Schedule(
    seed=1,
    joins=(Join(0.0, "a"), Join(0.0, "b")),
    says=(Say(0.0, "a", "a1"), Say(0.0, "b", "b1")),  # a connection takes longer than that
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
    """The messages whose senders were told that they are safe, and that some client never got; one line each."""
    index = Index(history)
    return tuple(
        f"{message}, acknowledged at {record.at_s:.3f} s, never reached {who}"
        for message, record in index.acknowledged.items()
        for who in index.present
        if not index.excused(message) and message not in {one.message for one in index.views.get(who, ())}
    )
