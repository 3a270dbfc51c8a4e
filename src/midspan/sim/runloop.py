"""What a run needs of its loop beyond asyncio, in virtual time and on a real link alike."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

# The tasks of the process in whose code we are: a new task is added to the list that its context names.
PROCESS: contextvars.ContextVar[list[asyncio.Task[Any]] | None] = contextvars.ContextVar(
    "midspan_process", default=None
)
KEPT = 1000  # tasks of a list before those that ended well leave it: a long run must not fill it


class RunLoop(asyncio.AbstractEventLoop):
    """A loop for one run, which knows its tasks and keeps what asyncio would have logged.

    Attributes:
        now_s: seconds since the run began.
        tasks: all tasks of the run. (`asyncio.all_tasks()` looks through all loops.)
        failures: "Task exception was never retrieved", and the like.
    """

    now_s: float
    tasks: list[asyncio.Task[Any]]
    failures: list[str]

    def time(self) -> float:
        """Seconds since the run began."""
        return self.now_s

    def at(self, when: float, callback: Callable[[], object]) -> None:
        """A timer of the stage's own, which belongs to no process."""
        self.call_at(when, callback)

    def create_task(
        self, coro: Any, *, name: object = None, context: contextvars.Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        named = getattr(coro, "__name__", "a task") if name is None else str(name)  # asyncio's would differ in each run
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=named, context=context, **options)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        for tasks in (self.tasks, process) if process is not None else (self.tasks,):
            tasks.append(task)
            if len(tasks) % KEPT == 0:
                _forget_the_done(tasks)
        return task

    def who_waits(self) -> str:
        """Each task that is not done, and the line at which it stands."""
        lines = sorted(_standing(task) for task in self.tasks if not task.done())
        return "; ".join(lines) if lines else "no task is left"

    def keep_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The exception handler of such a loop."""
        error = context.get("exception")
        said = f": {type(error).__name__}: {error}" if error is not None else ""
        self.failures.append(f"{context.get('message', 'unknown failure')}{said}")


def _forget_the_done(tasks: list[asyncio.Task[Any]]) -> None:
    """All but those that ended with an error that nobody has seen."""
    tasks[:] = [one for one in tasks if not one.done() or getattr(one, "_log_traceback", False)]


def _standing(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    where = f"{frames[-1].f_code.co_name}, line {frames[-1].f_lineno}" if frames else "no line"
    return f"task {task.get_name()} waits in {where}"
