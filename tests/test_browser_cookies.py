"""Which cookies a headless Chromium sends with a WebSocket, and when a page of another site reads Ana's messages."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright
from websockets.asyncio.server import ServerConnection
from websockets.typing import Origin

from midspan.experiments.cookies import (
    BLOCKED,
    COOKIES,
    COOKIES_THAT_CAME,
    NEIGHBOUR,
    OTHER,
    OWN,
    CookiePages,
    cookie_pages,
)
from midspan.net.servers import HOST, raw_server, serve_app
from tests.lab_in_browser import CHROMIUM, FLAGS, wait_for_helpers
from tests.loops import in_a_loop
from tests.test_browser_page import LIMIT_MS, TEMPORARY

pytestmark = pytest.mark.timeout(180)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `make test` installs one on Debian")
MODES = {"allowed": 0, "blocked": 1}  # third-party cookies, as the browser's settings store it
CAME = "() => document.querySelector('output').textContent"


def set_up(profile: Path, third_party_cookies: str) -> None:
    settings = profile / "Default" / "Preferences"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"profile": {"cookie_controls_mode": MODES[third_party_cookies]}}))


@asynccontextmanager
async def browsing(third_party_cookies: str) -> AsyncIterator[Page]:
    """A page in a window that is not private, with this setting."""
    own: dict[str, str | float | bool] = {**os.environ, "TMPDIR": TEMPORARY}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        set_up(Path(folder), third_party_cookies)
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                folder, executable_path=CHROMIUM, args=FLAGS, env=own
            )
            page = await context.new_page()
            page.set_default_timeout(LIMIT_MS)
            yield page
            await page.goto("about:blank")
            await context.close()
        wait_for_helpers()


async def came(pages: CookiePages, page: Page, title: str) -> tuple[str, ...]:
    """Open one of the pages: the cookies that came with its WebSocket. The page shows the same."""
    await page.goto(pages.addresses[title])
    await page.wait_for_function(CAME)
    assert await page.locator("output").text_content() == (", ".join(pages.came[title]) or "none")
    return pages.came[title]


@needs_chromium
@in_a_loop
async def test_the_browser_sends_what_is_recorded() -> None:
    """From each page of its own site all cookies; from another site the one with SameSite=None alone."""
    async with cookie_pages() as pages, browsing("allowed") as page:
        assert await came(pages, page, OTHER) == ()  # before the chat's page has set any: the control
        assert {title: await came(pages, page, title) for title in (OWN, NEIGHBOUR, OTHER)} | {
            BLOCKED: COOKIES_THAT_CAME[BLOCKED]
        } == COOKIES_THAT_CAME
    assert set(COOKIES_THAT_CAME[OTHER]) < set(COOKIES)


@needs_chromium
@in_a_loop
async def test_where_third_party_cookies_are_blocked_none_comes() -> None:
    async with cookie_pages() as pages, browsing("blocked") as page:
        assert {title: await came(pages, page, title) for title in (OWN, OTHER)} == {
            OWN: COOKIES_THAT_CAME[OWN],
            OTHER: COOKIES_THAT_CAME[BLOCKED],
        }


@in_a_loop
async def test_the_cookies_say_what_their_names_say() -> None:
    """What the chat's page sets, and that another port's page sets nothing."""
    async with cookie_pages() as pages, aiohttp.ClientSession() as http:
        own, neighbour = [(await http.get(pages.addresses[title])).headers for title in (OWN, NEIGHBOUR)]
        given = own.getall("Set-Cookie")
        assert "Set-Cookie" not in neighbour
    assert given == [
        "midspan-None=ana; SameSite=None; Secure",
        "midspan-not-given=ana",
        "midspan-Lax=ana; SameSite=Lax",
        "midspan-Strict=ana; SameSite=Strict",
    ]
    assert str(pages).count("http://") == 3


# The attack of section 6: Ana was at the chat, and then opens a page of another site.

ATTACK = """<script>
const socket = new WebSocket("{url}");
socket.onmessage = event => document.title = "read: " + event.data;
socket.onerror = () => document.title = "refused";
</script>"""


async def inbox(connection: ServerConnection) -> None:
    """A client with Ana's cookie gets her message."""
    cookies = connection.request.headers.get("Cookie", "") if connection.request else ""
    await connection.send("the message for Ana" if "session=ana" in cookies else "who are you?")
    await connection.wait_closed()


def site(html: str, **headers: str) -> web.Application:
    """A server with one page."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/", page)
    return app


@pytest.mark.parametrize(
    ("cookie", "host", "checks", "title"),
    [
        ("SameSite=None; Secure", "localhost", False, "read: the message for Ana"),
        ("SameSite=None; Secure", "localhost", True, "refused"),
        ("SameSite=Strict", "localhost", False, "read: who are you?"),
        ("SameSite=Strict", HOST, False, "read: the message for Ana"),  # another port of the same site
        ("SameSite=Strict", HOST, True, "refused"),
    ],
)
@needs_chromium
@in_a_loop
async def test_origin_stops_a_page_that_samesite_lets_through(cookie: str, host: str, checks: bool, title: str) -> None:
    login = site("<p>logged in", **{"Set-Cookie": f"session=ana; HttpOnly; {cookie}"})
    async with serve_app(login, None) as home_port, browsing("allowed") as page:
        own = Origin(f"http://{HOST}:{home_port}")
        options: dict[str, Any] = {"origins": [own]} if checks else {}
        async with (
            raw_server(inbox, None, **options) as chat,
            serve_app(site(ATTACK.format(url=chat.url)), None) as evil_port,
        ):
            await page.goto(own)
            await page.goto(f"http://{host}:{evil_port}")
            await page.wait_for_function(f"() => document.title === {json.dumps(title)}")
            await page.goto("about:blank")
