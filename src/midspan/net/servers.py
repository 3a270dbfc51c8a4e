"""The two servers of the course, over TLS, on a free loopback port, and their certificates."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode

from midspan.errors import Refusal, need

if TYPE_CHECKING:  # half a second of imports: a node that serves raw connections does without
    import socketio
    from aiohttp import web


import socketio
import uvicorn

# A throw-away certificate authority: real, verified TLS with no key in the repository.
#
# Each authority lives in memory and dies with its process. Clients trust it because they are handed its context,
# never because verification is switched off.


HOST = "127.0.0.1"  # never "localhost": it may resolve to ::1 first, where somebody else's server may listen
NAMES = (HOST, "localhost")


class Authority:
    """A certificate authority and one certificate for this machine's loopback names."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="midspan, for one session")
        self._certificate = self._ca.issue_cert(*NAMES)

    @property
    def pem(self) -> bytes:
        """The authority's certificate, to hand to a client in another process."""
        return self._ca.cert_pem.bytes()

    @property
    def identity_pem(self) -> tuple[str, str]:
        """The key and the certificate that `server` presents, for a server in another process; never for a file."""
        chain = b"".join(blob.bytes() for blob in self._certificate.cert_chain_pems)
        return self._certificate.private_key_pem.bytes().decode(), chain.decode()

    @cached_property
    def server(self) -> ssl.SSLContext:
        """What a server on loopback presents; TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        return context

    @cached_property
    def client(self) -> ssl.SSLContext:
        """What a client trusts: this authority and no other; host names are checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        return context


# A server's connection that may handle a message in the call that reads it.
#
# `websockets` puts a message into a queue and wakes the task that waits in `recv`; the task runs when the loop comes
# round. Mostly nothing else was waiting, and the way there costs as much as the message. So a connection of this
# class offers a message to `at_once` first:
#
#     async with serve(handler, HOST, 0, create_connection=Direct): ...      # in the handler: connection.at_once = ...
#
# Nothing may overtake. A message is offered only while somebody waits in `recv`, and nothing is there before it; what
# `at_once` leaves, and all behind it, is for `recv`, until `recv` waits again. The simulated link does the same.


BINARY, PING, PONG = Opcode.BINARY, Opcode.PING, Opcode.PONG  # looked up for each frame, an Enum's attribute is slow


class Direct(ServerConnection):
    """As `websockets.asyncio.server.ServerConnection`, with one thing more.

    Attributes:
        at_once: called with a binary message that came in one frame; whether it has handled it. It may not wait, and
            what it raises is raised where the task waits in `recv`. None: every message is for `recv`.
    """

    __slots__ = ("_error", "_is_next", "at_once")  # the dictionary of each connection stays as the library has it

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.at_once: Callable[[bytes], bool] | None = None
        self._is_next = False  # whether the next message would be the one for which somebody waits in `recv`
        self._error: Exception | None = None

    async def recv(self, decode: bool | None = None) -> Any:
        """The next message that was not handled at once."""
        self._is_next = True
        try:
            message = await super().recv(decode)
        finally:
            self._is_next = False
        if self._error is not None:
            raise self._error
        return message

    def process_event(self, event: Any) -> None:
        """What the library calls for each frame."""
        if self._is_next:  # somebody waits in `recv`: so the connection is open, and this is a frame
            kind = event.opcode
            if kind is BINARY and event.fin and self.at_once is not None:
                try:
                    if self.at_once(bytes(event.data)):
                        return
                except Exception as error:  # the task is told: nobody else waits for it
                    self._error = error
            if kind is not PING and kind is not PONG:  # these say nothing of order
                self._is_next = False
        super().process_event(event)


# A client session of aiohttp that leaves nothing behind when it is closed.


def http_session(trust: ssl.SSLContext | None = None, **options: Any) -> aiohttp.ClientSession:
    """A session whose names are resolved by the system, in the loop's own threads; use it in `async with`.

    aiohttp's default is aiodns where that is installed, as JupyterHub has it; pycares below it starts a thread that
    outlives session, resolver and loop.

    Args:
        trust: what its TLS connections trust; None: what the system trusts.
        options: passed on to `aiohttp.ClientSession`.
    """
    resolver = aiohttp.ThreadedResolver()
    connector = aiohttp.TCPConnector(ssl=True if trust is None else trust, resolver=resolver)
    return aiohttp.ClientSession(connector=connector, **options)


# The two servers of the course, over TLS, on a free loopback port.
#
# Both are async context managers, so each runs wherever a loop runs: `async with` in one cell on the kernel's own
# loop, or in the thread that the bench owns. A handler's exception goes to the server's log, not to whichever cell
# happens to run.


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
            await close_sessions(sio)
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


async def close_sessions(sio: socketio.AsyncServer) -> None:
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


# python-socketio as an ASGI application, served by uvicorn: the other usual way to run it.


@asynccontextmanager
async def asgi_server(
    register: Register, tls: ssl.SSLContext | None, *, uvicorn_options: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve Socket.IO with python-socketio on uvicorn, on a free loopback port.

    uvicorn's own `serve` takes over the process's signals; so it is started here by its parts.

    Args:
        register: `def register(sio)` adds the event handlers to a fresh `socketio.AsyncServer`.
        tls: the server's context, or None for plain `http://`.
        uvicorn_options: passed on to `uvicorn.Config` (`{"ws_ping_interval": 20}`).
        options: passed on to `socketio.AsyncServer` (`ping_interval`, ...).
    """
    log = Log()
    logger = log.logger("socketio")
    sio = socketio.AsyncServer(async_mode="asgi", logger=logger, engineio_logger=logger, **options)
    tasks = own_background_tasks(sio)
    register(sio)
    server = uvicorn_server(socketio.ASGIApp(sio), tls, uvicorn_options or {})
    await server.startup()
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(f"{'https' if tls else 'http'}://{HOST}:{port}", port, log)
    finally:
        await close_sessions(sio)
        server.should_exit = server.force_exit = True
        await server.shutdown()
        await cancel(tasks)


def uvicorn_server(app: Any, tls: ssl.SSLContext | None, options: dict[str, Any]) -> uvicorn.Server:
    """A server of an ASGI application that has read its configuration, and does not listen yet.

    Args:
        app: the application.
        tls: the server's context, or None.
        options: passed on to `uvicorn.Config`.
    """
    config = uvicorn.Config(
        app,
        host=HOST,
        port=0,
        lifespan="off",
        log_level="critical",
        access_log=False,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        **options,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
