"""Lab 2's server and the real client of python-socketio, asyncio and sync, over TLS."""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import aiohttp
import pytest
import socketio
from socketio.exceptions import ConnectionError, TimeoutError

from midspan.net.background_loop import LoopThread
from midspan.net.servers import Authority
from tests.lab2 import SOON_S, Application, served
from tests.loops import in_a_loop
from tests.tls_in_threads import for_threads

WHERE: dict[str, Any] = {"transports": ["websocket"], "wait_timeout": SOON_S}
BOTH = ["/", "/custom"]
T = TypeVar("T")
ARGUMENTS = ("a", 1, None, {"b": [b"\x00\xff", {"c": b""}]}, b"xyz", "grüß")


class Heard:
    """The lab's events that a client hears, in order, from whichever namespace."""

    def __init__(self, client: Any, namespaces: list[str]) -> None:
        self.events: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self.some = asyncio.Event()
        for namespace in namespaces:
            for name in ("auth", "message-back"):
                client.on(name, functools.partial(self._keep, namespace, name), namespace=namespace)

    def _keep(self, *event: Any) -> None:
        self.events.put(event)
        self.some.set()

    async def next(self) -> tuple[Any, ...]:
        """The next one, for a client on this loop."""
        async with asyncio.timeout(SOON_S):
            while self.events.empty():
                self.some.clear()
                await self.some.wait()
        return self.events.get()


@asynccontextmanager
async def connected(
    application: Application | None = None, namespaces: list[str] | None = None, auth: Any = None, **named: Any
) -> AsyncIterator[tuple[socketio.AsyncClient, Heard]]:
    """A client that has joined; disconnected when the block ends."""
    authority = Authority()
    async with served(application, authority.server, **named) as address, session(authority) as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        heard = Heard(client, namespaces or ["/"])
        await client.connect(f"https://{address}", namespaces=namespaces or ["/"], auth=auth, **WHERE)
        try:
            yield client, heard
        finally:
            await client.disconnect()


@asynccontextmanager
async def session(authority: Authority) -> AsyncIterator[aiohttp.ClientSession]:
    """What carries a client: it trusts the authority, and nobody else."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=authority.client)) as http:
        yield http


@in_a_loop
async def test_events_both_ways_with_several_arguments_and_bytes() -> None:
    async with connected(auth={"token": "x"}) as (client, heard):
        assert await heard.next() == ("/", "auth", {"token": "x"})
        for arguments in ((), ("one",), ARGUMENTS, (b"",)):
            await client.emit("message", arguments)
            assert await heard.next() == ("/", "message-back", *arguments)


@in_a_loop
async def test_acks_for_the_client() -> None:
    async with connected() as (client, _):
        assert await client.call("message-with-ack", ARGUMENTS, timeout=SOON_S) == ARGUMENTS
        assert await client.call("message-with-ack", "one", timeout=SOON_S) == "one"
        assert await client.call("message-with-ack", timeout=SOON_S) is None
        many = await asyncio.gather(*(client.call("message-with-ack", n, timeout=SOON_S) for n in range(20)))
        assert many == list(range(20))


@in_a_loop
async def test_acks_that_never_come_end_in_the_callers_timeout() -> None:
    """Socket.IO has no packet for a handler that failed: the caller's timeout is all it learns."""
    async with connected() as (client, _):
        for name in ("fail", "nobody", "stay"):
            with pytest.raises(TimeoutError):
                await client.call(name, "x" if name == "stay" else None, timeout=0.05)
        assert await client.call("message-with-ack", 1, timeout=SOON_S) == 1


@in_a_loop
async def test_acks_for_the_server() -> None:
    async with connected() as (client, _):
        client.on("question", lambda *arguments: arguments)
        client.on("silence", (may_answer := asyncio.Event()).wait)
        assert await client.call("call-me", ARGUMENTS, timeout=SOON_S) == ARGUMENTS
        assert await client.call("call-silence", timeout=SOON_S) == "timeout"
        may_answer.set()  # an answer that comes too late
        assert await client.call("call-me", 1, timeout=SOON_S) == 1


@in_a_loop
async def test_two_namespaces_on_one_connection() -> None:
    async with connected(namespaces=BOTH, auth={"a": 1}) as (client, heard):
        greetings = sorted([await heard.next(), await heard.next()])
        assert greetings == [("/", "auth", {"a": 1}), ("/custom", "auth", {"a": 1})]
        for namespace in BOTH:
            await client.emit("message", (namespace, b"x"), namespace=namespace)
            assert await heard.next() == (namespace, "message-back", namespace, b"x")
        assert client.get_sid("/") != client.get_sid("/custom")


