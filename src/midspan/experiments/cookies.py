"""Two sites in one browser: which cookies of the chat come with a WebSocket that a page opens?

    pages = await bench.enter(cookie_pages())
    pages

For a browser `127.0.0.1` and `localhost` are two sites, and all ports of one of them are one site. The servers have no
TLS: a browser does not trust our authority, and Chromium accepts `Secure` cookies of this machine without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from midspan.net.servers import HOST, serve_app

COOKIES = {  # what the chat's page sets, by its SameSite
    "None": "SameSite=None; Secure",
    "not given": "",
    "Lax": "SameSite=Lax",
    "Strict": "SameSite=Strict",
}
OWN, NEIGHBOUR, OTHER = "the chat's own page", "another port, same site", "another site"
BLOCKED = "another site, with third-party cookies blocked"
# What came in Chromium 156. tests/test_browser_cookies.py asks the browser again.
COOKIES_THAT_CAME = {OWN: tuple(COOKIES), NEIGHBOUR: tuple(COOKIES), OTHER: ("None",), BLOCKED: ()}
HTML = """<!doctype html><meta charset="utf-8"><title>Which cookies come?</title>
<h1>{title}</h1><p>This page has opened a WebSocket to the chat. These cookies came with it, by their SameSite:</p>
<p><output></output></p><p>{links}</p><script>
new WebSocket("ws://{chat}socket").onmessage = event => document.querySelector("output").textContent = event.data;
</script>"""


@dataclass(frozen=True)
class CookiePages:
    """Three pages, and what came with the WebSocket that each opened.

    Attributes:
        addresses: the address of each page. The chat's own page sets the cookies, so it comes first.
        came: for each page that a browser has opened, the cookies that came, by their SameSite.
    """

    addresses: dict[str, str]
    came: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(f"{page}: {address}" for page, address in self.addresses.items())

    __repr__ = __str__


@asynccontextmanager
async def cookie_pages() -> AsyncIterator[CookiePages]:
    """Serve the three pages and the chat on free ports of this machine, without TLS."""
    site = _Site()
    chat, visitor = web.Application(), web.Application()
    chat.router.add_get("/", site.own_page)
    chat.router.add_get("/socket", site.socket)
    visitor.router.add_get("/", site.page)
    async with serve_app(chat, None) as own_port, serve_app(visitor, None) as port:
        addresses = {OWN: f"{HOST}:{own_port}", NEIGHBOUR: f"{HOST}:{port}", OTHER: f"localhost:{port}"}
        site.pages.addresses.update({page: f"http://{address}/" for page, address in addresses.items()})
        yield site.pages


class _Site:
    """What the servers answer."""

    def __init__(self) -> None:
        self.pages = CookiePages({})

    async def page(self, request: web.Request) -> web.Response:
        """The page of any of the three addresses."""
        addresses = self.pages.addresses
        links = " | ".join(f'<a href="{address}">{title}</a>' for title, address in addresses.items())
        chat = addresses[OWN].removeprefix("http://")
        html = HTML.format(title=self._page_of(f"http://{request.host}"), chat=chat, links=links)
        return web.Response(text=html, content_type="text/html")

    async def own_page(self, request: web.Request) -> web.Response:
        """The chat's page, which sets the cookies."""
        response = await self.page(request)
        for name, how in COOKIES.items():
            response.headers.add("Set-Cookie", f"{_cookie(name)}=ana; {how}".rstrip("; "))
        return response

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """The chat's WebSocket. It does not check `Origin`, and sends the cookies that came."""
        came = tuple(name for name in COOKIES if _cookie(name) in request.cookies)
        self.pages.came[self._page_of(request.headers.get("Origin", ""))] = came
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await connection.send_str(", ".join(came) or "none")
        await connection.close()
        return connection

    def _page_of(self, origin: str) -> str:
        found = (page for page, address in self.pages.addresses.items() if address == f"{origin}/")
        return next(found, "a page of another address")


def _cookie(name: str) -> str:
    """Its name in the browser, which keeps cookies of other programs on this machine for these addresses too."""
    return f"midspan-{name.replace(' ', '-')}"
