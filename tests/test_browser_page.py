"""Chapter 02's page in a headless Chromium: both protocols beside the tap.

Here a browser reaches it on this machine; in test_browser as a learner elsewhere does, through JupyterLab.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from midspan.experiments.bench import Bench
from midspan.experiments.page import live_page
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
