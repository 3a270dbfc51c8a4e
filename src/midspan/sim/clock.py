"""An event loop whose time is a number.

Code under test sleeps, sets timers and waits as on any asyncio loop, but nobody waits with it: when no callback is
ready, the clock jumps to the next timer. An hour of heartbeats takes milliseconds, and two runs of the same program
take the same steps in the same order, so a failure can be replayed.

Three rules make that true.

1. Time moves only when nothing is ready. A callback therefore takes no time, and everything that can happen at one
   moment happens before the next moment begins.
2. Timers of one moment run in the order in which they were set. (asyncio's own heap leaves that order open.)
3. Nothing from outside gets in: no socket, no thread, no signal. Asking for one raises `WallClock`, a sentence.

What this leaves out: the processor. A callback that computes for a second takes no virtual time at all.
"""

from __future__ import annotations

import contextvars
import sys
from asyncio import Future, Handle, TimerHandle, _get_running_loop, _set_running_loop, ensure_future
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from contextvars import copy_context
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from midspan.sim.errors import Deadlock, OutOfTime, SimulationError
from midspan.sim.runloop import RunLoop
from midspan.sim.tick import Tick
from midspan.sim.walls import WalledLoop

LIMIT_S = 3600.0  # virtual seconds of one run; nothing in this course waits for longer than some minutes
CANCELLATIONS = 3  # python-engineio takes the first for an error of its handler, and goes on
LIMIT_STEPS = 2_000_000  # callbacks of one run: ten times what 10,000 messages of the reference session take

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualLoop(RunLoop, WalledLoop):
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
        self._soon: deque[Tick] = deque()
        self._timers: list[tuple[float, int, Tick]] = []  # (when, the how-manieth, handle): rule 2
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
        tick = Tick(0.0, callback, args, context or copy_context())
        self._soon.append(tick)
        return tick

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> TimerHandle:
        tick = Tick(when, callback, args, context or copy_context())
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, tick))
        return tick

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
        heappush(self._timers, (when, self._timers_set, Tick(when, callback, (), self._context)))

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
            raise RuntimeError("A loop runs in this thread already; call midspan.sim.beside(function).")
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
                tick = soon.popleft()
            elif timers:  # rule 1
                when, _, tick = heappop(timers)
                if when > self.now_s and tick.callback is not None:  # a cancelled one must not move the clock
                    self._move_to(when)
            else:
                self._deadlock()
            if tick.callback is not None:
                tick.context.run(tick.callback, *tick.args)
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
