"""Chapter 05 states its claims, leaves no row of them out, and asks several at once."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import socketio

from midspan import conclusions
from midspan.benchmark import Events, Idle, ServerWork, Several, contenders, node_contenders, paired
from midspan.benchmark.statistics import WIDE
from midspan.conclusions.verdicts import CLAIMS, Conclusion
from midspan.errors import Refusal
from midspan.experiments.clusters import cluster
from midspan.experiments.fan_outs import fan_out, megaphone, megaphone_socketio
from midspan.net.servers import HOST, Authority, asgi_server
from midspan.net.taps import tap
from midspan.protocols.dissecting import dissect
from tests.course import Notebook, calls, found, questions_with_asserted_scores, words
from tests.loops import in_a_loop
from tests.node import needs_node

ROWS = {  # of the claims on trial in this chapter, as the curriculum lists them
    "M4": {"more bytes", "more CPU", "protocol code of our own"},
    "O1": {""},
    "O2": {"less framing", "lower CPU per message", "smaller memory per connection", "a lower latency floor"},
    "O3": {"metadata", "allocations", "per-message work", "slightly higher latency"},
    "O4": {"not slow", "performance for guarantees"},
    "S1": {"fan-out"},  # the other rows are in chapter 04
}
FEW = Events(events=40, connections=2, at_once=2)
SOURCE_WIDE = 110  # characters of code that JupyterLab shows beside its side bar, 1280 pixels wide


def chapter() -> Notebook:
    (notebook,) = (notebook for notebook in found("notebooks") if notebook.path.stem == "05_overhead")
    return notebook


@pytest.mark.parametrize("claim", ROWS)
def test_every_row_of_a_claim_has_its_verdict(claim: str) -> None:
    names = [words(call.args[0]) for cell in chapter().code for call in calls(cell, "verdict")]
    drawn: list[Conclusion] = [getattr(conclusions, name) for name in names]
    assert {one.row for one in drawn if one.claim == claim} == ROWS[claim]
    assert {one.claim for one in drawn} == ROWS.keys()


@pytest.mark.parametrize("claim", ROWS)
def test_every_claim_is_stated_in_words_before_its_first_verdict(claim: str) -> None:
    """The learner reads the sentence, not only the id."""
    sentence = CLAIMS[claim].partition(": ")[2] or CLAIMS[claim]
    first_words = sentence.lower().split(",")[0]
    before = []
    for cell in chapter().cells:
        names = [words(call.args[0]) for call in calls(cell, "verdict")] if cell.is_code else []
        if any(getattr(conclusions, name).claim == claim for name in names):
            break
        before.append(cell.source.lower().replace("*", ""))
    assert first_words in "\n".join(before)


def test_every_prediction_is_scored_by_what_ran() -> None:
    assert len(questions_with_asserted_scores(chapter())) >= 10


def test_what_varies_is_shown_and_not_compared() -> None:
    """A cell that measures time or memory stores its outputs, and nbval passes over them."""
    for cell in chapter().code:
        if any(next(calls(cell, name), None) for name in ("paired", "deflated")):
            assert "nbval-ignore-output" in cell.tags, cell.source


def test_no_stored_output_is_wider_than_a_page() -> None:
    """JupyterLab breaks a longer line, and a table is none any more."""
    outputs = [output for cell in chapter().code for output in cell.outputs]
    texts = ["".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in outputs]
    lines = [line for text in texts for line in text.splitlines()]
    assert len(lines) > 100
    assert [line for line in lines if len(line) > WIDE] == []


def test_no_line_of_code_is_wider_than_a_page() -> None:
    """A code cell does not break a longer line: it is cut at the page's edge."""
    lines = [line for cell in chapter().code for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > SOURCE_WIDE] == []


@in_a_loop
async def test_several_questions_stand_in_one_row() -> None:
    probe = Several(FEW, ServerWork(events=10), Idle(2, 22))
    run = await paired([contenders.WEBSOCKETS_ECHO], probe, rounds=1, tls=False, warm_up=8)
    assert probe.connections == 2
    assert {"cpu_us", "p50_us", "wire_bytes", "tasks", "calls", "blocks", "kib"} <= {*run.measured}
    assert run.median("websockets echo", "kib") > 1
    assert run.median("websockets echo", "tasks") == 0


@needs_node("socket.io")
@in_a_loop
async def test_a_server_that_is_no_python_is_not_looked_into() -> None:
    run = await paired([node_contenders()[0]], Several(FEW, ServerWork()), rounds=1, tls=False, warm_up=1)
    assert {"cpu_us", "tasks"} & {*run.measured} == {"cpu_us"}


@pytest.mark.parametrize("probes", [(), (Idle(), Events())])
def test_questions_that_cannot_be_asked_together_are_refused(probes: tuple[Events | Idle, ...]) -> None:
    with pytest.raises(Refusal):
        Several(*probes)


WAYS = {"encode each": (megaphone, "encode each"), "emit": (megaphone_socketio, "emit")}


@in_a_loop
async def test_each_way_of_a_fan_out_reaches_all_and_counts_its_encoder() -> None:
    async with cluster("a", "b", authority=Authority()) as nodes:
        (first, second) = await fan_out(nodes, WAYS, receivers=20, rounds=2)
    for costs in (first, second):
        assert {way: one.encoder_calls for way, one in costs.items()} == {"encode each": 20, "emit": 1}
        assert all(one.cpu_ms > 0 for one in costs.values())


@in_a_loop
async def test_a_fan_out_without_a_node_or_a_receiver_is_refused() -> None:
    good: dict[str, Any] = {"ways": {"emit": (megaphone, "broadcast")}, "receivers": 1, "rounds": 1}
    bad: tuple[dict[str, Any], ...] = ({"receivers": 0}, {"rounds": 0}, {"ways": {}}, {"ways": WAYS})
    async with cluster("a", authority=Authority()) as nodes:
        for changed in bad:
            with pytest.raises(Refusal):
                await fan_out(nodes, **(good | changed))


@pytest.mark.parametrize("asked_for", [True, False])
@in_a_loop
async def test_uvicorn_sends_pings_of_its_own_unless_told_not_to(asked_for: bool) -> None:
    """Seen on the wire: the second heartbeat that chapter 05 counts, and the argument that ends it."""
    authority = Authority()
    options = {"ws_ping_interval": 0.05 if asked_for else None}
    serving = asgi_server(lambda _sio: None, authority.server, ping_interval=1, uvicorn_options=options)
    async with serving as served, tap(served.port, authority) as seen:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=authority.client)) as http:
            client = socketio.AsyncClient(http_session=http, reconnection=False)
            await client.connect(f"https://{HOST}:{seen.port}", transports=["websocket"])
            async with asyncio.timeout(20):
                while "2 ping" not in str(dissect(seen.capture)):  # noqa: ASYNC110 (a tap tells nobody)
                    await asyncio.sleep(0.02)
            await client.disconnect()
        lines = [sighting.what for sighting in dissect(await seen.settled()).frames()]
    assert any("2 ping" in line for line in lines)
    assert any(line.startswith("PING") for line in lines) == asked_for
