"""The two servers of the course, over TLS on a free loopback port, and their certificates.

The servers are async context managers, so each runs where a loop runs: in a cell on the kernel's loop, or in the thread
of the bench. An exception of a handler goes to the server's log, and not to the cell that runs at the moment.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode

from midspan.errors import Refusal, need

if TYPE_CHECKING:  # half a second of imports, which a node with raw connections does not need
    import aiohttp
    import socketio
    import uvicorn
    from aiohttp import web


# A certificate authority for one session: TLS is real and verified, and no key is in the repository.
#
# An authority is in memory only, and ends with its process. A client trusts it through its context; verification is
# never switched off.


HOST = "127.0.0.1"  # never "localhost": it may resolve to ::1 first, where another server may listen
NAMES = (HOST, "localhost")


class Authority:
    """A certificate authority, and one certificate for this machine's loopback names."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="midspan, for one session")
        self._certificate = self._ca.issue_cert(*NAMES)

    @property
    def pem(self) -> bytes:
        """The certificate of the authority, for a client in another process."""
        return self._ca.cert_pem.bytes()

    @property
    def identity_pem(self) -> tuple[str, str]:
        """The server's key and certificate, for a server in another process. Never write them to a file."""
        chain = b"".join(blob.bytes() for blob in self._certificate.cert_chain_pems)
        return self._certificate.private_key_pem.bytes().decode(), chain.decode()

    @cached_property
    def server(self) -> ssl.SSLContext:
        """The context for a server on loopback; TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        return context

    @cached_property
    def client(self) -> ssl.SSLContext:
        """The context for a client: it trusts this authority only, and checks host names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        return context


# A server's connection that can handle a message in the call that reads it.
#
# `websockets` puts a message into a queue and wakes the task that waits in `recv`. The task runs in the next turn of
# the loop. This costs as much as the message itself. So a connection of this class first offers it to `at_once`:
#
#     async with serve(handler, HOST, 0, create_connection=DirectConnection): ...
#
# and in the handler: `connection.at_once = ...`
#
# The order of messages must not change. So a message is offered only while a task waits in `recv` and no message is in
# the queue. If `at_once` does not handle it, this message and all later ones go to `recv`, until `recv` waits again.
# The simulated link does the same.


BINARY, PING, PONG = Opcode.BINARY, Opcode.PING, Opcode.PONG  # constants, because access to an Enum is slow


class DirectConnection(ServerConnection):
    """As `websockets.asyncio.server.ServerConnection`, with `at_once`.

    Attributes:
        at_once: called with a binary message that came in one frame; returns whether it has handled it. It must not
            wait. `recv` raises what it raises. None: all messages go to `recv`.
    """

    __slots__ = ("_error", "_is_next", "at_once")  # so that the `__dict__` of a connection does not grow

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.at_once: Callable[[bytes], bool] | None = None
        self._is_next = False  # whether a task waits in `recv` for the next message
        self._error: Exception | None = None

    async def recv(self, decode: bool | None = None) -> Any:
        """The next message that `at_once` has not handled."""
        self._is_next = True
        try:
            message = await super().recv(decode)
        finally:
            self._is_next = False
        if self._error is not None:
            raise self._error
        return message

    def process_event(self, event: Any) -> None:
        """The library calls this for each frame."""
        if self._is_next:  # a task waits in `recv`: so the connection is open, and this is a frame
            kind = event.opcode
            if kind is BINARY and event.fin and self.at_once is not None:
                try:
                    if self.at_once(bytes(event.data)):
                        return
                except Exception as error:  # `recv` raises it
                    self._error = error
            if kind is not PING and kind is not PONG:  # ping and pong have no order
                self._is_next = False
        super().process_event(event)


# A client session of aiohttp that leaves no thread when it is closed.


