"""Raw WSS on `websockets` as its documentation shows it: a keepalive, a token in the first message, and a client that
connects again for as long as it lives (`async for connection in connect(...)`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.exceptions import ConnectionClosed

from midspan.bench.contenders.naive import OnceClient, RoomServer
from midspan.sim.cast import ClientSeat, ServerSeat

NOT_AUTHORISED = 1008  # "policy violation" (RFC 6455 section 7.4.1), as in the library's guide to authentication


class GuardedServer(RoomServer):
    """Asks for a name and a token first."""

    def __init__(self, seat: ServerSeat) -> None:
        super().__init__(seat)
        self.authorise = seat.authorise

    async def handle(self, connection: Any) -> None:
        who, _, token = (await connection.recv()).partition(": ")
        if not self.authorise(who, token):
            await connection.close(NOT_AUTHORISED, "authentication failed")
            return
        await super().handle(connection)


class ReconnectingClient(OnceClient):
    """Connects again whenever the connection has ended. What it had put on the old one, it does not ask."""

    def __init__(self, seat: ClientSeat) -> None:
        super().__init__(seat)
        self.greeting = f"{seat.me}: {seat.token}"

    async def run(self) -> None:
        async for connection in self.seat.connect():
            sending = asyncio.create_task(self.send_all(connection))
            try:
                async for body in connection:
                    self.show(body)
            except ConnectionClosed:
                continue
            finally:
                sending.cancel()

    async def send_all(self, connection: Any) -> None:
        try:
            await connection.send(self.greeting)
            await super().send_all(connection)
        except ConnectionClosed:
            return
