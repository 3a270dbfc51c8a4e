"""A first version on raw WSS: one connection, and no plan for the day it breaks.

Its keepalive is off, so that it has what RFC 6455 gives and nothing else. Seeing its own message come back from the
room is what tells a client that the message arrived.
"""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.sim.cast import ClientSeat, ServerSeat


class RoomServer:
    """Writes down what comes and passes it on to everybody who is connected."""

    def __init__(self, seat: ServerSeat) -> None:
        self.store = seat.store
        self.room: list[Any] = []

    async def handle(self, connection: Any) -> None:
        self.room.append(connection)
        try:
            async for body in connection:
                await self.store.append(body)
                for each in list(self.room):
                    await each.send(body)
        finally:
            self.room.remove(connection)


class OnceClient:
    """Connects once, sends what it is given, shows what comes."""

    def __init__(self, seat: ClientSeat) -> None:
        self.seat, self.app = seat, seat.app
        self.mine: set[str] = set()
        self.to_send: asyncio.Queue[str] = asyncio.Queue()

    def send(self, body: str) -> None:
        self.mine.add(body)
        self.to_send.put_nowait(body)

    async def run(self) -> None:
        async with self.seat.connect() as connection:
            sending = asyncio.create_task(self.send_all(connection))
            try:
                async for body in connection:
                    self.show(body)
            finally:
                sending.cancel()

    async def send_all(self, connection: Any) -> None:
        while True:
            await connection.send(await self.to_send.get())

    def show(self, body: str) -> None:
        self.app.delivered(body)
        if body in self.mine:
            self.app.acknowledged(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": self.to_send.qsize()}
