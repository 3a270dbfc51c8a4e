"""An event loop whose time is a number: it jumps to the next callback in place of waiting."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from asyncio import Future, Handle, TimerHandle, _get_running_loop, _set_running_loop, ensure_future
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from contextvars import copy_context
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from midspan.simulation.forbidden_io import Deadlock, OutOfTime, SimulationError, WallClock, outside

# The walls of virtual time: what a loop without sockets, threads and processes answers when it is asked for them.


_CONNECT = "use the `connect` that was passed as an argument"
_COROUTINE = "do the work in the coroutine itself"
_HANDLER = "write the handler only: the link calls it for each connection"


def _wall(what: str, do: str) -> Any:
    def refuse(self: NoIoLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
        self.refused = self.refused or outside(what, do)
        raise self.refused

    return refuse


def _lack(_self: asyncio.AbstractEventLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
    """As any loop without that ability: libraries try it, and do without."""
    raise NotImplementedError


_lacking: Any = _lack


class NoIoLoop(asyncio.AbstractEventLoop):
    """A loop with nothing outside. `refused` is the first thing that it was asked for, or None."""

    refused: WallClock | None = None  # kept: the code under test may swallow what we raise

    run_in_executor = _wall("loop.run_in_executor or asyncio.to_thread", _COROUTINE)
    call_soon_threadsafe = set_default_executor = shutdown_default_executor = _wall("a thread", _COROUTINE)
    subprocess_exec = subprocess_shell = _wall("a process", _COROUTINE)
    connect_read_pipe = connect_write_pipe = _wall("a pipe", _CONNECT)
    create_connection = create_unix_connection = start_tls = _wall("a real connection", _CONNECT)
    create_server = create_unix_server = connect_accepted_socket = _wall("a real server", _HANDLER)
    getaddrinfo = getnameinfo = _wall("a name lookup", _CONNECT)
    create_datagram_endpoint = sendfile = _wall("a real socket", _CONNECT)
    add_reader = remove_reader = add_writer = remove_writer = create_datagram_endpoint
    sock_connect = sock_accept = sock_sendall = sock_sendto = sock_sendfile = create_datagram_endpoint
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = create_datagram_endpoint

    add_signal_handler = remove_signal_handler = _lacking
    set_task_factory = set_debug = set_exception_handler = default_exception_handler = _lacking
    get_task_factory = get_exception_handler = shutdown_asyncgens = _lacking


# One callback to come, on a loop with virtual time.


class ScheduledCallback(TimerHandle):
    """One callback to come. Leaner than asyncio's own: a run is some hundred of these, a search some million."""

    __slots__ = ("args", "callback", "context", "when_s")

    def __init__(  # on purpose without super(): that looks up the loop's debug mode and keeps a source line
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


# What a run needs of its loop beyond asyncio, in virtual time and on a real link alike.


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


# An event loop whose time is a number.
#
# Code under test sleeps, sets timers and waits as on any asyncio loop, but nobody waits with it: when no callback is
# ready, the clock jumps to the next timer. An hour of heartbeats takes milliseconds, and two runs of the same program
# take the same steps in the same order, so a failure can be replayed.
#
# Three rules make that true.
#
# 1. Time moves only when nothing is ready. A callback therefore takes no time, and everything that can happen at one
# moment happens before the next moment begins. 2. Timers of one moment run in the order in which they were set.
# (asyncio's own heap leaves that order open.) 3. Nothing from outside gets in: no socket, no thread, no signal.
# Asking for one raises `WallClock`, a sentence.
#
# What this leaves out: the processor. A callback that computes for a second takes no virtual time at all.


LIMIT_S = 3600.0  # virtual seconds of one run; nothing in this course waits for longer than some minutes
CANCELLATIONS = 3  # python-engineio takes the first for an error of its handler, and goes on
LIMIT_STEPS = 2_000_000  # callbacks of one run: ten times what 10,000 messages of the reference session take

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualLoop(RunLoop, NoIoLoop):
    """A plain asyncio loop with virtual time, for one run.

    Args:
        limit_s: virtual seconds after which the run is stopped with `OutOfTime`.
        limit_steps: callbacks after which the run is stopped with `OutOfTime`.
    """

    get_debug = staticmethod(bool)  # False: asyncio asks for each future, and this answer takes no Python call

    def __init__(self, limit_s: float = LIMIT_S, limit_steps: int = LIMIT_STEPS) -> None:
        self.limit_s, self.limit_steps = limit_s, limit_steps
        self.now_s = 0.0
        self.steps = 0
        self.tasks, self.failures = [], []
        self._soon: deque[ScheduledCallback] = deque()
        self._timers: list[tuple[float, int, ScheduledCallback]] = []  # (when, the how-manieth, handle): rule 2
        self._timers_set = 0
        self._stopping = self._running = self._closed = False
        self._context = copy_context()

    # time and timers

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        scheduled = ScheduledCallback(0.0, callback, args, context or copy_context())
        self._soon.append(scheduled)
        return scheduled

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> TimerHandle:
        scheduled = ScheduledCallback(when, callback, args, context or copy_context())
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, scheduled))
        return scheduled

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def at(self, when: float, callback: Callable[[], object]) -> None:
        """A timer of the simulation's own, which belongs to no process: cheaper than `call_at`."""
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, ScheduledCallback(when, callback, (), self._context)))

    def create_future(self) -> Future[Any]:
        return Future(loop=self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.keep_failure(self, context)

    # from start to end

    def run_until_complete(self, main: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until this is done, and return its result. `stop()` before that is a RuntimeError."""
        future: Future[T] = ensure_future(main, loop=self)  # type: ignore[arg-type]  # asyncio's own types disagree here
        future.add_done_callback(self._done)
        try:
            self.run_forever()
        finally:
            future.remove_done_callback(self._done)
        if not future.done():
            raise RuntimeError("The loop was stopped before what it ran was done.")
        return future.result()

    def _done(self, _future: Future[Any]) -> None:
        self.stop()

    def run_forever(self) -> None:
        """Run until `stop()`."""
        if _get_running_loop() is not None:
            raise RuntimeError("A loop runs in this thread already; call midspan.simulation.run(function).")
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._close_generator)
        _set_running_loop(self)
        self._running = True
        try:
            while not self._stopping:
                self._run_once()
        finally:
            self._running = self._stopping = False
            _set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def stop(self) -> None:
        """Take no further step."""
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Forget what is still to come, and the tasks: they and their loop would keep each other alive."""
        self._closed = True
        self._soon.clear()
        self._timers.clear()
        self.tasks.clear()

    def _close_generator(self, agen: AsyncGenerator[Any, Any]) -> None:
        """Nobody holds this generator any more: close it as asyncio does, but in a turn of ours."""
        self.call_soon(lambda: self.create_task(agen.aclose()))

    def _run_once(self) -> None:
        try:
            self._run_until_stopped()
        except (SimulationError, SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.call_exception_handler({"message": "a callback raised", "exception": error})

    def _run_until_stopped(self) -> None:
        soon, timers = self._soon, self._timers
        for self.steps in range(self.steps, self.limit_steps):  # noqa: B020  counted also when something raises
            if self._stopping:
                return
            if soon:
                scheduled = soon.popleft()
            elif timers:  # rule 1
                when, _, scheduled = heappop(timers)
                if when > self.now_s and scheduled.callback is not None:  # a cancelled one must not move the clock
                    self._move_to(when)
            else:
                self._deadlock()
            if scheduled.callback is not None:
                scheduled.context.run(scheduled.callback, *scheduled.args)
        self._too_busy()

    def _move_to(self, when: float) -> None:
        if when > self.limit_s:
            raise OutOfTime(f"The run went past {self.limit_s:g} virtual seconds: {self.who_waits()}.")
        self.now_s = when

    def _deadlock(self) -> NoReturn:
        raise Deadlock(f"Nothing is ready and no timer is set at {self.now_s:.3f} s: {self.who_waits()}.")

    def _too_busy(self) -> NoReturn:
        raise OutOfTime(
            f"{self.limit_steps} steps were taken and the clock stands at {self.now_s:.3f} s: a loop goes round "
            "without waiting for anything. Let it await a message, an event or asyncio.sleep(seconds)."
        )

    def clear(self) -> None:
        """Cancel what is left of the run and close. A task that waits on after `CANCELLATIONS` is abandoned."""
        self.limit_steps = self.steps + 10_000
        for _ in range(CANCELLATIONS):
            tasks = [task for task in self.tasks if not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self._timers.clear()
            self.call_at(self.now_s, self.stop)  # runs when nothing else is ready: rule 1
            with suppress(SimulationError):  # a task goes round without waiting
                self.run_forever()
        else:
            self.failures.append("a task ignored its cancellation")
        self.close()
