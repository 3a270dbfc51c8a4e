"""The rooms' logs as the broker has them: read by us, past the nodes, so that "durable" is what a stream holds."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from midspan.bench.nodes.seats import BODY, ROOMS, stream
from midspan.bench.real.clock import HastyLoop
from midspan.sim.history import Bounds, History, Recorder
from midspan.sim.schedule import Join

START = "0"  # before the first entry of a stream


class RoomsRecorder(Recorder):
    """As `Recorder`, with a log for each room."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.rooms: dict[str, list[str]] = {}  # room -> its members
        self.room_of: dict[str, str] = {}

    def take_seats(self, joins: tuple[Join, ...]) -> None:
        """Say which client is in which room; one without a room is in the first."""
        for join in joins:
            room = self.room_of[join.who] = join.room or ROOMS[0]
            members = self.rooms.setdefault(room, [])
            self.logs[join.who] = self.logs[members[0]] if members else []
            members.append(join.who)

    def stored(self, room: str, body: str) -> None:
        """A room's stream has this entry."""
        self.note("broker", "durable", body, room)
        self.logs[self.rooms[room][0]].append(body)
        self.on_durable()
        self.on_progress()

    def wiped(self) -> None:
        self.note("broker", "wiped")
        for log in self.logs.values():
            log.clear()

    def history(self, bounds: Bounds) -> History:
        rooms = tuple((room, tuple(members)) for room, members in self.rooms.items())
        return History(tuple(self.records), bounds, rooms)


class Observer:
    """Follows the streams of all rooms.

    Args:
        loop: of the run.
        broker: its URL, past all that can be cut.
        prefix: of the run's keys.
        recorder: told of each entry.
    """

    def __init__(self, loop: HastyLoop, broker: str, prefix: str, recorder: RoomsRecorder) -> None:
        self._loop, self._broker, self._recorder = loop, broker, recorder
        self._rooms = {stream(prefix, room).encode(): room for room in recorder.rooms}
        self._seen: dict[bytes, str] = {}
        self._following: asyncio.Task[None] | None = None

    def start(self, anew: bool = False) -> None:
        """Follow from the start, or from where it stood."""
        self.stop()
        if anew or not self._seen:
            self._seen = dict.fromkeys(self._rooms, START)
        self._following = self._loop.create_task(self._follow(), context=contextvars.Context())

    def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()

    async def _follow(self) -> None:
        client: Any
        async with redis.asyncio.Redis.from_url(self._broker, socket_timeout=None, protocol=2) as client:
            with suppress(RedisError, OSError):  # it is killed; `start` follows
                while True:
                    for key, entries in await client.xread(dict(self._seen), block=0):
                        for number, fields in entries:
                            self._take(key, number.decode(), fields)

    def _take(self, key: bytes, number: str, fields: dict[bytes, bytes]) -> None:
        self._seen[key] = number
        body = fields.get(BODY.encode())
        if body is None:
            found = b", ".join(fields).decode(errors="replace")
            detail = f"entry {number} of the stream {key.decode()} has no field {BODY}, only {found}"
            self._recorder.note("broker", "crashed", detail=detail)
        else:
            self._recorder.stored(self._rooms[key], body.decode(errors="replace"))
