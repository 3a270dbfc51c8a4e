"""python-socketio as an ASGI application, served by uvicorn: the other usual way to run it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio
import uvicorn

from midspan.wires.certs import HOST
from midspan.wires.servers import Log, Register, Served, cancel, hang_up, own_background_tasks


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
        await hang_up(sio)
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
