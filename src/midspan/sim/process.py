"""A process that can be killed: all tasks that its code started, however deep, end with it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

from midspan.sim.runloop import PROCESS, RunLoop


class Process:
    """The tasks of one simulated process.

    A task belongs to the process in whose code it was created: asyncio hands the creator's context to the new task,
    and the context names the process.
    """

    def __init__(self, loop: RunLoop) -> None:
        self.loop = loop
        self.tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self.tasks)

    def spawn(self, body: Coroutine[Any, Any, None]) -> None:
        """Start a first task of this process."""
        self.loop.create_task(body, context=self._context)

    def kill(self) -> None:
        """End all its tasks.

        Their `finally` blocks run, as they would not in a real crash: the caller first takes away what these could
        still reach.
        """
        for task in self.tasks:
            task.cancel()
        self.forget()

    def forget(self) -> None:
        """Its tasks need it no longer: their context names the list, and the list names them."""
        self.tasks.clear()
