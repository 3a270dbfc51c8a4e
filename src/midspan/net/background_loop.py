"""A background thread with an event loop, for what lives across cells; and Stop ends an awaiting cell at once."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from midspan.errors import Refusal, Words

# One background thread with an event loop of its own: the home of what lives across cells.
#
# A server on the kernel's own loop stalls while a cell computes, and a synchronous client in a cell would wait for a
# server that waits for the cell. A server in this thread goes on serving through both, and through Stop.


T = TypeVar("T")

END_S = (0.2, *[0.05] * 6)  # for tasks to end, after each time that they are cancelled; the first has most to close
JOIN_S = 5.0  # how long `close` waits for the thread; it has nothing left to do by then


class LoopThread:
    """A daemon thread that runs an event loop until it is closed."""

    def __init__(self, name: str = "midspan") -> None:
        self.loop = asyncio.new_event_loop()
        self._executor = ThreadPoolExecutor(thread_name_prefix=name)
        self.loop.set_default_executor(self._executor)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    @property
    def is_open(self) -> bool:
        """Whether the loop still takes work."""
        return not self.loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run `work` in the thread and block until it is done (not from the thread itself)."""
        self._need_open(work)
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the thread and await it from another loop.

        Raises:
            Refusal: the thread is closed.
        """
        self._need_open(work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    async def answers(self, within_s: float) -> bool:
        """Whether the loop takes a turn in time. It does not while a call blocks in the thread."""
        turn = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop))
        return bool((await asyncio.wait({turn}, timeout=within_s))[0])

    def _need_open(self, work: Coroutine[Any, Any, Any]) -> None:
        if not self.is_open:
            work.close()  # nobody will run it
            raise Refusal("an open bench", Words("one that is closed"), "Open it again: `bench = await Bench()`")

    def close(self) -> list[str]:
        """End what is still running, stop the loop, join the thread. Safe to call twice.

        Returns:
            The names of the coroutines that had to be cancelled.
        """
        if not self.is_open:
            return []
        cancelled = self.run(self._end(), JOIN_S)
        self._thread.join(JOIN_S)
        return cancelled

    def close_later(self, first: Coroutine[Any, Any, Any]) -> None:
        """For a thread in which a call blocks: do `first` and end, as soon as that call returns. Does not wait."""
        asyncio.run_coroutine_threadsafe(self._end(first), self.loop)

    async def _end(self, first: Coroutine[Any, Any, Any] | None = None) -> list[str]:
        """In the thread. A worker thread is not waited for: it can be seen, and ends with its work.

        What waits for a worker is done still: aiohttp closes its files there.
        """
        if first is not None:
            await first
        cancelled = await cancel_others()
        await self.loop.shutdown_asyncgens()
        self._executor.shutdown(wait=False)
        self.loop.call_soon(self.loop.stop)
        return cancelled


async def cancel_others(turns: int = 0) -> list[str]:
    """Cancel every other task of this loop and wait until they have ended; give their names.

    `turns` of the loop come first, for those that are about to end by themselves.
    """
    for _ in range(turns):
        await asyncio.sleep(0)
    names = _names(_others())
    await end_others()
    return names


async def end_others() -> list[str]:
    """Cancel every other task of this loop, and again while one is left; the names of those that did not end.

    Once is not enough. A task that is cancelled may wait again in its `finally`, for a peer that never answers, and
    redis-py can take a cancellation for an error of its connection. It takes half a second at most.
    """
    for within_s in END_S:
        if not (left := _others()):
            return []
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=within_s)
    return _names(_others())


def _names(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    return sorted(coroutine_name(task) for task in tasks)


def _others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def coroutine_name(task: asyncio.Task[Any]) -> str:
    """The function that a task runs, as its author named it."""
    work = task.get_coro()
    return str(getattr(work, "__qualname__", work))


# Stop ends an awaiting cell at once.
#
# ipykernel answers SIGINT by cancelling the cell's task. The cancellation is only queued: where nothing else happens,
# the loop sleeps on in its selector and the cell "hangs" until the next event (17 s were seen). A wake-up descriptor
# makes the signal itself an event.


NO_DESCRIPTOR = -1  # what `signal.set_wakeup_fd` gives when none was set


@contextmanager
def stop_wakes(loop: asyncio.AbstractEventLoop) -> Iterator[bool]:
    """Let signals wake `loop` inside the block.

    Does nothing, and yields False, where it cannot be done: outside the main thread, on a loop that watches no
    descriptors (Windows' proactor), or where somebody has set a descriptor already (a loop with `add_signal_handler`
    wakes by itself).
    """
    if not (_in_main_thread() and _watches_descriptors(loop) and _free()):
        yield False
        return
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    try:
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        loop.add_reader(reading, _drain, reading)
        yield True
    finally:
        signal.set_wakeup_fd(NO_DESCRIPTOR)
        if not loop.is_closed():
            loop.remove_reader(reading)
        reading.close()
        writing.close()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _watches_descriptors(loop: asyncio.AbstractEventLoop) -> bool:
    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader


def _free() -> bool:
    """Whether no wake-up descriptor is set (the only way to ask is to set one and put the old one back)."""
    previous = signal.set_wakeup_fd(NO_DESCRIPTOR)
    if previous != NO_DESCRIPTOR:
        signal.set_wakeup_fd(previous)
    return previous == NO_DESCRIPTOR


def _drain(reading: socket.socket) -> None:
    try:
        while reading.recv(256):
            pass
    except BlockingIOError:
        return