def http_session(trust: ssl.SSLContext | None = None, **options: Any) -> aiohttp.ClientSession:
    """A session that resolves names with the system, in the loop's own threads. Use it in `async with`.

    aiohttp uses aiodns by default if it is installed, as JupyterHub does. Its library pycares starts a thread that
    does not end with session, resolver and loop.

    Args:
        trust: the context of its TLS connections; None: that of the system.
        options: passed on to `aiohttp.ClientSession`.
    """
    import aiohttp

    resolver = aiohttp.ThreadedResolver()
    connector = aiohttp.TCPConnector(ssl=True if trust is None else trust, resolver=resolver)
    return aiohttp.ClientSession(connector=connector, **options)


# The servers.


RawHandler: TypeAlias = Callable[[ServerConnection], Awaitable[None]]
Register: TypeAlias = Callable[[Any], None]  # the argument is a socketio.AsyncServer

SHUTDOWN_S = 1.0  # how long aiohttp waits for open requests at the end; a long poll would take up to 25 s


class Log(logging.Handler):
    """The last `KEPT` warnings and errors of one server, newest last."""

    KEPT = 200

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line: the message, and the exception if there is one."""
        error = record.exc_info[1] if record.exc_info else None
        because = f": {type(error).__name__}: {error}" if error is not None else ""
        self.lines.append(record.getMessage() + because)
        del self.lines[: -self.KEPT]

    def logger(self, name: str) -> logging.Logger:
        """A new logger, outside of the tree of named loggers, that writes to this log only."""
        logger = logging.Logger(name, logging.WARNING)
        logger.addHandler(self)
        return logger


@dataclass(frozen=True)
class Served:
    """A running server: its address and its log."""

    url: str
    port: int
    log: Log = field(default_factory=Log, repr=False)


@asynccontextmanager
async def raw_server(
    handler: RawHandler, tls: ssl.SSLContext | None, *, port: int = 0, **options: Any
) -> AsyncIterator[Served]:
    """Serve WebSocket connections (RFC 6455) with `websockets`.

    Args:
        handler: `async def handler(connection)`, called for each connection; the connection closes when it returns.
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
        finally:  # close also the connections of clients that have not answered in time
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
async def serve_app(
    app: web.Application, tls: ssl.SSLContext | None, *, port: int = 0, access_log: logging.Logger | None = None
) -> AsyncIterator[int]:
    """Serve an aiohttp application on loopback. Gives its port. It sets no signal handler."""
    from aiohttp import web

    runner = web.AppRunner(
        app, handle_signals=False, access_log=access_log, shutdown_timeout=SHUTDOWN_S, logger=app.logger
    )  # for exceptions of handlers: aiohttp would print them into the cell that runs at the moment
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def close_sessions(sio: socketio.AsyncServer) -> None:
    """Close every Engine.IO session, without waiting for the clients: some have closed already."""
    for session in list(sio.eio.sockets.values()):
        await session.close(wait=False, reason=sio.eio.reason.SERVER_DISCONNECT)
    await sio.shutdown()


def own_background_tasks(sio: socketio.AsyncServer) -> set[asyncio.Task[Any]]:
    """A set that always holds the server's background tasks: it leaves one for each client, which sleeps on."""
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


@asynccontextmanager
async def asgi_server(
    register: Register, tls: ssl.SSLContext | None, *, uvicorn_options: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve Socket.IO with python-socketio on uvicorn, on a free loopback port.

    uvicorn's own `serve` sets signal handlers for the process. So its parts are started here one by one.

    Args:
        register: `def register(sio)` adds the event handlers to a fresh `socketio.AsyncServer`.
        tls: the server's context, or None for plain `http://`.
        uvicorn_options: passed on to `uvicorn.Config` (`{"ws_ping_interval": 20}`).
        options: passed on to `socketio.AsyncServer` (`ping_interval`, ...).
    """
    import socketio

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
    """A uvicorn server for an ASGI application, with loaded configuration. It does not listen yet.

    Args:
        app: the application.
        tls: the server's context, or None.
        options: passed on to `uvicorn.Config`.
    """
    import uvicorn

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