@pytest.mark.parametrize(
    ("namespace", "auth", "why"),
    [
        ("/vip", {"token": "x"}, "a wrong token"),
        ("/vip", {}, "Not authorized"),
        ("/random", {}, "Invalid namespace"),
    ],
)
@in_a_loop
async def test_a_refused_namespace(namespace: str, auth: Any, why: str) -> None:
    reasons: list[Any] = []
    authority = Authority()
    async with served(None, authority.server) as address, session(authority) as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        client.on("connect_error", reasons.append, namespace=namespace)
        with pytest.raises(ConnectionError):
            await client.connect(f"https://{address}", namespaces=[namespace], auth=auth, **WHERE)
        await client.disconnect()
    assert reasons == [{"message": why}]


@in_a_loop
async def test_a_permission_that_ends() -> None:
    """The client is told by DISCONNECT: its own event says so."""
    over = asyncio.Event()
    authority = Authority()
    async with served(None, authority.server) as address, session(authority) as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        client.on("disconnect", lambda *_: over.set(), namespace="/vip")
        auth = {"token": "sesame", "lasts_s": 0.1}
        await client.connect(f"https://{address}", namespaces=["/", "/vip"], auth=auth, **WHERE)
        async with asyncio.timeout(SOON_S):
            await over.wait()
        assert await client.call("message-with-ack", 1, timeout=SOON_S) == 1
        await client.disconnect()


@in_a_loop
async def test_heartbeats_keep_the_connection() -> None:
    """For longer than interval and timeout allow a client that is silent."""
    async with connected(ping_interval_s=0.1, ping_timeout_s=1.0) as (client, _):
        ended, _ = await asyncio.wait([client.eio.read_loop_task], timeout=1.5)
        assert not ended
        assert await client.call("message-with-ack", 1, timeout=SOON_S) == 1


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "unclean"])
@in_a_loop
async def test_when_the_client_goes_its_handlers_end(clean: bool) -> None:
    application = Application()
    async with connected(application) as (client, _):
        await client.emit("stay", "here")
        assert await client.call("message-with-ack", 1, timeout=SOON_S) == 1
        assert application.ended == []
        if clean:
            await client.disconnect()
        else:
            client.eio.ws._response.connection.transport.abort()  # as a process that is killed
        async with asyncio.timeout(SOON_S):
            await application.some_ended.wait()
    assert application.ended == ["here"]


@in_a_loop
async def test_when_the_server_goes_the_client_is_told() -> None:
    gone = asyncio.Event()
    authority = Authority()
    async with session(authority) as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        client.on("disconnect", lambda *_: gone.set())
        async with served(None, authority.server) as address:
            await client.connect(f"https://{address}", **WHERE)
        async with asyncio.timeout(SOON_S):
            await gone.wait()
        await client.disconnect()


# --- the sync client, which runs threads of its own; the server lives in another one


@contextmanager
def sync_client(namespaces: list[str]) -> Iterator[tuple[socketio.Client, Heard]]:
    """A sync client of a server that lives in a thread; it waits until the client's threads have ended."""
    authority, thread = Authority(), LoopThread()
    before = set(threading.enumerate())
    serving = served(None, authority.server)
    address = thread.run(serving.__aenter__())
    context = for_threads(authority.client)
    client = socketio.Client(reconnection=False, websocket_extra_options={"sslopt": {"context": context}})
    heard = Heard(client, namespaces)
    try:
        client.connect(f"https://{address}", namespaces=namespaces, auth={"token": "x"}, **WHERE)
        yield client, heard
    finally:
        client.disconnect()
        for own in set(threading.enumerate()) - before:
            own.join(SOON_S)
        thread.run(serving.__aexit__(None, None, None))
        thread.close()


def test_the_sync_client() -> None:
    with sync_client(BOTH) as (client, heard):
        greetings = sorted(heard.events.get(timeout=SOON_S) for _ in BOTH)
        assert greetings == [("/", "auth", {"token": "x"}), ("/custom", "auth", {"token": "x"})]
        for namespace in BOTH:
            client.emit("message", ARGUMENTS, namespace=namespace)
            assert heard.events.get(timeout=SOON_S) == (namespace, "message-back", *ARGUMENTS)
            assert client.call("message-with-ack", ARGUMENTS, namespace=namespace, timeout=SOON_S) == ARGUMENTS
        client.on("question", lambda *arguments: arguments)
        client.on("silence", (may_answer := threading.Event()).wait)
        assert client.call("call-me", ARGUMENTS, timeout=SOON_S) == ARGUMENTS
        with pytest.raises(TimeoutError):
            client.call("fail", timeout=0.05)
        assert client.call("call-silence", timeout=SOON_S) == "timeout"
        may_answer.set()
        assert client.call("call-me", 1, timeout=SOON_S) == 1
