"""The bench of a notebook: both servers with a tap in front of each. When it closes, it reports what was left open."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import aiohttp
import psutil
import socketio as socketio_library
from websockets.asyncio.server import ServerConnection

from midspan.errors import Refusal, Words, need
from midspan.net.background_loop import LoopThread, coroutine_name, stop_wakes
from midspan.net.fault_proxy import Link, link
from midspan.net.servers import Authority, RawHandler, Register, Served, http_session, raw_server, socketio_server
from midspan.net.taps import Tap, tap
from midspan.protocols.capture import Capture
from midspan.protocols.dissecting import dissect
from midspan.protocols.exchange import Exchange

# One server of the bench, the tap in front of it, and the fault proxy in front of both if there is one.


@dataclass(frozen=True)
class Endpoint:
    """A server, with an address through its tap (`url`) and an address without the tap (`direct_url`)."""

    name: str
    served: Served
    tap: Tap
    thread: LoopThread
    faulty: Link | None = None

    @property
    def url(self) -> str:
        """The address through the tap, and through the fault proxy before it if there is one."""
        listener = self.tap if self.faulty is None else self.faulty
        return f"{self.served.url.rsplit(':', 1)[0]}:{listener.port}"

    @property
    def link(self) -> Link:
        """The link with its faults: `with bench.raw.link.latency(0.2): ...`. The tap sees what has crossed the link.

        Raises:
            Refusal: the bench was opened without links.
        """
        if self.faulty is None:
            raise Refusal("a bench with links", Words("one without"), "Open it so: `await Bench(..., links=True)`")
        return self.faulty

    @property
    def direct_url(self) -> str:
        """The server's own address, without the tap: nothing is recorded."""
        return self.served.url

    @property
    def log(self) -> list[str]:
        """The errors that the server logged, newest last: for example a handler's exception."""
        return list(self.served.log.lines)

    @property
    def capture(self) -> Capture:
        """The capture of the tap so far: raw bytes."""
        return self.tap.capture

    async def exchange(self) -> Exchange:
        """Return what the tap has seen as records; wait for connections that are just ending."""
        return dissect(await self.thread.call(self.tap.settled()))

    def clear(self) -> None:
        """Delete what the tap has seen."""
        self.tap.clear()


class BenchOpening:
    """Opens endpoints; they close when `stack` closes.

    Args:
        links: whether each endpoint gets a link that can fail.
    """

    def __init__(self, stack: AsyncExitStack, thread: LoopThread, authority: Authority, links: bool) -> None:
        self._stack, self._thread, self._authority, self._links = stack, thread, authority, links

    async def raw(self, handler: RawHandler, options: dict[str, Any]) -> Endpoint:
        """Open a raw server."""
        server = raw_server(handler, self._authority.server, **options)
        return await self._reached("raw", await self._stack.enter_async_context(server))

    async def socketio(self, register: Register, options: dict[str, Any]) -> Endpoint:
        """Open a Socket.IO server."""
        server = socketio_server(register, self._authority.server, **options)
        return await self._reached("socketio", await self._stack.enter_async_context(server))

    async def _reached(self, name: str, served: Served) -> Endpoint:
        seen = await self._stack.enter_async_context(tap(served.port, self._authority))
        faulty = None
        if self._links:
            faulty = await self._stack.enter_async_context(link(seen.port, self._authority))
        return Endpoint(name, served, seen, self._thread, faulty)


# Leftovers: tasks, threads, sockets and processes that are still open at the end.
#
# A `Baseline` is taken before; a leftover is open afterwards and was not open before. What the kernel opens for itself
# (its message loop, its ZeroMQ sockets) is not the learner's and is left out.


SETTLE_TURNS = 20  # a transport ends some turns of the loop after its owner closed it
TURN_S = 0.01
TOOLS_OWN = ("_run_safe_shutdown_loop",)  # pycares, used by aiodns: one thread in a process, and it cannot be ended
KERNELS_OWN = ("ipykernel", "IPython", "tornado", "jupyter_client", "zmq")


@dataclass(frozen=True)
class Leftovers:
    """What is still open, by kind, each as one short text."""

    tasks: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing is still open."""
        return not (self.tasks or self.threads or self.sockets or self.processes)

    def __str__(self) -> str:
        ended = [f"Ended for you: {', '.join(self.cancelled)}."] if self.cancelled else []
        if self.nothing:
            return "\n".join(["All closed. Still open: nothing.", *ended])
        kinds = {"task": self.tasks, "thread": self.threads, "socket": self.sockets, "process": self.processes}
        rows = [f"  {kind}: {name}" for kind, names in kinds.items() for name in names]
        advice = "Close what you opened (`async with` does it), or restart the kernel."
        return "\n".join(["Closed, but still open:", *rows, advice, *ended])


class Baseline:
    """What this process has open at this moment."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = asyncio.all_tasks()
        self._threads = set(threading.enumerate())
        self._sockets = set(_sockets())
        self._listening = {local for local, peer in self._sockets if not peer}
        self._processes = set(psutil.Process().children(recursive=True))

    async def leftovers(self, cancelled: tuple[str, ...] = ()) -> Leftovers:
        """Wait some turns of the loop; return what was opened since the baseline and is still open."""
        for _ in range(SETTLE_TURNS):
            if (left := self._compare(cancelled)).nothing:
                break
            await asyncio.sleep(TURN_S)
        return left

    def _compare(self, cancelled: tuple[str, ...]) -> Leftovers:
        tasks = {task for task in asyncio.all_tasks() - self._tasks if not _kernels_own(task)}
        threads = set(threading.enumerate()) - self._threads
        sockets = {pair for pair in set(_sockets()) - self._sockets if pair[0] not in self._listening}
        processes = set(psutil.Process().children(recursive=True)) - self._processes
        return Leftovers(
            tasks=tuple(sorted(coroutine_name(task) for task in tasks - {asyncio.current_task()})),
            threads=tuple(sorted(thread.name for thread in threads if not _kernels_own_thread(thread))),
            sockets=tuple(sorted(f"{local} -> {peer}" if peer else f"{local} listening" for local, peer in sockets)),
            processes=tuple(sorted(f"{process.pid}" for process in processes)),
            cancelled=cancelled,
        )


