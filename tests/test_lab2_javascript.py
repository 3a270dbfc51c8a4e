"""Lab 2's server and the JavaScript client of Socket.IO, run by Node, over TLS; skipped where Node is absent."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from midspan.net.servers import Authority
from tests.course import ROOT
from tests.lab2 import SOON_S, Application, served
from tests.loops import in_a_loop
from tests.node import NODE, needs_node

pytestmark = needs_node("socket.io-client")
SCRIPT = ROOT / "tests" / "lab2_client.cjs"
ARGUMENTS = ["a", 1, None, {"b": ["bytes 00ff"]}, "bytes 78797a", "grüß"]


async def seen(folder: Path, scenario: str, application: Application | None = None, **named: Any) -> Any:
    """What the client saw in a scenario; None when it was killed on purpose."""
    authority = Authority()
    pem = folder / "ca.pem"
    pem.write_bytes(authority.pem)
    async with served(application, authority.server, **named) as address:
        command = [str(NODE), str(SCRIPT), f"https://{address}", scenario]
        environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(pem)}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(20):
                out, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert (process.returncode, errors) == (-9 if scenario == "unclean" else 0, b"")
        if application:
            async with asyncio.timeout(SOON_S):
                await application.some_ended.wait()
    return json.loads(out) if out else None


@in_a_loop
async def test_events_both_ways_with_several_arguments_and_bytes(tmp_path: Path) -> None:
    told = await seen(tmp_path, "events")
    assert told == {"auth": [{"token": "x"}], "back": ARGUMENTS, "same": True, "none": []}


@in_a_loop
async def test_acks_both_ways_and_timeouts(tmp_path: Path) -> None:
    told = await seen(tmp_path, "acks")
    assert (told["back"], told["asked"]) == (ARGUMENTS, ARGUMENTS)
    assert told["many"] == list(range(20))
    assert told["late"] == "operation has timed out"
    assert told["silence"] == "timeout"


@in_a_loop
async def test_two_namespaces_on_one_connection(tmp_path: Path) -> None:
    told = await seen(tmp_path, "namespaces")
    assert told == {"first": ["custom"], "second": ["main"], "one": True, "ids": True}


@in_a_loop
async def test_refused_and_expired(tmp_path: Path) -> None:
    told = await seen(tmp_path, "refused")
    assert told["reasons"] == {
        '/vip {"token":"x"}': "a wrong token",
        "/vip {}": "Not authorized",
        "/random {}": "Invalid namespace",
    }
    assert told["reason"] == "io server disconnect"


@in_a_loop
async def test_heartbeats_keep_the_connection(tmp_path: Path) -> None:
    told = await seen(tmp_path, "heartbeats", ping_interval_s=0.1, ping_timeout_s=5.0)
    assert told == {"connected": True, "back": 5}


@pytest.mark.parametrize("how", ["clean", "unclean"])
@in_a_loop
async def test_when_the_client_goes_its_handlers_end(tmp_path: Path, how: str) -> None:
    application = Application()
    await seen(tmp_path, how, application)
    assert application.ended == [how]
