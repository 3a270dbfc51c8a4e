"""What a test, or a notebook, left behind: threads, tasks, sockets, child processes, files.

The guard never sleeps. It waits *for the thing itself*, bounded: it joins threads, waits for tasks and processes, and
collects garbage before it calls a socket forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import psutil

SETTLE_S = 2.0  # a thread that is on its way out gets this long: ten times what the slowest took on two busy cores

# Threads of tools, which start once in a process and never end; name prefixes.
NOT_OURS = ("pytest_timeout", "tqdm_monitor", "IPythonHistorySavingThread", "QueueFeederThread")

_CANCEL_ALL = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]  # private, but the one place that knows


def sockets() -> set[str]:
    """The open sockets of this process, one readable line each."""
    return {
        f"{kind.type.name} {kind.laddr or '-'} -> {kind.raddr or '-'} {kind.status} (descriptor {kind.fd})"
        for kind in psutil.Process().net_connections(kind="all")
    }


def children() -> set[psutil.Process]:
    """The processes that this one started, and theirs; multiprocessing's tracker lives as long as we do.

    psutil reads the parent of every process of the machine. So we ask Linux first whether there is a child at all.
    """
    if all(map(_is_tracker, _own_children())):
        return set()
    return {child for child in psutil.Process().children(recursive=True) if not _is_tracker(child.pid)}


def _own_children() -> Iterator[int]:
    """The children of this process, from the list that Linux keeps for each thread; elsewhere this process itself."""
    lists = list(Path("/proc/self/task").glob("*/children"))
    for path in lists:
        with contextlib.suppress(OSError):  # a thread that has just ended
            yield from map(int, path.read_text().split())
    if not lists:
        yield os.getpid()


def _is_tracker(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return any("resource_tracker" in word for word in psutil.Process(pid).cmdline())
    return False


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.name.startswith(NOT_OURS)}


@dataclass
class Watch:
    """Everything that was there before; `left()` says what has come since and stayed."""

    folder: Path | None = None
    tasks: list[str] = field(default_factory=list)
    _threads: set[threading.Thread] = field(default_factory=threads)
    _sockets: set[str] = field(default_factory=sockets)
    _children: set[psutil.Process] = field(default_factory=children)

    def left(self) -> list[str]:
        """One line for each thing left behind; empty when all is well."""
        return [
            *(f"task {name}" for name in self.tasks),
            *(f"thread {thread.name!r}" for thread in self._new_threads()),
            *(f"process {_command(child)}" for child in self._new_children()),
            *(f"socket {line}" for line in sorted(self._new_sockets())),
            *(f"file {path.name}" for path in sorted(self.folder.iterdir() if self.folder else ())),
        ]

    def _new_threads(self) -> set[threading.Thread]:
        end_s = time.monotonic() + SETTLE_S
        for thread in threads() - self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end_s - time.monotonic()))
        return {thread for thread in threads() - self._threads if thread.is_alive()}

    def _new_children(self) -> set[psutil.Process]:
        _gone, alive = psutil.wait_procs(list(children() - self._children), timeout=SETTLE_S)
        return set(alive)

    def _new_sockets(self) -> set[str]:
        if sockets() - self._sockets:
            gc.collect()  # what nobody holds any more is closed by its finaliser, with the warning that fails the test
        return sockets() - self._sockets


def _command(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        return str(process.pid)


@contextlib.contextmanager
def watching(folder: Path | None = None) -> Iterator[Watch]:
    """A `Watch` that sees forgotten tasks too.

    `asyncio.run` cancels, in silence, whatever its coroutine left running; we look at the moment before.
    """
    watch = Watch(folder)

    def look_then_cancel(loop: asyncio.AbstractEventLoop) -> None:
        if running := asyncio.all_tasks(loop):
            _, late = loop.run_until_complete(asyncio.wait(running, timeout=SETTLE_S))
            watch.tasks += [f"{task.get_name()}: {task.get_coro()}" for task in late]
        _CANCEL_ALL(loop)

    with mock.patch.object(asyncio.runners, "_cancel_all_tasks", look_then_cancel):
        yield watch
