"""Run an answer in a thread of its own with a time limit, keep what it prints, and clean up after it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import inspect
import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from midspan.net.background_loop import cancel_others

# What an answer prints is shown with its result, and not in the output of the cell that runs at that time.
#
# `print` reads `sys.stdout` on each call. So we put a `_Switch` there while a check runs. What the main thread or a
# server's thread prints goes to the old stream. What the answer's thread, or a thread that it starts, prints is kept.


MOST_CHARACTERS = 2000  # kept of what an answer prints, since a loop may print a million lines


VARIES = re.compile(r" at 0x[0-9a-fA-F]+|\S*/ipykernel_\d+/")  # the text must be equal on each run


class Kept:
    """The text kept so far, up to `MOST_CHARACTERS`."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._dropped = False

    def write(self, text: str) -> int:
        """Keep `text` up to the limit."""
        room = MOST_CHARACTERS - self._text.tell()
        self._text.write(text[:room])
        self._dropped = self._dropped or len(text) > room
        return len(text)

    def value(self) -> str:
        """Return all that was kept, with a remark if something was dropped."""
        text = VARIES.sub("", self._text.getvalue().rstrip("\n"))
        return f"{text}\n... and more" if self._dropped else text


class _Switch:
    """Replaces a stream: a write goes to `kept`, unless the writing thread existed before the answer's thread."""

    def __init__(self, stream: Any, kept: Kept, before: frozenset[int | None]) -> None:
        self._stream, self._kept, self._before = stream, kept, before

    def write(self, text: str) -> int:
        if threading.get_ident() in self._before:
            return int(self._stream.write(text) or 0)
        return self._kept.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Quiet(logging.Handler):
    """A handler for a root logger that has none. A library's log about an answer is long, with paths and addresses.

    Without a handler, `logging.exception()` would install one that stays, and that writes to our switch.
    """

    def __init__(self, before: frozenset[int | None]) -> None:
        super().__init__(logging.WARNING)
        self._before = before

    def emit(self, record: logging.LogRecord) -> None:
        if logging.lastResort is not None and record.thread in self._before:
            logging.lastResort.handle(record)


@contextmanager
def captured() -> Iterator[Kept]:
    """Keep what the threads that start inside the block write to stdout and stderr."""
    kept = Kept()
    before = frozenset(thread.ident for thread in threading.enumerate())
    old = sys.stdout, sys.stderr
    switches = _Switch(old[0], kept, before), _Switch(old[1], kept, before)
    sys.stdout, sys.stderr = switches
    quiet = _Quiet(before)
    if not logging.root.handlers:
        logging.root.addHandler(quiet)
    try:
        yield kept
    finally:  # also when an answer replaced the streams itself
        sys.stdout, sys.stderr = old
        logging.root.removeHandler(quiet)


# How an answer runs, and how it is ended.
#
# Why a thread: a kernel runs its own event loop in the main thread. There an answer could not start another loop, and
# we could not stop it: a limit interrupts neither an `await` in a cell nor blocking code after it. A daemon thread can
# be abandoned, does not keep the kernel alive, and may run a loop of its own.
#
# Why not wall time: with ten kernels on two cores a thread waits for a processor, and that is not the answer's fault.
# Linux says how long it waited (/proc/self/task/TID/schedstat, second number: nanoseconds on the run queue; see
# Documentation/scheduler/sched-stats.rst). On other systems the limit is wall time. `$MIDSPAN_PATIENCE` multiplies
# every limit.
#
# How we end an answer that hangs: if it awaits, we cancel it. Else we raise an exception in its thread
# (PyThreadState_SetAsyncExc), which takes effect at its next bytecode. Code that blocks inside one C call cannot be
# ended; then the result says so.


T = TypeVar("T")

TRIES = 4  # a bare `except:` in a loop catches the first exception, seldom the fourth
TURNS = 3  # of the loop, for tasks that are ending when an answer returns
BETWEEN_S = 0.25  # wall time for the exception to take effect: Python switches threads every 5 ms


class Expired(BaseException):
    """Raised inside an answer at its time limit. It is a BaseException, so `except Exception` does not catch it."""


@dataclass(slots=True)
class CallOutcome:
    """How a run ended: with exactly one of a value, an error, or `expired`."""

    value: Any = None
    error: BaseException | None = None
    expired: bool = False
    still_running: bool = False  # it blocks inside one call, so we could not end it
    left_tasks: tuple[str, ...] = ()  # the coroutines that it left running, and that we cancelled
    in_background: tuple[Exception, ...] = ()  # raised in callbacks, and in tasks that were never awaited
    printed: str = ""


