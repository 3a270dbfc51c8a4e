"""Lab 2's WebSocket layer is lab 1: the learner's own answers where they pass, and what lab 2 adds to its server."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from midspan.errors import Refusal
from midspan.grading import notebooks
from midspan.labs.lab2_events import Closed, serve_websocket, websocket_layer
from midspan.net.servers import HOST
from tests.course import ROOT
from tests.lab2 import SOON_S
from tests.loops import in_a_loop

LAB = "lab1_framing"
SOLUTION = re.compile("### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's lab 1, in a course of its own; not there yet."""
    for folder in ("solutions", "labs"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "solutions" / f"{LAB}.ipynb", tmp_path / "solutions")
    monkeypatch.setenv("MIDSPAN_COURSE", str(tmp_path))
    return tmp_path / "labs" / f"{LAB}.ipynb"


def handed_in(paper: Path, *, solved: Callable[[str], bool], old: str = "", new: str = "") -> None:
    """Write the learner's notebook: these steps are solved, the others unwritten; `old` became `new`."""
    reference = notebooks.read(notebooks.solution(LAB))
    changed = 0
    for cell in reference["cells"]:
        if notebooks.kind_of(cell) == "exercise":
            source = notebooks.source_of(cell)
            if not solved(notebooks.grade_id_of(cell)):
                source = SOLUTION.sub("raise NotImplementedError()", source)
            changed += source.count(old) if old else 0
            cell["source"] = source.replace(old, new) if old else source
    assert changed == bool(old)
    paper.write_text(json.dumps(reference), "utf-8")


def all_steps(_: str) -> bool:
    return True


@asynccontextmanager
async def served(handler: Any, **named: Any) -> AsyncIterator[str]:
    """A server with this handler, and the address of a client's WebSocket."""
    async with await serve_websocket(handler, HOST, 0, None, **named) as server:
        yield f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/chat?a=b"


async def echo(connection: Any) -> None:
    async for message in connection:
        await connection.send(message)


# --- whose lab 1


def test_without_a_notebook_the_reference_stands_in(paper: Path) -> None:
    layer = websocket_layer()
    assert (layer.mine, layer.others[0], layer.others[-1]) == ((), "accept_key", "serve")
    assert f"labs/{paper.name} is not there" in str(layer)
    paper.write_text("{", "utf-8")
    assert "cannot be used. Expected a notebook, a file of JSON" in str(websocket_layer())


@in_a_loop
async def test_a_solved_lab_1_carries_lab_2(paper: Path) -> None:
    handed_in(paper, solved=all_steps)
    layer = websocket_layer()
    assert (layer.mine[-1], layer.others) == ("serve", ())
    async with served(echo) as url, connect(url) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


@in_a_loop
async def test_the_learners_own_code_answers(paper: Path) -> None:
    """Seen in a response that is right, and not the reference's."""
    handed_in(paper, solved=all_steps, old="HTTP/1.1 101 Switching Protocols", new="HTTP/1.1 101 My Own")
    assert "answer_request" in websocket_layer().mine
    async with served(echo) as url:
        reader, writer = await asyncio.open_connection(*url.split("/")[2].split(":"))
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
        writer.write(
            f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n\r\n".encode()
        )
        assert await reader.readline() == b"HTTP/1.1 101 My Own\r\n"
        writer.transport.abort()


def test_a_step_that_is_wrong_or_unwritten_is_the_references(paper: Path) -> None:
    handed_in(paper, solved=lambda step: step != "serve")
    layer = websocket_layer()
    assert layer.others == ("serve",)
    assert str(layer).endswith("the reference's: serve")
    handed_in(paper, solved=all_steps, old=".digest()", new=".hexdigest()")
    assert websocket_layer().others == ("accept_key",)


# --- what lab 2 adds


@in_a_loop
async def test_a_request_is_refused_before_there_is_a_websocket() -> None:
    asked = []

    def refuse(target: str, upgrade: bool) -> tuple[int, dict[str, Any]] | None:
        asked.append((target, upgrade))
        return (404, {"code": 3}) if len(asked) == 1 else None

    async with served(echo, refuse=refuse) as url, served(echo) as other:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
        async with connect(url), connect(other):
            pass
    assert (refused.value.response.status_code, refused.value.response.body) == (404, b'{"code": 3}')
    assert asked == [("/chat?a=b", True)] * 2


@in_a_loop
async def test_a_question_that_fails_is_answered_with_500() -> None:
    async with served(echo, refuse=lambda *_: 1 / 0) as url:
        with pytest.raises(InvalidStatus, match="500"):
            await connect(url)


@in_a_loop
async def test_another_task_may_close_while_one_reads() -> None:
    closes = []

    async def handler(connection: Any) -> None:
        closing = asyncio.create_task(connection.close(4000, "half \ud800"))
        async for _ in connection:
            pass
        await closing
        with pytest.raises(Closed):
            await connection.send("too late")
        closes.append("ended")

    async with served(handler) as url, connect(url) as client:
        async with asyncio.timeout(SOON_S):
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason, closes) == (4000, "half ?", ["ended"])


@in_a_loop
async def test_a_client_that_answers_no_close_is_cut() -> None:
    ended = asyncio.Event()

    async def handler(connection: Any) -> None:
        closing = asyncio.create_task(connection.close(4000))
        async for _ in connection:
            pass
        await closing
        ended.set()

    async with served(handler, close_s=0.05) as url:
        client = await connect(url, max_queue=1)
        client.transport.pause_reading()
        async with asyncio.timeout(SOON_S):
            await ended.wait()
        client.transport.abort()


@pytest.mark.parametrize(
    "wrong",
    [{"handler": None}, {"host": 1}, {"port": "x"}, {"tls": "x"}, {"refuse": 3}, {"max_size": "x"}, {"close_s": -1.0}],
    ids=lambda wrong: next(iter(wrong)),
)
@in_a_loop
async def test_bad_arguments_are_refused_in_a_sentence(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="for `"):
        await serve_websocket(**{"handler": echo, **wrong})
