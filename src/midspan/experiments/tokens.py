"""Where a browser's client can show a token to a server, and whether it then stands in the server's access log."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web

from midspan.net.servers import HOST, http_session, serve_app

TOKEN = "token-of-ana"
WAYS: dict[str, dict[str, Any]] = {  # the ways of the token: in the request's line, in a header, in a message
    "in the address": {"query": f"?token={TOKEN}"},
    "in a cookie": {"headers": {"Cookie": f"session={TOKEN}"}},
    "as a subprotocol": {"protocols": ["chat.v1", TOKEN]},
    "in the first message": {"says": TOKEN},
}


async def token_in_log() -> dict[str, bool]:
    """Open a WebSocket to aiohttp for each of `WAYS`; return whether the token stands in its access log.

    The log has aiohttp's default format.
    """
    return {way: any(TOKEN in line for line in await access_log(**how)) for way, how in WAYS.items()}


async def access_log(query: str = "", says: str = "hello", **options: Any) -> list[str]:
    """The access log of one connection, on which the client says a message and hears it again.

    Args:
        query: what stands behind the path in the address.
        says: the message.
        options: passed to `ws_connect` of aiohttp.
    """
    logger, lines = logging.Logger("access", logging.INFO), _Lines()
    logger.addHandler(lines)
    app = web.Application()
    app.router.add_get("/", _echo)
    async with (
        serve_app(app, None, access_log=logger) as port,
        http_session() as http,
        http.ws_connect(f"http://{HOST}:{port}/{query}", **options) as connection,
    ):
        await connection.send_str(says)
        assert await connection.receive_str() == says
    return lines.kept


async def _echo(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(protocols=["chat.v1"])
    await connection.prepare(request)
    async for message in connection:
        await connection.send_str(message.data)
    return connection


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())
