"""A page for a browser: its own WebSocket and the JavaScript Socket.IO, each beside what the tap sees of it.

    page = await bench.enter(live_page(bench))
    page

The page is served on a free loopback port, without TLS (see `net.tcp`), and works behind jupyter-server-proxy too:
it knows no address but its own.
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
SHOWN_LINES = 40  # of what each tap has seen, the newest
ABSENT = "The JavaScript Socket.IO is not here, so that half of it is quiet: run `make node`, then this cell again."


@dataclass(frozen=True)
class Page:
    """The page's address on this machine, and whether the JavaScript Socket.IO was found."""

    port: int
    has_client: bool

    @property
    def url(self) -> str:
        """For a browser on this machine."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def proxied(self) -> str:
        """Behind the address of the Jupyter server, for a browser anywhere else (jupyter-server-proxy)."""
        return f"proxy/{self.port}/"

    def __str__(self) -> str:
        where = f"A page for your browser: {self.url} (from another machine: {self.proxied} of your Jupyter server)"
        return where if self.has_client else f"{where}\n{ABSENT}"


@asynccontextmanager
@checked
async def live_page(bench: Bench, folder: Path | None = None) -> AsyncIterator[Page]:
    """Serve the page beside the bench's servers; what their taps saw before is forgotten.

    Args:
        bench: an open one.
        folder: where to look for Node's packages, there and in each folder above it; None for the current one.

    Raises:
        Refusal: no bench, or one that is not open.
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
    """The browser's build of socket.io-client, where Node would find the package from `folder`; None if nowhere."""
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
    """What the taps saw, as text; dissected again only when there is more."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self._endpoints = endpoints
        self._known: dict[str, Capture] = {}
        self._lines: dict[str, list[str]] = {}

    async def answer(self, _request: web.Request) -> web.Response:
        """JSON: the newest lines by endpoint."""
        for endpoint in self._endpoints:
            seen = endpoint.capture
            if self._known.get(endpoint.name) != seen:
                self._known[endpoint.name] = seen
                self._lines[endpoint.name] = list(dissect(seen).lines()[-SHOWN_LINES:])
        return web.json_response(self._lines)


def _https(endpoint: Endpoint) -> str:
    """aiohttp takes https for WebSockets too."""
    return endpoint.url.replace("wss:", "https:")
