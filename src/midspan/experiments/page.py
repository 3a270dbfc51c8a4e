"""A page for a browser, with its own WebSocket and the JavaScript Socket.IO, and what the tap sees of each.

    page = await bench.enter(live_page(bench))
    page

The page is served on a free loopback port, without TLS (see `net.tcp`). It works behind jupyter-server-proxy too, since
it uses no address except its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from aiohttp import web

from midspan.errors import checked
from midspan.experiments.bench import Bench, Endpoint
from midspan.net.servers import serve_app
from midspan.net.tcp import SOCKETS, Handler, close_relayed, relay
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
