"""Run an answer under a time limit, in a thread of its own, keep what it prints, and leave nothing of it behind."""

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

# What an answer prints belongs to the answer: it is shown with its result, not in whichever cell happens to run.
#
# `print` looks `sys.stdout` up on each call, so for the time of a check we put a switch there: what the main thread
# or the thread of a server prints goes on to the old stream, what the answer's thread (or a thread it starts) prints
# is kept.


MOST_CHARACTERS = 2000  # of an answer's printing that is kept: a loop may print a million lines


VARIES = re.compile(r" at 0x[0-9a-fA-F]+|\S*/ipykernel_\d+/")  # in a warning, say: the text is to be equal on each run


class Kept:
    """The text kept so far, up to `MOST_CHARACTERS`."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._dropped = False

    def write(self, text: str) -> int:
        """Keep `text` as long as there is room."""
        room = MOST_CHARACTERS - self._text.tell()
        self._text.write(text[:room])
        self._dropped = self._dropped or len(text) > room
        return len(text)

    def value(self) -> str:
        """All that was kept, with a remark where something was dropped."""
        text = VARIES.sub("", self._text.getvalue().rstrip("\n"))
        return f"{text}\n... and more" if self._dropped else text


class _Switch:
    """Stands in for a stream: writes go to `kept` unless the writing thread was there before the answer's thread."""

    def __init__(self, stream: Any, kept: Kept, before: frozenset[int | None]) -> None:
        self._stream, self._kept, self._before = stream, kept, before

    def write(self, text: str) -> int:
        if threading.get_ident() in self._before:
            return int(self._stream.write(text) or 0)
        return self._kept.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Quiet(logging.Handler):
    """The root logger's handler where it has none: a library's log on an answer is long, and holds paths and addresses.

    With none, `logging.exception()` would install one for ever, on our switch.
    """

    def __init__(self, before: frozenset[int | None]) -> None:
        super().__init__(logging.WARNING)
        self._before = before

    def emit(self, record: logging.LogRecord) -> None:
        if logging.lastResort is not None and record.thread in self._before:
            logging.lastResort.handle(record)


@contextmanager
def captured() -> Iterator[Kept]:
    """Keep what threads started inside the block print to stdout and stderr."""
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
    finally:  # an answer may itself have replaced the streams: they come back in any case
        sys.stdout, sys.stderr = old
        logging.root.removeHandler(quiet)


# Run an answer under a time limit, in a thread of its own, and leave nothing of it behind.
#
# Why a thread: a kernel runs its own event loop in the main thread, where an answer could neither start another loop
# nor be stopped (an `await` in a cell cannot be interrupted by a limit, nor blocking code after it). A daemon thread
# can be given up, does not keep the kernel alive, and may run a loop of its own.
#
# Why not wall time: ten kernels on two cores keep a thread waiting for a processor, which is not the answer's fault.
# Linux says how long (/proc/self/task/TID/schedstat, second number: nanoseconds on the run queue; see
# Documentation/scheduler/sched-stats.rst); elsewhere the limit is wall time. `$MIDSPAN_PATIENCE` multiplies every
# limit.
#
# How a hanging answer ends: cancelled if it awaits; else an exception is raised in its thread
# (PyThreadState_SetAsyncExc), which takes effect at its next bytecode. Code that blocks inside one C call cannot be
# ended so; then we say it.


T = TypeVar("T")

TRIES = 4  # an answer with a bare `except:` in its loop survives the first exception, seldom the fourth
TURNS = 3  # of the loop, for tasks that are about to end when an answer has returned
BETWEEN_S = 0.25  # wall seconds for the exception to take effect: the interpreter switches threads every 5 ms


class Expired(BaseException):
    """Raised inside an answer whose time is up. A BaseException, so that `except Exception` lets it through."""


@dataclass(slots=True)
class CallOutcome:
    """What became of a run: exactly one of a value, an error, or `expired`."""

    value: Any = None
    error: BaseException | None = None
    expired: bool = False
    still_running: bool = False  # it blocks inside one call and could not be ended
    left_tasks: tuple[str, ...] = ()  # names of the coroutines that it left running, cancelled by us
    in_background: tuple[Exception, ...] = ()  # raised in tasks and callbacks that nobody awaited
    printed: str = ""


def patience() -> float:
    """The factor on every limit, from `$MIDSPAN_PATIENCE`; 1.0 where it is unset or no positive number."""
    try:
        factor = float(os.environ.get("MIDSPAN_PATIENCE", "1"))
    except ValueError:
        return 1.0
    return factor if factor > 0 else 1.0


def run(work: Callable[[], Any], limit_s: float) -> CallOutcome:
    """Call `work()` in a daemon thread, and await its value there if it is awaitable; what it raises is an `error`."""
    runner = _Runner(work)
    with captured() as text:
        runner.thread.start()
        try:
            runner.wait(limit_s * patience())
        finally:  # also when Stop interrupts the cell that waits
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
        """Until the work is done, or has had `limit_s` seconds in which the machine would let it run."""
        began = time.monotonic()
        left = limit_s
        while left > 0 and not self.done.wait(left):
            left = limit_s - (time.monotonic() - began - kept_waiting_s(self.thread.native_id))

    def end(self) -> None:
        """End the work if it still runs: cancel, then raise in its thread, a few times."""
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
            with contextlib.suppress(RuntimeError):  # the loop has been closed in the meantime
                self.loop.call_soon_threadsafe(self.main.cancel)

    def _run(self) -> None:
        try:
            value = self.work()
            self.outcome.value = self._awaited(value) if inspect.isawaitable(value) else value
        except BaseException as error:  # SystemExit and KeyboardInterrupt raised by an answer are the answer's too
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
                gc.collect()  # asyncio tells of an exception that nobody awaited when its task is collected
                raise
            finally:
                if not self.giving_up:
                    self.outcome.left_tasks = tuple(runner.run(cancel_others(TURNS)))
                for task in asyncio.all_tasks(
                    self.loop
                ):  # it will not be cancelled: do not complain of it in some cell
                    task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _keep(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log, with addresses in it, and into whichever cell runs."""
        if isinstance(error := context.get("exception"), Exception):
            self.outcome.in_background += (error,)

    async def _main(self, awaitable: Awaitable[Any]) -> Any:
        self.main = asyncio.current_task()
        return await awaitable


async def within(awaitable: Awaitable[T], limit_s: float) -> T:
    """What `awaitable` gives within `limit_s` seconds in which the machine let this thread run, or `TimeoutError`.

    For what both ends of which live in this thread: while it is kept waiting, neither can answer.
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
            await asyncio.wait({task}, timeout=BETWEEN_S)  # one that will not end is the runner's business


def kept_waiting_s(thread_id: int | None, process: str = "self") -> float:
    """Seconds that a thread was ready to run and the machine did not run it; 0.0 where the system does not say."""
    try:
        return int(Path(f"/proc/{process}/task/{thread_id}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise `error` in another thread at its next bytecode (C API: PyThreadState_SetAsyncExc)."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