def patience() -> float:
    """Return the factor for every limit, from `$MIDSPAN_PATIENCE`; 1.0 if that is unset or not a positive number."""
    try:
        factor = float(os.environ.get("MIDSPAN_PATIENCE", "1"))
    except ValueError:
        return 1.0
    return factor if factor > 0 else 1.0


def run(work: Callable[[], Any], limit_s: float) -> CallOutcome:
    """Call `work()` in a daemon thread; await its value there if it is awaitable. An exception becomes the `error`."""
    runner = _Runner(work)
    with captured() as text:
        runner.thread.start()
        try:
            runner.wait(limit_s * patience())
        finally:  # also when the user interrupts the waiting cell
            runner.end()
    runner.outcome.printed = text.value()
    return runner.outcome


class _Runner:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.outcome = CallOutcome()
        self.done = threading.Event()
        self.giving_up = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.main: asyncio.Task[Any] | None = None
        self.thread = threading.Thread(target=self._run, name="midspan-answer", daemon=True)

    def wait(self, limit_s: float) -> None:
        """Wait until the work is done, or until it had `limit_s` seconds in which it did not wait for a processor."""
        began = time.monotonic()
        left = limit_s
        while left > 0 and not self.done.wait(left):
            left = limit_s - (time.monotonic() - began - kept_waiting_s(self.thread.native_id))

    def end(self) -> None:
        """End the work if it still runs: cancel it, then raise an exception in its thread, up to `TRIES` times."""
        if self.done.is_set():
            return
        self.giving_up = True
        for attempt in range(TRIES):
            self._cancel()
            if attempt and not self.done.is_set():
                _raise_in(self.thread, Expired)
            if self.done.wait(BETWEEN_S * patience()):
                break
        self.outcome = replace(self.outcome, value=None, error=None, expired=True, still_running=not self.done.is_set())

    def _cancel(self) -> None:
        if self.loop is not None and self.main is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
                self.loop.call_soon_threadsafe(self.main.cancel)

    def _run(self) -> None:
        try:
            value = self.work()
            self.outcome.value = self._awaited(value) if inspect.isawaitable(value) else value
        except BaseException as error:  # also an answer's own SystemExit or KeyboardInterrupt
            self.outcome.error = error
        finally:
            self.done.set()

    def _awaited(self, awaitable: Awaitable[Any]) -> Any:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(self._keep)
            try:
                return runner.run(self._main(awaitable))
            except Exception:
                gc.collect()  # asyncio reports an exception that was never awaited when its task is collected
                raise
            finally:
                if not self.giving_up:
                    self.outcome.left_tasks = tuple(runner.run(cancel_others(TURNS)))
                for task in asyncio.all_tasks(self.loop):  # it ignores the cancellation: no warning in a later cell
                    task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _keep(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep an error that asyncio would log, with addresses, in the output of the cell that runs."""
        if isinstance(error := context.get("exception"), Exception):
            self.outcome.in_background += (error,)

    async def _main(self, awaitable: Awaitable[Any]) -> Any:
        self.main = asyncio.current_task()
        return await awaitable


async def within(awaitable: Awaitable[T], limit_s: float) -> T:
    """Await `awaitable`; `TimeoutError` after `limit_s` seconds in which this thread did not wait for a processor.

    Use it when client and server both run in this thread: while the thread waits for a processor, neither can answer.
    """
    task, thread = asyncio.ensure_future(awaitable), threading.get_native_id()
    began, kept = time.monotonic(), kept_waiting_s(thread)
    left = limit_s = limit_s * patience()
    try:
        while left > 0:
            if (await asyncio.wait({task}, timeout=left))[0]:
                return task.result()
            left = limit_s - (time.monotonic() - began - (kept_waiting_s(thread) - kept))
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=BETWEEN_S)  # if it does not end, the runner ends it


def kept_waiting_s(thread_id: int | None, process: str = "self") -> float:
    """Return the seconds in which a thread was ready and waited for a processor; 0.0 if the system does not tell."""
    try:
        return int(Path(f"/proc/{process}/task/{thread_id}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise `error` in another thread at its next bytecode (C API: PyThreadState_SetAsyncExc)."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
