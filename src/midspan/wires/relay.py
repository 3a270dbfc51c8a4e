"""A relay: it takes HTTP requests and WebSocket messages without TLS, and passes them on over TLS.

A browser does not know the bench's authority, and would refuse its certificates. So it talks to a relay on loopback,
as it talks to a server behind jupyter-server-proxy: messages pass unchanged, frames and heads are made anew. What says
who asks (`Origin`, `Cookie`) passes too, and the relay adds which address the browser has asked, so that the server
behind it can still tell its own pages from foreign ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType, web

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Socket: TypeAlias = ClientWebSocketResponse | web.WebSocketResponse

# What passes. `Accept-Encoding` does not: at the tap we want to read.
FROM_CLIENT = ("Origin", "Cookie", "Content-Type", "Accept", "User-Agent")
FROM_SERVER = ("Content-Type", "Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])  # those that are open, to be closed with the application
NOT_SENT = (None, 1005, 1006, 1015)  # close codes that no frame may carry (RFC 6455, section 7.4.1)


def relay(session: aiohttp.ClientSession, target: str) -> Handler:
    """A handler for `add_route`, which passes requests on to `target` (an https address and nothing behind it).

    Args:
        session: trusts the server's certificate.
        target: where the server is; the request's path and query are kept.
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        url = target + request.path_qs
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await _pass_socket(session, url, request)
        async with session.request(
            request.method, url, headers=_heads(request), data=await request.read() or None
        ) as answer:
            heads = [(name, value) for name in FROM_SERVER for value in answer.headers.getall(name, [])]
            response = web.Response(status=answer.status, body=await answer.read())
            response.headers.extend(heads)
            return response

    return handler


async def hang_up(app: web.Application) -> None:
    """For `app.on_shutdown`: close the WebSockets that are still open, or the server would wait for them."""
    still_open = app[SOCKETS]
    await asyncio.gather(*(here.close(code=1001) for here in list(still_open)))


async def _pass_socket(session: aiohttp.ClientSession, url: str, request: web.Request) -> web.StreamResponse:
    """Connect onwards first: a refusal there is the answer here."""
    names = request.headers.get("Sec-WebSocket-Protocol", "")
    protocols = [name.strip() for name in names.split(",") if name.strip()]
    try:
        there = await session.ws_connect(url, headers=_heads(request), protocols=protocols)
    except aiohttp.WSServerHandshakeError as refused:
        return web.Response(status=refused.status)
    here = web.WebSocketResponse(protocols=[there.protocol] if there.protocol else (), compress=False)
    try:
        await here.prepare(request)
        request.app[SOCKETS].add(here)
        await _both_ways(here, there)
    finally:
        request.app[SOCKETS].discard(here)
        await there.close()
    return here


async def _both_ways(here: Socket, there: Socket) -> None:
    """Pass messages both ways until one side closes; then close the other with the same code."""
    pumps = [asyncio.create_task(_pump(here, there)), asyncio.create_task(_pump(there, here))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    code = here.close_code or there.close_code
    await asyncio.gather(*(side.close(code=1000 if code in NOT_SENT else code) for side in (here, there)))


async def _pump(source: Socket, sink: Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)


def _heads(request: web.Request) -> dict[str, str]:
    kept = {name: request.headers[name] for name in FROM_CLIENT if name in request.headers}
    asked = {"Host": request.host, "Proto": request.scheme}  # another proxy in front may know better
    return kept | {f"X-Forwarded-{what}": request.headers.get(f"X-Forwarded-{what}", to) for what, to in asked.items()}
