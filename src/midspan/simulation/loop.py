"""An event loop with virtual time: its clock is a number, which jumps to the next timer when no callback is ready.

Code under test sleeps, sets timers and waits as on any asyncio loop, but no real time passes. An hour of heartbeats
takes milliseconds. Two runs of the same program take the same steps in the same order, so a failure can be replayed.
Three rules make this true.

1. Time moves only when no callback is ready. So a callback takes no time, and all that can happen at one moment
   happens before the next moment begins.
2. Timers of the same moment run in the order in which they were set. (asyncio's heap does not promise an order.)
3. The loop has no socket, no thread and no signal. Code that asks for one gets a `WallClock` error.

Computing takes no virtual time: a callback that computes for a real second takes 0 s of the run.
"""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import TimerHandle, _get_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from contextvars import copy_context
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVarTuple

from midspan.simulation.forbidden_io import Deadlock, OutOfTime, SimulationError, WallClock, outside

_CONNECT = "use the `connect` that was passed as an argument"
_COROUTINE = "do the work in the coroutine itself"
_HANDLER = "write the handler only: the link calls it for each connection"


def _refused(what: str, do: str) -> Any:
    def refuse(self: NoIoLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
        self.refused = self.refused or outside(what, do)
        raise self.refused

    return refuse


class NoIoLoop(asyncio.AbstractEventLoop):
    """A loop without sockets, threads and processes: it refuses them with a sentence (rule 3).

    Attributes:
        refused: the first refusal, or None. It is kept because the code under test may catch the error.
    """

    refused: WallClock | None = None

    run_in_executor = _refused("loop.run_in_executor or asyncio.to_thread", _COROUTINE)
    call_soon_threadsafe = set_default_executor = shutdown_default_executor = _refused("a thread", _COROUTINE)
    subprocess_exec = subprocess_shell = _refused("a process", _COROUTINE)
    connect_read_pipe = connect_write_pipe = _refused("a pipe", _CONNECT)
    create_connection = create_unix_connection = start_tls = _refused("a real connection", _CONNECT)
    create_server = create_unix_server = connect_accepted_socket = _refused("a real server", _HANDLER)
    getaddrinfo = getnameinfo = _refused("a name lookup", _CONNECT)
    create_datagram_endpoint = sendfile = _refused("a real socket", _CONNECT)
    add_reader = remove_reader = add_writer = remove_writer = create_datagram_endpoint
    sock_connect = sock_accept = sock_sendall = sock_sendto = sock_sendfile = create_datagram_endpoint
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = create_datagram_endpoint

    set_task_factory = asyncio.AbstractEventLoop.set_task_factory  # raises NotImplementedError


class ScheduledCallback(TimerHandle):
    """A callback that is due later. It is faster than asyncio's own, without debug fields: a search makes millions."""

    __slots__ = ("args", "callback", "context", "when_s")

    def __init__(  # no super(): that would look up the debug mode and keep a source line
        self, when_s: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context
    ) -> None:
        self.when_s = when_s
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.when_s

    def __repr__(self) -> str:
        return f"<ScheduledCallback at {self.when_s} {self.callback}>"


# The tasks of the process whose code runs. A new task is added to the list in its context.
PROCESS: contextvars.ContextVar[list[asyncio.Task[Any]] | None] = contextvars.ContextVar(
    "midspan_process", default=None
)
KEPT = 1000  # after so many new tasks, those that ended without an error are removed: a long run must not fill memory


class RunLoop(asyncio.BaseEventLoop):
    """A loop for one run, in virtual time or on real sockets. It keeps its tasks, and what asyncio would log.

    Attributes:
        now_s: seconds since the run began.
        tasks: all tasks of the run. (`asyncio.all_tasks()` looks through all loops.)
        failures: the texts that asyncio would log, such as "Task exception was never retrieved".
    """

    def __init__(self, *args: Any) -> None:
        self.now_s = 0.0
        self.tasks: list[asyncio.Task[Any]] = []
        self.failures: list[str] = []
        super().__init__(*args)

    def time(self) -> float:
        """Seconds since the run began."""
        return self.now_s

    def at(self, when: float, callback: Callable[[], object]) -> None:
        """Set a timer of the simulation itself. It belongs to no simulated process."""
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
        """Each task that is not done, with the line at which it waits."""
        lines = sorted(_place_of(task) for task in self.tasks if not task.done())
        return "; ".join(lines) if lines else "no task is left"

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep the text in `failures`; do not log it."""
        error = context.get("exception")
        said = f": {type(error).__name__}: {error}" if error is not None else ""
        self.failures.append(f"{context.get('message', 'unknown failure')}{said}")


def _forget_the_done(tasks: list[asyncio.Task[Any]]) -> None:
    """Remove the tasks that are done, but keep those with an error that was never retrieved."""
    tasks[:] = [one for one in tasks if not one.done() or getattr(one, "_log_traceback", False)]


def _place_of(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    where = f"{frames[-1].f_code.co_name}, line {frames[-1].f_lineno}" if frames else "no line"
    return f"task {task.get_name()} waits in {where}"


LIMIT_S = 3600.0  # virtual seconds of one run; the longest waits of the course take some minutes
CANCELLATIONS = 3  # one is not enough: python-engineio treats the first as an error of its handler
LIMIT_STEPS = 2_000_000  # callbacks of one run: ten times what the reference session needs for 10,000 messages

Ts = TypeVarTuple("Ts")


class VirtualLoop(NoIoLoop, RunLoop):
    """An asyncio loop with virtual time, for one run. The rest is inherited from `asyncio.BaseEventLoop`.

    Args:
        limit_s: virtual seconds after which the run is stopped with `OutOfTime`.
        limit_steps: callbacks after which the run is stopped with `OutOfTime`.
    """

    # attributes that the base class sets
    _ready: deque[ScheduledCallback]
    _scheduled: list[tuple[float, int, ScheduledCallback]]  # (when, number, callback); the number is for rule 2
    _stopping: bool

    _debug = False  # also under PYTHONASYNCIODEBUG=1: a run must not depend on it
    get_debug = staticmethod(bool)  # gives False without a Python call: asyncio asks for each future

    def __init__(self, limit_s: float = LIMIT_S, limit_steps: int = LIMIT_STEPS) -> None:
        self.limit_s, self.limit_steps = limit_s, limit_steps
        self.steps = 0
        self._timers_set = 0
        self._context = copy_context()
        super().__init__()

    def set_debug(self, enabled: bool) -> None:
        """Do nothing: debug mode looks for slow callbacks, and here no callback takes time."""

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> ScheduledCallback:
        scheduled = ScheduledCallback(0.0, callback, args, copy_context() if context is None else context)
        self._ready.append(scheduled)
        return scheduled

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> ScheduledCallback:
        return self._set_timer(when, callback, args, context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> ScheduledCallback:
        return self._set_timer(self.now_s + delay, callback, args, context)

    def at(self, when: float, callback: Callable[[], object]) -> None:
        self._set_timer(when, callback, (), self._context)

    def _set_timer(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> ScheduledCallback:
        scheduled = ScheduledCallback(when, callback, args, copy_context() if context is None else context)
        self._timers_set += 1
        heappush(self._scheduled, (when, self._timers_set, scheduled))
        return scheduled

    def clear(self) -> None:
        """Cancel the tasks that are left, and close. A task that ignores `CANCELLATIONS` cancellations is dropped."""
        self.limit_steps = self.steps + 10_000
        for _ in range(CANCELLATIONS):
            tasks = [task for task in self.tasks if not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self._scheduled.clear()
            self.call_at(self.now_s, self.stop)  # runs when nothing else is ready: rule 1
            with suppress(SimulationError):  # a task loops without waiting
                self.run_forever()
        else:
            self.failures.append("a task ignored its cancellation")
        self.close()

    def close(self) -> None:
        """Close, and remove the references to tasks: a task and its loop would keep each other in memory."""
        super().close()
        self.tasks.clear()

    # called by BaseEventLoop

    def _check_running(self) -> None:
        if _get_running_loop() is not None:
            raise RuntimeError("A loop runs in this thread already: call midspan.simulation.run_in_thread(function).")

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        """Close a generator that did not finish. (The base class uses `call_soon_threadsafe`.)"""
        self.call_soon(lambda: self.create_task(agen.aclose()))

    def _run_once(self) -> None:
        """Call what is due, and move the clock, until `stop()`."""
        ready, timers, limit_s = self._ready, self._scheduled, self.limit_s
        for self.steps in range(self.steps, self.limit_steps):  # noqa: B020  so that it is right when something raises
            if self._stopping:
                return
            if ready:
                scheduled = ready.popleft()
            elif timers:  # rule 1
                when, _, scheduled = heappop(timers)
                if when > self.now_s and scheduled.callback is not None:  # a cancelled timer must not move the clock
                    if when > limit_s:
                        raise OutOfTime(f"The run went past {limit_s:g} virtual seconds: {self.who_waits()}.")
                    self.now_s = when
            else:
                raise Deadlock(f"Nothing is ready and no timer is set at {self.now_s:.3f} s: {self.who_waits()}.")
            if scheduled.callback is not None:
                try:
                    scheduled.context.run(scheduled.callback, *scheduled.args)
                except (SimulationError, SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"message": "a callback raised", "exception": error})
        raise OutOfTime(
            f"{self.limit_steps} steps were taken and the clock stands at {self.now_s:.3f} s: a loop goes round "
            "without waiting for anything. Let it await a message, an event or asyncio.sleep(seconds)."
        )
