"""Lab 3's reference: it holds under every fault that we know, on both links, in bounded memory."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

from midspan.errors import Refusal
from midspan.labs.lab3_failure import implementation_of
from midspan.net.servers import HOST, Authority, raw_server
from midspan.simulation import PREDICATES, Bounds, Cut, Trigger, judge, play, search, search_all, simple
from midspan.simulation.tls import search_real
from tests.loops import in_jumping_time
from tests.solved import LAB3

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

SEEDS = range(1200)  # 10,000 were played by hand
REAL_SEEDS = range(25)  # 200 were played by hand
MESSAGES = 10_000  # 100,000 were sent by hand


def test_nothing_is_violated_and_everything_is_tested() -> None:
    findings = search(LAB3.reference, SEEDS)
    assert findings.outcomes["violated"] == 0, str(findings)
    assert findings.outcomes["holds"] > 0.8 * len(SEEDS)
    assert all(findings.verdicts[name, "holds"] for name in PREDICATES), "a predicate that nothing tested"


def test_every_placement_of_two_cuts() -> None:
    """The lab itself tries four messages of one client; here are fewer messages, and a second client."""
    for messages, clients, cuts in ((1, ("a",), 2), (2, ("a",), 2), (3, ("a", "b"), 1)):
        findings = search_all(LAB3.reference, messages, clients, cuts)
        assert findings.outcome == "holds", str(findings)


def test_the_same_on_real_wss() -> None:
    findings = search_real(LAB3.reference, REAL_SEEDS)
    assert findings.outcome == "holds", str(findings)
    assert findings.runs == len(REAL_SEEDS)


OPENINGS = (b"", b"HTTP/1.1 101 Swit", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


@in_jumping_time
async def test_without_our_bench_it_survives_what_breaks_while_it_opens() -> None:
    """`websockets.connect` itself: to a port that hangs up unasked, in mid-answer, answers 502, then to a server."""
    authority, answers = Authority(), list(OPENINGS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        writer.close()

    async def not_you(connection: ServerConnection) -> None:
        await connection.close(4401)

    async def session(connection: Any) -> None:
        await connection.recv()

    async with (
        raw_server(not_you, authority.server) as served,
        await asyncio.start_server(answer, HOST, 0, ssl=authority.server) as listener,
    ):
        dying = f"wss://{HOST}:{listener.sockets[0].getsockname()[1]}"
        client = SimpleNamespace(attempt=0, rng=random.Random(1), session=session)
        client.connect = lambda: connect(dying if answers else served.url, ssl=authority.client, proxy=None)
        async with asyncio.timeout(30):
            await LAB3.answers().stay_connected(client)
    assert client.attempt == len(OPENINGS)


def test_many_messages_leave_nothing_behind() -> None:
    """Buffers and tables stay within their bounds while the link is cut now and then."""
    cuts = tuple(Cut(Trigger("ab"[i % 2], "up", 500 + 997 * i)) for i in range(MESSAGES // 2500))
    history = play(LAB3.reference, simple(MESSAGES, ("a", "b"), gap_s=0.02, faults=cuts))
    wrong = [str(verdict) for verdict in judge(history).values() if verdict.outcome == "violated"]
    assert wrong == []
    sizes = {(record.who, record.detail): record.value for record in history if record.what == "size"}
    bounds = Bounds()
    assert sizes["server", "replay"] == bounds.replay
    assert sizes["server", "dedupe"] == 2, "one entry a sender"
    assert max(sizes["a", "outbox"], sizes["b", "outbox"]) <= bounds.outbox
    assert sum(record.what == "acknowledged" for record in history) == MESSAGES


def test_bodies_are_opaque() -> None:
    """Whatever text the application says arrives as it was: the events of lab 2, JSON, line ends, other scripts."""
    bodies = [
        json.dumps({"event": "typing_start", "data": [1, None]}),
        '["ack", 9]',
        "a\nb\r\n\0",
        "\u4f60\u597d \U0001f600",
        "",
    ]
    schedule = simple(len(bodies), ("a",), gap_s=0.05)
    says = tuple(replace(say, body=body) for say, body in zip(schedule.says, bodies, strict=True))
    history = play(LAB3.reference, replace(schedule, says=says))
    assert [record.message for record in history if record.what == "delivered"] == bodies


def test_the_cast_of_a_notebook() -> None:
    assert search(implementation_of("solutions"), range(20)).outcome == "holds"
    assert implementation_of("solutions", Bounds(outbox=3)).bounds.outbox == 3
    with pytest.raises(Refusal, match="still to do: sender, heartbeat, reconnect"):
        implementation_of("labs")
    with pytest.raises(Refusal, match="a notebook that exists"):
        implementation_of("nowhere.ipynb")
