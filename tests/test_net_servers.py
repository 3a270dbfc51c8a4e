"""Both servers run where a loop runs, on a free loopback port, and take everything with them when they end."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import aiohttp
import pytest
import socketio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

from midspan.errors import Refusal
from midspan.net.background_loop import LoopThread, stop_wakes
from midspan.net.servers import Authority, raw_server, socketio_server
from tests.loops import in_a_loop


async def broken(_connection: ServerConnection) -> None:
    raise KeyError("the handler's own mistake")


def answer_hello(sio: socketio.AsyncServer) -> None:
    async def hello(_sid: str, name: str) -> str:
        return f"hello {name}"

    sio.on("hello", hello)


@in_a_loop
async def test_a_handlers_exception_is_in_the_servers_log() -> None:
    authority = Authority()
    async with raw_server(broken, authority.server) as served:
        async with connect(served.url, ssl=authority.client) as client:
            await client.wait_closed()
        assert client.close_code == 1011
    assert served.log.lines == ['connection handler failed: KeyError: "the handler\'s own mistake"']


@in_a_loop
async def test_a_socketio_client_is_answered_and_nothing_is_left() -> None:
    authority = Authority()
    before = asyncio.all_tasks()
    async with socketio_server(answer_hello, authority.server) as served:
        connector = aiohttp.TCPConnector(ssl=authority.client)
        async with aiohttp.ClientSession(connector=connector) as http:
            client = socketio.AsyncClient(http_session=http)
            await client.connect(served.url)
            assert await client.call("hello", "you") == "hello you"
            await client.disconnect()
    assert asyncio.all_tasks() == before


@in_a_loop
async def test_a_client_that_stays_does_not_keep_the_server() -> None:
    authority = Authority()
    connector = aiohttp.TCPConnector(ssl=authority.client)
    async with aiohttp.ClientSession(connector=connector) as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        async with socketio_server(answer_hello, authority.server) as served:
            await client.connect(served.url)
        await client.wait()
        assert not client.connected


@pytest.mark.parametrize("server", [raw_server, socketio_server])
@in_a_loop
async def test_a_handler_that_is_no_function_is_refused(server: Any) -> None:
    with pytest.raises(Refusal, match="without calling it"):
        async with server("handler", None):
            pass


@in_a_loop
async def test_plain_and_tls_addresses_name_their_scheme() -> None:
    authority = Authority()
    async with raw_server(broken, None) as plain, raw_server(broken, authority.server) as tls:
        assert (plain.url.split(":")[0], tls.url.split(":")[0]) == ("ws", "wss")


def test_a_thread_runs_work_and_names_what_it_had_to_cancel() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def begin() -> set[asyncio.Task[None]]:
        task = asyncio.create_task(for_ever())
        return {task}

    thread = LoopThread("test")
    kept = thread.run(begin())
    assert len(kept) == 1
    cancelled = thread.close()
    assert [name.split(".")[-1] for name in cancelled] == ["for_ever"]
    assert not thread.is_open
    assert thread.close() == []
    assert "test" not in {running.name for running in threading.enumerate()}


@in_a_loop
async def test_a_signal_wakes_a_loop_that_sleeps() -> None:
    """Without the wake-up descriptor `called` would be seen only at the next event of the loop."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon(woken.set))
    try:
        with stop_wakes(loop) as wakes:
            assert wakes
            threading.Timer(0.01, signal.raise_signal, [signal.SIGUSR1]).start()
            async with asyncio.timeout(5):
                await woken.wait()
        with stop_wakes(loop) as again:
            assert again, "the first one was removed"
    finally:
        signal.signal(signal.SIGUSR1, previous)
