"""What python-socketio's two clients do with what is emitted while they are cut off, and who they are afterwards."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import socketio
from socketio.exceptions import SocketIOError

from midspan.refusal import need
from midspan.wires.certs import Authority
from midspan.wires.http import http_session
from midspan.wires.servers import socketio_server

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
