"""What can be counted only from inside the server's process: tasks, calls, allocations."""

from __future__ import annotations

import asyncio
import sys
from typing import Any


class Inside:
    """Counters that are switched on, read, and switched off: while they are on, the server is slow.

    tasks: how many asyncio tasks were made.
    calls: how many functions were called, Python's and C's. This is the work that goes into an event, by a measure
        that does not depend on the machine.
    blocks: how many blocks of memory appeared between two calls, in sum: allocations. What comes and goes within one
        call of C is not seen, so there are at least as many.
    """

    def __init__(self) -> None:
        self._tasks = self._calls = self._blocks = self._before = 0

    async def watch_tasks(self) -> None:
        """Count tasks from now on."""
        self._tasks = 0
        asyncio.get_running_loop().set_task_factory(self._task)

    async def tasks(self) -> int:
        """How many tasks were made since, and stop counting."""
        asyncio.get_running_loop().set_task_factory(None)
        return self._tasks

    async def watch_calls(self) -> None:
        """Count calls and blocks from now on."""
        self._calls = self._blocks = 0
        self._before = sys.getallocatedblocks()
        sys.setprofile(self._call)

    async def calls(self) -> tuple[int, int]:
        """How many calls there were since, how many blocks appeared, and stop counting."""
        sys.setprofile(None)
        return self._calls, self._blocks

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
        self._tasks += 1
        return asyncio.Task(work, loop=loop, **options)

    def _call(self, _frame: Any, event: str, _argument: Any) -> None:
        self._calls += event in ("call", "c_call")
        now = sys.getallocatedblocks()
        if now > self._before:
            self._blocks += now - self._before
        self._before = sys.getallocatedblocks()
