"""The guard is guarded: each thing that a test could leave behind is seen, and named."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import left_behind
from tests.left_behind import watching


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "SETTLE_S", 0.05)


def test_a_tidy_block_leaves_nothing(tmp_path: Path) -> None:
    """A task that ends, a thread that is joined and a socket that is closed are no leftovers."""
    (tmp_path / "empty").mkdir()

    async def tidy() -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        socket.socket().close()
        await task

    with watching(tmp_path / "empty") as watch:
        asyncio.run(tidy())
        assert watch.left() == []


def test_a_task_is_seen() -> None:
    """`asyncio.run` would have cancelled it without a word."""

    async def forgetful() -> None:
        global _kept  # asyncio holds tasks weakly
        _kept = asyncio.create_task(asyncio.Event().wait(), name="forgotten")

    with watching() as watch:
        asyncio.run(forgetful())
    assert [line.split(":")[0] for line in watch.left()] == ["task forgotten"]


def test_a_thread_is_seen() -> None:
    """A daemon thread counts: it dies with the process, and a kernel lives for hours."""
    stop = threading.Event()
    with watching() as watch:
        thread = threading.Thread(target=stop.wait, name="forgotten", daemon=True)
        thread.start()
        assert watch.left() == ["thread 'forgotten'"]
        stop.set()
        thread.join()
        assert watch.left() == []


def test_a_socket_is_seen() -> None:
    """A listening port keeps its address in the line, so that one can tell whose it was."""
    with watching() as watch:
        with socket.create_server(("127.0.0.1", 0)) as server:
            (line,) = watch.left()
            assert str(server.getsockname()[1]) in line
            assert "LISTEN" in line
        assert watch.left() == []


def test_a_child_process_is_seen() -> None:
    """A process that waits for its input is still there; ended, it is not."""
    with watching() as watch:
        with subprocess.Popen([sys.executable, "-c", "open(0).read()"], stdin=subprocess.PIPE) as child:
            (line,) = watch.left()
            assert line.startswith(f"process {child.pid}")
        assert watch.left() == []


def test_a_file_is_seen(tmp_path: Path) -> None:
    """A temporary file that nobody removed is named."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with watching(folder) as watch:
        (folder / "forgotten.json").touch()
        assert watch.left() == ["file forgotten.json"]


_kept: asyncio.Task[bool] | None = None
