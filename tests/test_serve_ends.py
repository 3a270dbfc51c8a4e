"""`python -m midspan serve` ends in its stated time, whatever its clients and handlers do.

What they wait for lasts ten minutes here, so a server that waits for it is told from one that does not on any machine:
the bound is some twenty times what an ending takes.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from midspan.net.background_loop import END_S, end_others
from midspan.net.brokers import broker
from tests.course import ROOT
from tests.ending import ENDS_WITHIN_S
from tests.loops import in_a_loop

FOR_EVER_S = "600.0"
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PATHS = {"lab2": "/socket.io/?EIO=4&transport=websocket"}

# The lab, and what it waits for longest where a client is silent: in the solution, and here.
PATIENT = [
    ("lab1", "timeout_s: float = 5.0", f"timeout_s: float = {FOR_EVER_S}"),
    ("lab2", "max_size=options.max_payload)", f"max_size=options.max_payload, close_s={FOR_EVER_S})"),
    ("lab5", "ping_interval=None, create", f"ping_interval=None, close_timeout={FOR_EVER_S}, create"),
]
ECHO = '"    async for message in socket:\\n",'
# in its place: a loop with the bare `except` that a learner writes
STUBBORN = f'"    while True:\\n", "        with suppress(BaseException): await asyncio.sleep({FOR_EVER_S})\\n", {ECHO}'


@contextmanager
def serving(lab: str, notebook: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a process of its own, and its port; killed at the end if it still runs."""
    with printing(lab, str(notebook), *options) as (process, line):
        yield process, int(line.rpartition(":")[2])


@contextmanager
def printing(lab: str, source: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The same, and the line that it prints."""
    command = [sys.executable, "-m", "midspan", "serve", lab, "--from", source, "--no-tls", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " serves " in line, process.stderr and process.stderr.read()
            yield process, line
        finally:
            process.kill()


def changed(lab: str, old: str, new: str, folder: Path) -> Path:
    """The lab's solution with other words in it, as a file."""
    (solution,) = (ROOT / "solutions").glob(f"{lab}_*.ipynb")
    text = solution.read_text("utf-8")
    assert text.count(old) >= 1, f"{lab} no longer says {old!r}"
    (folder / solution.name).write_text(text.replace(old, new), "utf-8")
    return folder / solution.name


def opened(lab: str, port: int) -> socket.socket:
    """A client that opens a WebSocket and never says another word: it answers no close."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(UPGRADE.format(path=PATHS.get(lab, "/")).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return client


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send the signal; its status and what it said on standard error."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("lab", "old", "new"), PATIENT, ids=[row[0] for row in PATIENT])
def test_a_client_that_answers_no_close_is_not_waited_for(
    lab: str, old: str, new: str, number: signal.Signals, tmp_path: Path
) -> None:
    """Nor is one that has opened TCP and says nothing at all."""
    with (
        serving(lab, changed(lab, old, new, tmp_path)) as (process, port),
        opened(lab, port),
        socket.create_connection(("127.0.0.1", port)),
    ):
        assert ended(process, number) == (0, "")


@in_a_loop
async def test_a_drain_has_its_own_limit_and_no_more(tmp_path: Path) -> None:
    """A node whose drain would wait ten minutes for a silent client."""
    notebook = changed("lab4", "asyncio.timeout(GRACE_S)", f"asyncio.timeout({FOR_EVER_S})", tmp_path)
    async with broker() as bus:
        node = serving("lab4", notebook, "--broker", bus.url, "--node", "n1")
        with node as (process, port), opened("lab4", port) as client:
            client.sendall(masked(b'["hello","a","token","",0,1,"red"]'))
            assert b"welcome" in await asyncio.to_thread(client.recv, 4096)
            assert await asyncio.to_thread(ended, process, signal.SIGTERM) == (0, "")


def masked(text: bytes) -> bytes:
    """A short text in a client's frame, with a mask of zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def test_a_handler_that_takes_no_cancellation_is_named_and_ended_all_the_same(tmp_path: Path) -> None:
    with serving("lab1", changed("lab1", ECHO, STUBBORN, tmp_path)) as (process, port), opened("lab1", port):
        status, errors = ended(process, signal.SIGTERM)
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith("Ended all the same")
    assert "serve.<locals>.converse" in errors


# What it prints


@in_a_loop
async def test_an_ipv6_address_is_printed_as_a_client_takes_it() -> None:
    with printing("lab1", "solutions", "--host", "::1") as (process, line):
        url = line.split(" serves ")[1].strip()
        assert url.startswith("ws://[::1]:")
        async with connect(url) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        assert await asyncio.to_thread(ended, process, signal.SIGTERM) == (0, "")


# Tasks that do not end when they are cancelled once


@in_a_loop
async def test_a_task_that_waits_in_its_finally_is_cancelled_again() -> None:
    cancels: list[int] = []

    async def waits(times: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancels.append(times)
            if times:
                await waits(times - 1)

    task = asyncio.create_task(waits(3))
    await asyncio.sleep(0)
    assert await end_others() == []
    assert task.cancelled()
    assert cancels == [3, 2, 1, 0]


@in_a_loop
async def test_a_cancellation_that_is_taken_for_an_error_is_said_again() -> None:
    """As redis-py takes one while its connection breaks: a loop that goes on after errors would go on for ever."""

    async def beats() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(beats())
    await asyncio.sleep(0)
    assert await end_others() == []
    assert task.cancelled()


@in_a_loop
async def test_a_task_that_takes_no_cancellation_is_named_and_waited_for_no_longer() -> None:
    free = asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                counted.append(1)

    counted: list[int] = []
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    (name,) = await end_others()
    assert name.endswith("stubborn")
    assert len(counted) == len(END_S)
    free.set()
    await task
