"""A page for a browser, with its own WebSocket and the JavaScript Socket.IO, and what the tap sees of each.

    page = await bench.enter(live_page(bench))
    page

The page is served on a free loopback port, without TLS (see `relay`). It works behind jupyter-server-proxy too, since
it uses no address except its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from midspan.errors import checked
from midspan.experiments.bench import Bench, Endpoint
from midspan.net.servers import serve_app
from midspan.net.tcp import until_one_ends
from midspan.protocols.capture import Capture
from midspan.protocols.dissecting import dissect

CLIENT = "node_modules/socket.io-client/dist/socket.io.min.js"
SHOWN_LINES = 40  # the newest lines of each tap
ABSENT = "The JavaScript Socket.IO is not here, so that half of it is quiet: run `make node`, then this cell again."


@dataclass(frozen=True)
class Page:
    """The page's address on this machine, and whether the JavaScript Socket.IO was found."""

    port: int
    has_client: bool

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def proxied(self) -> str:
        """The address below the Jupyter server's, for a browser on another machine (jupyter-server-proxy)."""
        return f"proxy/{self.port}/"

    def __str__(self) -> str:
        where = f"A page for your browser: {self.url} (from another machine: {self.proxied} of your Jupyter server)"
        return where if self.has_client else f"{where}\n{ABSENT}"


@asynccontextmanager
@checked
async def live_page(bench: Bench, folder: Path | None = None) -> AsyncIterator[Page]:
    """Serve the page beside the bench's servers; delete what their taps saw before.

    Args:
        bench: an open bench.
        folder: where to search for Node's packages, and in each folder above it; None for the current folder.

    Raises:
        Refusal: it is not a bench, or it is not open.
    """
    client = client_file(folder or Path.cwd())
    bench.raw.clear()
    bench.socketio.clear()
    async with bench.http_session() as session:
        app = web.Application()
        app[SOCKETS] = set()
        app.on_shutdown.append(close_relayed)
        app.router.add_get("/", _html())
        app.router.add_get("/client.js", _script(client))
        app.router.add_get("/seen", _Seen(bench.raw, bench.socketio).answer)
        app.router.add_get("/raw", relay(session, _https(bench.raw)))
        app.router.add_route("*", "/socket.io/", relay(session, _https(bench.socketio)))
        async with serve_app(app, None) as port:
            yield Page(port, client is not None)


def client_file(folder: Path) -> Path | None:
    """Find the browser's build of socket.io-client as Node would from `folder`; None if it is not installed."""
    found = (parent / CLIENT for parent in (folder, *folder.resolve().parents))
    return next((path for path in found if path.is_file()), None)


def _html() -> Handler:
    text = files("midspan.experiments").joinpath("page.html").read_text(encoding="utf-8")

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type="text/html")

    return answer


def _script(client: Path | None) -> Handler:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(client) if client else web.Response(status=404, text=ABSENT)

    return answer


class _Seen:
    """What the taps saw, as text; the bytes are read again only when there are more."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self._endpoints = endpoints
        self._known: dict[str, Capture] = {}
        self._lines: dict[str, list[str]] = {}

    async def answer(self, _request: web.Request) -> web.Response:
        """Return JSON: endpoint -> its newest lines."""
        for endpoint in self._endpoints:
            seen = endpoint.capture
            if self._known.get(endpoint.name) != seen:
                self._known[endpoint.name] = seen
                self._lines[endpoint.name] = list(dissect(seen).lines()[-SHOWN_LINES:])
        return web.json_response(self._lines)


def _https(endpoint: Endpoint) -> str:
    """Return the address with https, which aiohttp uses for WebSockets too."""
    return endpoint.url.replace("wss:", "https:")


# A relay: it takes HTTP requests and WebSocket messages without TLS, and forwards them over TLS.
#
# A browser does not trust the bench's authority, so it would refuse its certificates. It connects to a relay on
# loopback in place of the server. Messages pass unchanged; frames and heads are new. `Origin` and `Cookie` pass too.
# The relay adds the address that the browser has used, so that the server can distinguish its own pages from others.


Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Socket: TypeAlias = ClientWebSocketResponse | web.WebSocketResponse

# Headers that are forwarded. `Accept-Encoding` is not: the tap must show readable text.
FROM_CLIENT = ("Origin", "Cookie", "Content-Type", "Accept", "User-Agent")
FROM_SERVER = ("Content-Type", "Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])  # the open ones, to close them with the application
NOT_SENT = (None, 1005, 1006, 1015)  # close codes that no frame may carry (RFC 6455, section 7.4.1)


def relay(session: aiohttp.ClientSession, target: str) -> Handler:
    """A handler for `add_route` that forwards requests to `target`.

    Args:
        session: must trust the server's certificate.
        target: the https address of the server, without a path; the request's path and query are added.
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


async def close_relayed(app: web.Application) -> None:
    """For `app.on_shutdown`: close the open WebSockets; otherwise the server would wait for them."""
    still_open = app[SOCKETS]
    await asyncio.gather(*(here.close(code=1001) for here in list(still_open)))


async def _pass_socket(session: aiohttp.ClientSession, url: str, request: web.Request) -> web.StreamResponse:
    """Connect to the server first, so that its refusal can be the answer here."""
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
    """Forward messages in both directions until one side closes; then close the other with the same code."""
    await until_one_ends(_pump_messages(here, there), _pump_messages(there, here))
    code = here.close_code or there.close_code
    await asyncio.gather(*(side.close(code=1000 if code in NOT_SENT else code) for side in (here, there)))


async def _pump_messages(source: Socket, sink: Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)


def _heads(request: web.Request) -> dict[str, str]:
    kept = {name: request.headers[name] for name in FROM_CLIENT if name in request.headers}
    asked = {"Host": request.host, "Proto": request.scheme}  # headers of another proxy in front have priority
    return kept | {f"X-Forwarded-{what}": request.headers.get(f"X-Forwarded-{what}", to) for what, to in asked.items()}
