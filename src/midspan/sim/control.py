"""The negative control: a session that promises what it does not keep. A search that lets it pass is broken.

It is what many a first version looks like: send when connected, connect again when not, hope otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from midspan.arguments import checked
from midspan.sim.cast import Cast, ClientSeat, ServerSeat
from midspan.sim.generate import Shape
from midspan.sim.search import Findings, search


class NaiveServer:
    """Appends what comes to its log and passes it on to whoever is connected."""

    def __init__(self, seat: ServerSeat) -> None:
        self.store = seat.store
        self.connections: dict[Any, None] = {}  # in the order of arrival: that of a set is not the same on each run

    async def handle(self, connection: Any) -> None:
        self.connections[connection] = None
        try:
            async for text in connection:
                await self.store.append(json.loads(text))
                await connection.send(json.dumps(["ack", json.loads(text)]))
                for each in list(self.connections):
                    await each.send(json.dumps(["entry", json.loads(text)]))
        finally:
            self.connections.pop(connection)


class NaiveClient:
    """Sends while it is connected; what is said while it is not is gone."""

    def __init__(self, seat: ClientSeat) -> None:
        self.seat = seat
        self.ready: asyncio.Queue[str] = asyncio.Queue()

    def send(self, body: str) -> None:
        self.ready.put_nowait(body)

    async def run(self) -> None:
        while True:
            try:
                connection = await self.seat.connect()
                sending = asyncio.create_task(self._send(connection))
                async for text in connection:
                    kind, body = json.loads(text)
                    (self.seat.app.acknowledged if kind == "ack" else self.seat.app.delivered)(body)
            except (OSError, InvalidHandshake, ConnectionClosed):
                await asyncio.sleep(1.0)
            else:
                sending.cancel()

    async def _send(self, connection: Any) -> None:
        try:
            while True:
                await connection.send(json.dumps(await self.ready.get()))
        except ConnectionClosed:
            return


NAIVE = Cast(NaiveServer, NaiveClient)


@checked
def negative_control(seeds: Iterable[int] = range(50), shape: Shape | None = None) -> Findings:
    """Search the naive session. Its findings must show violations, of `no_loss` among others."""
    return search(NAIVE, seeds, shape, keep_going=True)
