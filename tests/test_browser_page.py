"""Chapter 02's page in a headless Chromium: both protocols beside the tap, and a foreign page that hijacks a socket.

Here a browser reaches it on this machine; in test_browser as a learner elsewhere does, through JupyterLab.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright
from websockets.asyncio.server import ServerConnection
from websockets.typing import Origin

from midspan.experiments.bench import Bench
from midspan.experiments.page import live_page
from midspan.net.servers import raw_server, serve_app
from tests.course import ROOT
from tests.lab_in_browser import CHROMIUM, FLAGS, kept, wait_for_helpers
from tests.loops import in_a_loop
from tests.node import needs_node

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `make test` installs one as root on Debian"),
]
PICTURES = ROOT / "results/browser"
LIMIT_MS = 30_000  # a bound, not an expectation
TEMPORARY = tempfile.gettempdir()  # a test's own folder has too long a path for the socket that Chromium keeps there


@asynccontextmanager
async def chromium() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        own: dict[str, str | float | bool] = {**os.environ, "TMPDIR": TEMPORARY}
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, env=own)
        page = await browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(LIMIT_MS)
        yield page
        await browser.close()
    wait_for_helpers()


@needs_node("socket.io-client")
@in_a_loop
async def test_both_kinds_of_messages_are_seen_live_beside_the_tap() -> None:
    """One press of the button: what the page says and hears on each side, and the very frames at the tap."""
    async with Bench() as bench, chromium() as page:
        live = await bench.enter(live_page(bench, ROOT))
        await page.goto(live.url)
        await page.get_by_text("connected, over websocket").wait_for()
        await page.get_by_role("button").click()
        raw, framework = page.locator("#raw"), page.locator("#socketio")
        await raw.locator(".page").get_by_text('hears ["typing_start",{"room":"a"},1]').wait_for()
        await framework.locator(".page").get_by_text('hears the answer {"room":"a"}').wait_for()
        await raw.locator(".tap").get_by_text('TEXT fin masked 31 bytes \'["typing_start",{"room":"a"},1]\'').wait_for()
        await framework.locator(".tap").get_by_text("3 ACK #0").wait_for()
        kept(await page.screenshot(full_page=True), PICTURES / "live_page.png")
        seen = str(await bench.socketio.exchange())
    assert "transport=polling" in seen
    assert '2 ping "probe"' in seen


@in_a_loop
async def test_without_nodes_packages_the_raw_half_works_and_the_other_says_why(tmp_path: Path) -> None:
    async with Bench() as bench, chromium() as page:
        live = await bench.enter(live_page(bench, tmp_path))
        await page.goto(live.url)
        await page.locator("#socketio").get_by_text("is not installed: run make node").wait_for()
        await page.get_by_role("button").click()
        await page.locator("#raw .page").get_by_text("hears").wait_for()


@in_a_loop
async def test_data_that_is_no_json_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with Bench() as bench, chromium() as page:
        live = await bench.enter(live_page(bench, tmp_path))
        await page.goto(live.url)
        await page.get_by_label("data", exact=True).fill("{room")
        await page.get_by_role("button").click()
        await page.get_by_text("The data must be JSON").wait_for()
        assert await page.locator("#raw .page li").count() == 0


# A foreign page. Ports are not part of what a cookie belongs to, so the browser sends Ana's cookie along.

ATTACK = """<script>
const socket = new WebSocket("{url}");
socket.onmessage = event => document.title = "stolen: " + event.data;
socket.onerror = () => document.title = "refused";
</script>"""


async def inbox(connection: ServerConnection) -> None:
    """Whoever has Ana's cookie gets her message."""
    who = connection.request.headers.get("Cookie", "") if connection.request else ""
    await connection.send("the message for Ana" if who == "session=ana" else "who are you?")
    await connection.wait_closed()


def site(html: str, **headers: str) -> web.Application:
    """A server with one page."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/", page)
    return app


@pytest.mark.parametrize(("checks", "title"), [(False, "stolen: the message for Ana"), (True, "refused")])
@in_a_loop
async def test_a_foreign_page_hijacks_the_socket_of_a_server_that_does_not_look_at_origin(
    checks: bool, title: str
) -> None:
    login = site("<p>logged in", **{"Set-Cookie": "session=ana; HttpOnly"})
    async with serve_app(login, None) as home_port, chromium() as page:
        own = Origin(f"http://127.0.0.1:{home_port}")
        options: dict[str, Any] = {"origins": [own]} if checks else {}
        async with (
            raw_server(inbox, None, **options) as chat,
            serve_app(site(ATTACK.format(url=chat.url)), None) as evil_port,
        ):
            await page.goto(own)
            await page.goto(f"http://127.0.0.1:{evil_port}")
            await page.wait_for_function(f"() => document.title === {json.dumps(title)}")
            await page.goto("about:blank")