def _sockets() -> list[tuple[str, str]]:
    """Return the (local, peer) address of each TCP socket of this process; a socket that listens has no peer."""
    connections = psutil.Process().net_connections("tcp")
    return [(_address(connection.laddr), _address(connection.raddr)) for connection in connections]


def _address(address: Any) -> str:
    return f"{address.ip}:{address.port}" if address else ""


def _kernels_own_thread(thread: threading.Thread) -> bool:
    """Return whether a thread is pyzmq's: it starts one to free outputs of 64 KiB or more, for example pictures."""
    is_tools_own = thread.name.startswith("IPython") or any(name in thread.name for name in TOOLS_OWN)
    return is_tools_own or type(thread).__module__.startswith(KERNELS_OWN)


def _kernels_own(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(f"/{name}/" in code.co_filename.replace("\\", "/") for name in KERNELS_OWN)


# How a notebook uses the bench::
#
#     bench = await Bench(raw=handler, socketio=register)     # first cell
#     ...
#     await bench.close()                                     # last cell: says what was still open
#
# All that the bench opens runs in a background thread, so that the servers answer while a cell computes. It opens its
# parts in order and closes them in reverse order. Opening another bench closes this one, so that a cell can run twice.


T = TypeVar("T")

OPEN = "Open it: `bench = await Bench()`"
CLOSE_S = 0.4  # then a handler that does not end is cancelled; normally closing takes 0.01 s
ENTERED_S = 5.0  # for objects of `enter`: processes need some time to end
ANSWER_S = 0.25  # a loop without a turn in this time contains a call that blocks


async def echo(connection: ServerConnection) -> None:
    """The raw server's default: send every message back unchanged."""
    async for message in connection:
        await connection.send(message)


def echo_events(sio: socketio_library.AsyncServer) -> None:
    """The Socket.IO server's default: send every event back with its name, and acknowledge it with its data."""

    async def any_event(event: str, sid: str, *data: Any) -> tuple[Any, ...]:
        await sio.emit(event, data, to=sid)
        return data

    sio.on("*", any_event)


class Bench:
    """Both servers, a tap in front of each, and the trust for clients. Await it, or use it in `async with`.

    Args:
        raw: `async def handler(connection)` for the `websockets` server.
        socketio: `def register(sio)` that adds handlers to a fresh `socketio.AsyncServer`.
        raw_options, socketio_options: passed to the two servers (`{"ping_interval": 1}`).
        links: put a fault proxy in front of each tap (`with bench.raw.link.latency(0.2):`).

    Raises:
        Refusal: a handler is not a function; the bench is used before it was opened or after it was closed.
    """

    _open: Bench | None = None  # the open bench of this process

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
        """The endpoint of the `websockets` server."""
        return self._endpoint("raw")

    @property
    def socketio(self) -> Endpoint:
        """The endpoint of the python-socketio server."""
        return self._endpoint("socketio")

    @property
    def trust(self) -> ssl.SSLContext:
        """The context for a client's `ssl=`: it trusts only this bench's authority."""
        return self.authority.client

    def http_session(self) -> aiohttp.ClientSession:
        """A session for `socketio.AsyncClient(http_session=...)` that trusts this bench; use it in `async with`."""
        return http_session(self.trust)

    async def enter(self, something: AbstractAsyncContextManager[T]) -> T:
        """Open one more object in the bench's thread; it closes before all that was opened earlier."""
        self._endpoint("raw")
        is_context = isinstance(something, AbstractAsyncContextManager)
        need(is_context, "something to open with `async with`", something, "Pass raw_server(...), tap(...) or the like")
        return await self._thread.call(self._entered.enter_async_context(something))

    async def close(self) -> Leftovers:
        """Close everything in reverse order; return what is still open. A second call does nothing."""
        if Bench._open is not self:
            return Leftovers()
        Bench._open = None
        self._endpoints = {}
        cancelled = await self._close_thread()
        self._kernel.close()
        return await self._baseline.leftovers(cancelled)

    async def _close_thread(self) -> tuple[str, ...]:
        """Close all that runs in the thread, then the thread; return the names of the cancelled tasks."""
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
        """Return each server's name -> its library and its protocols, in words."""
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
        opening = BenchOpening(self._stack, self._thread, self.authority, self.links)
        raw, framework = await opening.raw(handler, raw_options), await opening.socketio(register, socketio_options)
        self._endpoints = {"raw": raw, "socketio": framework}

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise Refusal("an open bench", Words("one that is closed"), OPEN)
        return self._endpoints[name]


async def _close_within(stack: AsyncExitStack, seconds: float) -> None:
    """Close `stack`. What has not ended after `seconds` is left to the thread, which cancels it."""
    try:
        async with asyncio.timeout(seconds):
            await stack.aclose()
    except TimeoutError:
        return
