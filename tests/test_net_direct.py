"""A message is handled in the call that reads it, or left to `recv` as it was; never does one overtake another.

Each scene is played on `net.servers.DirectConnection` over TLS and on the simulated link, and both say the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets

from midspan.net.servers import HOST, Authority, DirectConnection
from midspan.simulation.loop import PROCESS
from tests.loops import in_a_loop
from tests.test_simulation_link import simulated

Scene = Callable[["Host", Any], Awaitable[object]]
READY, LEAVE = "ready", b"leave this one"


class Host:
    """A server whose task reads, and which says of each message where it was handled."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.is_free = asyncio.Event()
        self.is_free.set()

    def at_once(self, data: bytes) -> bool:
        if data == b"no packets":
            raise ValueError("these are no packets")
        if data != LEAVE:
            self.heard.append(("at once", data))
        return data != LEAVE

    async def handle(self, connection: Any) -> None:
        connection.at_once = self.at_once
        await connection.send(READY)
        try:
            while True:
                self.heard.append(("recv", await connection.recv()))
                await self.is_free.wait()
        except ValueError as error:
            await connection.close(1007, str(error))


async def said(client: Any, *messages: Any) -> None:
    """Say these, and wait until all of them were read."""
    for message in messages:
        await client.send(message)
    await (await client.ping())


async def one_after_the_other(host: Host, client: Any) -> object:
    await said(client, b"one")
    await said(client, "a text")
    await said(client, b"two")
    return host.heard


async def behind_one_that_was_left(host: Host, client: Any) -> object:
    """The task has the first in its hands while two more come: they wait for it."""
    host.is_free.clear()
    await said(client, LEAVE, b"two", b"three")
    before = list(host.heard)
    host.is_free.set()
    await said(client)
    await said(client, b"four")
    return before, host.heard


async def an_error(host: Host, client: Any) -> object:
    await client.send(b"no packets")
    await client.wait_closed()
    return host.heard, client.close_code, client.close_reason


SEEN: dict[Scene, object] = {
    one_after_the_other: [("at once", b"one"), ("recv", "a text"), ("at once", b"two")],
    behind_one_that_was_left: (
        [("recv", LEAVE)],
        [("recv", LEAVE), ("recv", b"two"), ("recv", b"three"), ("at once", b"four")],
    ),
    an_error: ([], 1007, "these are no packets"),
}


async def on_sockets(scene: Scene, host: Host) -> object:
    authority = Authority()
    async with websockets.serve(
        host.handle, HOST, 0, ssl=authority.server, create_connection=DirectConnection
    ) as server:
        url = f"wss://localhost:{server.sockets[0].getsockname()[1]}"
        async with websockets.connect(url, host=HOST, ssl=authority.client, proxy=None) as client:
            assert await client.recv() == READY
            return await scene(host, client)


def on_the_simulated_link(scene: Scene) -> object:
    hosts: list[Host] = []

    async def handle(connection: Any) -> None:
        hosts.append(Host())
        await hosts[0].handle(connection)

    async def play(connect: Any) -> object:
        async with connect() as client:
            assert await client.recv() == READY
            return await scene(hosts[0], client)

    return simulated(play, handler=handle)


@pytest.mark.parametrize("scene", SEEN)
def test_both_links_say_the_same(scene: Scene) -> None:
    assert asyncio.run(on_sockets(scene, Host())) == SEEN[scene]
    assert on_the_simulated_link(scene) == SEEN[scene]


@in_a_loop
async def test_fragments_are_for_recv() -> None:
    async def in_parts(host: Host, client: Any) -> object:
        await said(client, [b"in ", b"parts"], b"whole")
        return host.heard

    assert (await on_sockets(in_parts, Host()))[0] == ("recv", b"in parts")  # type: ignore[index]


@in_a_loop
async def test_nobody_waits_after_a_recv_that_was_cancelled() -> None:
    class Impatient(Host):
        async def handle(self, connection: Any) -> None:
            connection.at_once = self.at_once
            reading = asyncio.ensure_future(connection.recv())
            await asyncio.sleep(0)  # it waits by now
            reading.cancel()
            await asyncio.wait([reading])
            await connection.send(READY)
            await connection.wait_closed()

    async def one(host: Host, client: Any) -> object:
        await said(client, b"one")
        return host.heard

    assert await on_sockets(one, Impatient()) == []


def test_what_it_begins_belongs_to_the_process_that_has_set_it() -> None:
    """A simulated process is killed with all its tasks, those too that were begun in the call that read a message."""
    tasks: list[asyncio.Task[Any]] = []
    begun: list[asyncio.Task[Any]] = []

    def at_once(_data: bytes) -> bool:
        begun.append(asyncio.ensure_future(asyncio.sleep(0)))
        return True

    async def handle(connection: Any) -> None:
        PROCESS.set(tasks)
        connection.at_once = at_once
        await connection.send(READY)
        await connection.recv()

    async def play(connect: Any) -> object:
        async with connect() as client:
            await client.recv()
            await said(client, b"one")
            return None

    simulated(play, handler=handle)
    assert len(begun) == 1
    assert begun[0] in tasks
