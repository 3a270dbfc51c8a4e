"""The bench: both servers, a tap in front of each, and the trust that clients need, in one object.

    bench = await Bench(raw=handler, socketio=register)     # first cell
    ...
    await bench.close()                                     # last cell: says what was still open

What the bench opens lives in one background thread of its own, so that it serves on while a cell computes. It opens
in order and closes in reverse; opening another bench closes this one, so that any cell can be run twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from importlib.metadata import version
from typing import Any, TypeVar

import aiohttp
import socketio as socketio_library
from websockets.asyncio.server import ServerConnection

from midspan.bench.endpoint import Endpoint, Opening
from midspan.bench.leftovers import Baseline, Leftovers
from midspan.refusal import Refusal, Words, need
from midspan.wires.certs import Authority
from midspan.wires.http import http_session
from midspan.wires.servers import RawHandler, Register
from midspan.wires.thread import LoopThread
from midspan.wires.wakeup import stop_wakes

T = TypeVar("T")

OPEN = "Open it: `bench = await Bench()`"
CLOSE_S = 0.4  # a handler that will not end is cancelled after this; closing takes a hundredth of a second otherwise
ENTERED_S = 5.0  # for what was entered: it may be processes, which take a while to end
ANSWER_S = 0.25  # a thread that has not taken a turn by then has a call in it that blocks


async def echo(connection: ServerConnection) -> None:
    """The raw server's default: every message goes back as it came."""
    async for message in connection:
        await connection.send(message)


def echo_events(sio: socketio_library.AsyncServer) -> None:
    """The Socket.IO server's default: every event goes back under its own name, and is acknowledged with what came."""

    async def any_event(event: str, sid: str, *data: Any) -> tuple[Any, ...]:
        await sio.emit(event, data, to=sid)
        return data

    sio.on("*", any_event)


class Bench:
    """Servers, taps and trust. Await it, or use it in `async with`.

    Args:
        raw: `async def handler(connection)` for the `websockets` server.
        socketio: `def register(sio)` that adds handlers to a fresh `socketio.AsyncServer`.
        raw_options, socketio_options: passed on to the two servers (`{"ping_interval": 1}`).
        links: put a link that can be made to fail in front of each tap (`with bench.raw.link.latency(0.2):`).

    Raises:
        Refusal: a handler is not a function; the bench is used before it was opened or after it was closed.
    """

    _open: Bench | None = None  # the one that is open in this process

    def __init__(
        self,
        raw: RawHandler = echo,
        socketio: Register = echo_events,
        *,
        raw_options: dict[str, Any] | None = None,
        socketio_options: dict[str, Any] | None = None,
        links: bool = False,
    ) -> None:
        for options in (raw_options, socketio_options):
            need(options is None or isinstance(options, dict), "options by name", options, "Write {'ping_interval': 1}")
        self._apps, self.links = (raw, socketio), links
        self._options = (raw_options or {}, socketio_options or {})
        self._endpoints: dict[str, Endpoint] = {}
        self.authority = Authority()

    def __await__(self) -> Generator[Any, None, Bench]:
        return self._start().__await__()

    async def __aenter__(self) -> Bench:
        return await self._start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def raw(self) -> Endpoint:
        """The `websockets` server behind its tap."""
        return self._endpoint("raw")

    @property
    def socketio(self) -> Endpoint:
        """The python-socketio server behind its tap."""
        return self._endpoint("socketio")

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client passes as `ssl=`: it trusts this bench's authority and no other."""
        return self.authority.client

    def http_session(self) -> aiohttp.ClientSession:
        """A session for `socketio.AsyncClient(http_session=...)` that trusts this bench; use it in `async with`."""
        return http_session(self.trust)

    async def enter(self, something: AbstractAsyncContextManager[T]) -> T:
        """Open one more thing in the bench's thread; it is closed first, before what was opened earlier."""
        self._endpoint("raw")
        is_context = isinstance(something, AbstractAsyncContextManager)
        need(is_context, "something to open with `async with`", something, "Pass raw_server(...), tap(...) or the like")
        return await self._thread.call(self._entered.enter_async_context(something))

    async def close(self) -> Leftovers:
        """Close everything in reverse order and say what is still open. Safe to call twice."""
        if Bench._open is not self:
            return Leftovers()
        Bench._open = None
        self._endpoints = {}
        cancelled = await self._close_thread()
        self._kernel.close()
        return await self._baseline.leftovers(cancelled)

    async def _close_thread(self) -> tuple[str, ...]:
        """Close what lives in the thread, and the thread; names what had to be cancelled."""
        if not await self._thread.answers(ANSWER_S):
            self._thread.close_later(self._close_all())
            return ()
        await self._thread.call(self._close_all())
        return tuple(self._thread.close())

    async def _close_all(self) -> None:
        await _close_within(self._entered, ENTERED_S)
        await _close_within(self._stack, CLOSE_S)

    @property
    def is_open(self) -> bool:
        """Whether its servers listen."""
        return bool(self._endpoints)

    def __str__(self) -> str:
        parts = self.parts().values()
        if not self.is_open:
            return "\n".join([f"Closed: nobody listens. {OPEN}.", *(f"  {what}" for what in parts)])
        way = "client -> link -> tap" if self.links else "client -> tap"
        return "\n".join(f"{way} -> {what}" for what in parts)

    def parts(self) -> dict[str, str]:
        """Each server of the bench by name, in words: what speaks, over what."""
        versions = {name: version(name) for name in ("websockets", "python-socketio", "aiohttp")}
        raw = f"raw server (websockets {versions['websockets']}) over wss"
        framework = f"python-socketio {versions['python-socketio']} on aiohttp {versions['aiohttp']}"
        return {"raw": raw, "socketio": f"Socket.IO server ({framework}) over https and wss"}

    async def _start(self) -> Bench:
        if Bench._open is self:
            return self
        if Bench._open is not None:
            await Bench._open.close()
        self._baseline, self._thread = Baseline(), LoopThread("midspan bench")
        self._stack, self._entered, self._kernel = AsyncExitStack(), AsyncExitStack(), ExitStack()
        self._kernel.enter_context(stop_wakes(asyncio.get_running_loop()))
        Bench._open = self
        try:
            await self._thread.call(self._serve())
        except BaseException:
            await self.close()
            raise
        return self

    async def _serve(self) -> None:
        (handler, register), (raw_options, socketio_options) = self._apps, self._options
        opening = Opening(self._stack, self._thread, self.authority, self.links)
        raw, framework = await opening.raw(handler, raw_options), await opening.socketio(register, socketio_options)
        self._endpoints = {"raw": raw, "socketio": framework}

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise Refusal("an open bench", Words("one that is closed"), OPEN)
        return self._endpoints[name]


async def _close_within(stack: AsyncExitStack, seconds: float) -> None:
    """Close `stack`; what has not ended by then is left to the thread, which cancels it."""
    try:
        async with asyncio.timeout(seconds):
            await stack.aclose()
    except TimeoutError:
        return
