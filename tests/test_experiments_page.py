"""The live page's server: what it serves, what it passes on, whom it turns away, and that it leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
import socketio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from midspan.errors import Refusal
from midspan.experiments.bench import Bench
from midspan.experiments.page import ABSENT, CLIENT, Page, client_file, live_page
from midspan.pictures.outputs import browser
from tests.loops import in_a_loop


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder below one with Node's package in it."""
    file = tmp_path / CLIENT
    file.parent.mkdir(parents=True)
    file.write_text("// the JavaScript client")
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def ws(page: Page) -> str:
    return page.url.replace("http", "ws") + "raw"


@in_a_loop
async def test_the_page_its_script_and_what_the_taps_saw(packages: Path) -> None:
    async with Bench() as bench:
        page = await bench.enter(live_page(bench, packages))
        async with aiohttp.ClientSession() as http:
            bodies = [await (await http.get(page.url + path)).text() for path in ("", "client.js", "seen")]
        assert "<title>" in bodies[0]
        assert bodies[1] == "// the JavaScript client"
        assert json.loads(bodies[2]) == {"raw": [], "socketio": []}
        assert str(page).count("\n") == 0


@in_a_loop
async def test_without_nodes_package_the_page_is_there_and_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    async with Bench() as bench:
        page = await bench.enter(live_page(bench, tmp_path))
        async with aiohttp.ClientSession() as http:
            assert (await http.get(page.url)).status == 200
            assert (await http.get(page.url + "client.js")).status == 404
        assert str(page).splitlines()[1] == ABSENT


@pytest.mark.parametrize("bench", [None, "bench", Bench])
def test_what_is_no_bench_is_refused(bench: object) -> None:
    with pytest.raises(Refusal, match="bench"):
        live_page(bench)  # type: ignore[arg-type]  # what a learner may pass


@in_a_loop
async def test_a_bench_that_is_not_open_is_refused() -> None:
    with pytest.raises(Refusal, match="an open bench"):
        async with live_page(Bench()):
            pass


def test_the_package_is_found_where_node_would_find_it(packages: Path) -> None:
    assert client_file(packages) == packages.parent / CLIENT
    assert client_file(packages.parent.parent) is None


@in_a_loop
async def test_a_raw_message_passes_both_ways_and_the_tap_sees_it(tmp_path: Path) -> None:
    async with Bench() as bench:
        page = await bench.enter(live_page(bench, tmp_path))
        async with connect(ws(page)) as client:
            for message in ("hello", b"\x00\xff"):
                await client.send(message)
                assert await client.recv() == message
        async with aiohttp.ClientSession() as http:
            seen = await (await http.get(page.url + "seen")).json()
    assert any('TEXT fin masked 5 bytes "hello"' in line for line in seen["raw"])


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
@in_a_loop
async def test_socketio_passes_over_each_transport(transports: list[str], tmp_path: Path) -> None:
    async with Bench() as bench:
        page = await bench.enter(live_page(bench, tmp_path))
        async with aiohttp.ClientSession() as http:
            client = socketio.AsyncClient(http_session=http, reconnection=False)
            await client.connect(page.url, transports=transports)
            assert await client.call("typing_start", {"room": b"\x01"}, timeout=5) == {"room": b"\x01"}
            assert client.transport() == transports[-1]
            if transports == ["polling"]:
                await bench.close()  # its own disconnect on polling takes half a minute
                await client.wait()
            else:
                await client.disconnect()


@in_a_loop
async def test_close_codes_pass() -> None:
    async def closes(connection: ServerConnection) -> None:
        await connection.close(4321, "as told")

    async with Bench(raw=closes) as bench:
        page = await bench.enter(live_page(bench))
        async with connect(ws(page)) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
    assert client.close_code == 4321


@in_a_loop
async def test_subprotocols_and_a_refusal_of_them_pass() -> None:
    async with Bench(raw_options={"subprotocols": ["chat.v2"]}) as bench:
        page = await bench.enter(live_page(bench))
        async with connect(ws(page), subprotocols=[Subprotocol("chat.v1"), Subprotocol("chat.v2")]) as client:
            assert client.subprotocol == "chat.v2"
        with pytest.raises(InvalidStatus, match="400"):
            await connect(ws(page), subprotocols=[Subprotocol("chat.v9")])


@in_a_loop
async def test_the_server_behind_still_tells_its_own_page_from_a_foreign_one(tmp_path: Path) -> None:
    """python-socketio's default lets in pages of the address that the browser asked, also behind the relay."""
    async with Bench() as bench:
        page = await bench.enter(live_page(bench, tmp_path))
        url = page.url.replace("http", "ws") + "socket.io/?EIO=4&transport=websocket"
        async with connect(url, origin=Origin(page.url.rstrip("/"))) as client:
            assert str(await client.recv()).startswith("0{")
        with pytest.raises(InvalidStatus, match="400"):
            await connect(url, origin=Origin("https://evil.example"))


@in_a_loop
async def test_a_page_that_stays_open_does_not_keep_the_bench(tmp_path: Path) -> None:
    async with Bench() as bench:
        page = await bench.enter(live_page(bench, tmp_path))
        client = await connect(ws(page))
        left = await bench.close()
        await client.wait_closed()
    assert left.nothing
    assert left.cancelled == ()
    assert client.close_code == 1001


def test_the_frame_asks_the_jupyter_server_first_and_has_words_and_an_address() -> None:
    html = browser(Page(4242, has_client=False))
    assert "proxy/4242/" in html
    assert 'href="http://127.0.0.1:4242/"' in html
    assert "make node" in html
