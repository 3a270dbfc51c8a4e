"""The two servers of the course, over TLS, on a free loopback port.

Both are async context managers, so each runs wherever a loop runs: `async with` in one cell on the kernel's own
loop, or in the thread that the bench owns. A handler's exception goes to the server's log, not to whichever cell
happens to run.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from websockets.asyncio.server import ServerConnection, serve

from midspan.refusal import Refusal, need
from midspan.wires.certs import HOST

if TYPE_CHECKING:  # half a second of imports: a node that serves raw connections does without
    import socketio
    from aiohttp import web

RawHandler: TypeAlias = Callable[[ServerConnection], Awaitable[None]]
Register: TypeAlias = Callable[[Any], None]  # of a socketio.AsyncServer

SHUTDOWN_S = 1.0  # how long aiohttp lets a request finish; a long poll would hold the door for 25 s otherwise


class Log(logging.Handler):
    """What a server says, kept with its owner, newest last; at most `KEPT` lines."""

    KEPT = 200

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line: what was said, and the exception that it was said of."""
        error = record.exc_info[1] if record.exc_info else None
        because = f": {type(error).__name__}: {error}" if error is not None else ""
        self.lines.append(record.getMessage() + because)
        del self.lines[: -self.KEPT]

    def logger(self, name: str) -> logging.Logger:
        """A logger of its own, outside the tree of named loggers, that speaks to this log only."""
        logger = logging.Logger(name, logging.WARNING)
        logger.addHandler(self)
        return logger


@dataclass(frozen=True)
class Served:
    """A server that is answering: its address, and what it has said."""

    url: str
    port: int
    log: Log = field(default_factory=Log, repr=False)


@asynccontextmanager
async def raw_server(
    handler: RawHandler, tls: ssl.SSLContext | None, *, port: int = 0, **options: Any
) -> AsyncIterator[Served]:
    """Serve WebSocket connections (RFC 6455) with `websockets`.

    Args:
        handler: `async def handler(connection)`, called once a connection; the connection closes when it returns.
        tls: the server's context, or None for plain `ws://`.
        port: 0 for a free one.
        options: passed on to `websockets.serve` (`ping_interval`, `max_size`, ...).

    Raises:
        Refusal: the handler is not a function; the library has no such option.
        OSError: the port is taken.
    """
    _need_function(handler, "an async function that takes a connection", "async def handler(connection): ...")
    _need_place(tls, port)
    log = Log()
    try:
        server = await serve(handler, HOST, port, ssl=tls, logger=log.logger("raw"), **options)
    except TypeError as error:
        raise Refusal("options that websockets.serve has", options, f"Correct their names or values: {error}") from None
    try:
        bound = next(iter(server.sockets)).getsockname()[1]
        yield Served(f"{'wss' if tls else 'ws'}://{HOST}:{bound}", bound, log)
    finally:
        served = list(server.all_connections)
        server.close()
        try:
            await server.wait_closed()
        finally:  # where our time is up before a client has answered, nothing of its connection stays open
            for connection in served:
                connection.transport.abort()


@asynccontextmanager
async def socketio_server(
    register: Register, tls: ssl.SSLContext | None, *, port: int = 0, **options: Any
) -> AsyncIterator[Served]:
    """Serve Socket.IO (protocol v5 over Engine.IO v4) with python-socketio on aiohttp.

    Args:
        register: `def register(sio)` adds the event handlers to a fresh `socketio.AsyncServer`.
        tls: the server's context, or None for plain `http://`.
        port: 0 for a free one.
        options: passed on to `socketio.AsyncServer` (`ping_interval`, `max_http_buffer_size`, ...).

    Raises:
        Refusal: `register` is not a function.
        OSError: the port is taken.
    """
    import socketio
    from aiohttp import web

    _need_function(register, "a function that adds handlers to a socketio.AsyncServer", "def register(sio): ...")
    _need_place(tls, port)
    log = Log()
    logger = log.logger("socketio")
    sio = socketio.AsyncServer(async_mode="aiohttp", logger=logger, engineio_logger=logger, **options)
    tasks = own_background_tasks(sio)
    register(sio)
    app = web.Application(logger=logger)
    sio.attach(app)
    async with serve_app(app, tls, port=port) as bound:
        try:
            yield Served(f"{'https' if tls else 'http'}://{HOST}:{bound}", bound, log)
        finally:
            await hang_up(sio)
            await cancel(tasks)


@asynccontextmanager
async def serve_app(app: web.Application, tls: ssl.SSLContext | None, *, port: int = 0) -> AsyncIterator[int]:
    """Serve an aiohttp application on loopback and give its port; takes no signal handler (unlike uvicorn)."""
    from aiohttp import web

    runner = web.AppRunner(
        app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_S, logger=app.logger
    )  # a handler's exception goes to the app's logger: aiohttp would print it into whichever cell runs
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def hang_up(sio: socketio.AsyncServer) -> None:
    """End every Engine.IO session, without waiting for clients to fetch the news: some are gone already."""
    for session in list(sio.eio.sockets.values()):
        await session.close(wait=False, reason=sio.eio.reason.SERVER_DISCONNECT)
    await sio.shutdown()


def own_background_tasks(sio: socketio.AsyncServer) -> set[asyncio.Task[Any]]:
    """Know the server's background tasks: it leaves one sleeping for each client, up to a `ping_interval` long."""
    tasks: set[asyncio.Task[Any]] = set()
    start = sio.eio.start_background_task

    def start_and_keep(target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = start(target, *args, **kwargs)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    sio.eio.start_background_task = start_and_keep
    return tasks


async def cancel(tasks: set[asyncio.Task[Any]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _need_function(value: object, expected: str, example: str) -> None:
    need(callable(value), expected, value, f"Write `{example}` and pass it by its name, without calling it")


def _need_place(tls: object, port: object) -> None:
    is_context = tls is None or isinstance(tls, ssl.SSLContext)
    need(is_context, "the server's ssl.SSLContext, or None for no TLS", tls, "Pass Authority().server")
    is_port = isinstance(port, int) and 0 <= port <= 65535
    need(is_port, "a port from 0 to 65535", port, "Leave it out, or pass 0 for a free one")
