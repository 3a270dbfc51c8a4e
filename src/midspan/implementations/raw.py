"""Raw WSS on `websockets`: a first version without a plan for a broken link, and one as the documentation shows it."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.exceptions import ConnectionClosed

from midspan.simulation.implementation import ClientContext, ServerContext

# A first version on raw WSS: one connection, and no plan for the day it breaks.
#
# Its keepalive is off, so that it has what RFC 6455 gives and nothing else. Seeing its own message come back from the
# room is what tells a client that the message arrived.


class RoomServer:
    """Writes down what comes and passes it on to everybody who is connected."""

    def __init__(self, context: ServerContext) -> None:
        self.store = context.store
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

    def __init__(self, context: ClientContext) -> None:
        self.context, self.app = context, context.app
        self.mine: set[str] = set()
        self.to_send: asyncio.Queue[str] = asyncio.Queue()

    def send(self, body: str) -> None:
        self.mine.add(body)
        self.to_send.put_nowait(body)

    async def run(self) -> None:
        async with self.context.connect() as connection:
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


# Raw WSS on `websockets` as its documentation shows it: a keepalive, a token in the first message, and a client that
# connects again for as long as it lives (`async for connection in connect(...)`).


NOT_AUTHORISED = 1008  # "policy violation" (RFC 6455 section 7.4.1), as in the library's guide to authentication


class GuardedServer(RoomServer):
    """Asks for a name and a token first."""

    def __init__(self, context: ServerContext) -> None:
        super().__init__(context)
        self.authorise = context.authorise

    async def handle(self, connection: Any) -> None:
        who, _, token = (await connection.recv()).partition(": ")
        if not self.authorise(who, token):
            await connection.close(NOT_AUTHORISED, "authentication failed")
            return
        await super().handle(connection)


class ReconnectingClient(OnceClient):
    """Connects again whenever the connection has ended. What it had put on the old one, it does not ask."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context)
        self.greeting = f"{context.me}: {context.token}"

    async def run(self) -> None:
        async for connection in self.context.connect():
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
