"""asyncio in a notebook: a loop in a background thread, Stop that ends a cell at once, corrected closed transports."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from asyncio import selector_events, sslproto, transports
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from midspan.errors import Refusal, Words

# A thread with a loop of its own, for servers that run longer than one cell.
#
# A server on the kernel's loop does not run while a cell computes. A synchronous client in a cell would then wait for
# ever. A server in this thread always runs, also after Stop.


T = TypeVar("T")

END_S = (0.2, *[0.05] * 6)  # how long to wait for tasks after each cancellation; most tasks end after the first
JOIN_S = 5.0  # how long `close` waits for the thread, which has nothing left to do


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
        """Whether the loop still accepts coroutines."""
        return not self.loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run `work` in the thread, and block until it is done. Do not call this from the thread itself."""
        self._need_open(work)
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the thread, and await it from another loop.

        Raises:
            Refusal: the thread is closed.
        """
        self._need_open(work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    async def answers(self, within_s: float) -> bool:
        """Whether the loop runs a callback within this time. It does not while a call blocks the thread."""
        turn = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop))
        return bool((await asyncio.wait({turn}, timeout=within_s))[0])

    def _need_open(self, work: Coroutine[Any, Any, Any]) -> None:
        if not self.is_open:
            work.close()  # no loop will run it
            raise Refusal("an open bench", Words("one that is closed"), "Open it again: `bench = await Bench()`")

    def close(self) -> list[str]:
        """Cancel all tasks, stop the loop, and join the thread. It may be called twice.

        Returns:
            The names of the coroutines that had to be cancelled.
        """
        if not self.is_open:
            return []
        cancelled = self.run(self._end(), JOIN_S)
        self._thread.join(JOIN_S)
        return cancelled

    def close_later(self, first: Coroutine[Any, Any, Any]) -> None:
        """Do `first` and end the loop, as soon as the call that blocks the thread returns. Does not wait."""
        asyncio.run_coroutine_threadsafe(self._end(first), self.loop)

    async def _end(self, first: Coroutine[Any, Any, Any] | None = None) -> list[str]:
        """Runs in the thread. It does not wait for worker threads: each ends after its current work.

        Tasks that wait for a worker can still end, because the executor is shut down last (aiohttp closes files there).
        """
        if first is not None:
            await first
        cancelled = await cancel_others()
        await self.loop.shutdown_asyncgens()
        self._executor.shutdown(wait=False)
        self.loop.call_soon(self.loop.stop)
        return cancelled


async def cancel_others(turns: int = 0) -> list[str]:
    """Cancel every other task of this loop, and wait until they have ended. Returns their names.

    Before that it waits for `turns` turns of the loop, for tasks that are about to end by themselves.
    """
    for _ in range(turns):
        await asyncio.sleep(0)
    names = _names(_others())
    await end_others()
    return names


async def end_others() -> list[str]:
    """Cancel every other task of this loop, several times if needed. Returns the names of those that did not end.

    One cancellation is not always enough. A task may wait again in its `finally` for a peer that never answers, and
    redis-py may treat a cancellation as an error of its connection. This takes at most half a second.
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
    """The name of the function that a task runs."""
    work = task.get_coro()
    return str(getattr(work, "__qualname__", work))


# Let Stop end a cell at once that awaits something.
#
# On SIGINT ipykernel cancels the task of the cell. This is only queued: the loop still waits in its selector until the
# next event (up to 17 s were measured). With a wake-up descriptor the signal itself is an event.


NO_DESCRIPTOR = -1  # the result of `signal.set_wakeup_fd` if none was set


@contextmanager
def stop_wakes(loop: asyncio.AbstractEventLoop) -> Iterator[bool]:
    """Let signals wake `loop` inside the block.

    Does nothing and yields False where this is impossible: outside the main thread, on a loop that watches no
    descriptors (Windows' proactor), or if a descriptor is set already (as with `add_signal_handler`).
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
    """Whether no wake-up descriptor is set. (To know it one must set one, and set the old one again.)"""
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


# Corrections of two methods of closed transports, which raise in some versions of Python:
#
# - `abort()` of a closed TLS transport raises AttributeError in 3.11.2, the Python of Debian 12. Later versions do
#   nothing.
# - `writelines()` must do the same as `write()`, by the documentation. Since 3.12 TCP transports have their own method.
#   On a closed transport it raises TypeError or AttributeError, but `write` ignores the data (CPython issue 136234;
#   redis-py uses it). In 3.12.1 and 3.13.0 it also never pauses the writer, so `drain()` does not wait (127655).
#
# The version does not tell whether a method is wrong, because distributions add single corrections. So the method
# itself is tested.


Method = Callable[..., Any]

TLS_TRANSPORT: type = sslproto._SSLProtocolTransport
TCP_TRANSPORT: type = cast(Any, selector_events)._SelectorSocketTransport


def fix_closed_transports(tls: type = TLS_TRANSPORT, tcp: type = TCP_TRANSPORT) -> list[str]:
    """Replace those of the two methods that are wrong. Returns the names of the replaced methods.

    The import of `midspan.net` calls it, once in a process. It has an effect for all code of the process.

    Args:
        tls: the class of TLS transports, which has `abort`.
        tcp: the class of TCP transports, which has `writelines`.
    """
    broken = []
    if _breaks(tls, "abort"):
        broken.append(_replace(tls, "abort", _abort_if_open(tls)))
    if _breaks(tcp, "writelines", [b"x"]):
        broken.append(_replace(tcp, "writelines", transports.WriteTransport.writelines))
    return broken


def _breaks(transport: type, method: str, *arguments: object) -> bool:
    """Whether the method raises on a closed transport. The test uses an object with the same attributes."""
    closed = SimpleNamespace(
        _ssl_protocol=None,
        _closed=True,
        _force_close=lambda _: None,
        write=lambda _: None,
        _conn_lost=1,
        _eof=False,
        _empty_waiter=None,
        _buffer=deque(),
        _write_ready=None,
        _loop=None,
        _sock_fd=-1,
    )
    try:
        getattr(transport, method)(closed, *arguments)
    except (AttributeError, TypeError):
        return True
    return False


def _abort_if_open(tls: type) -> Method:
    abort: Method = vars(tls)["abort"]

    def abort_if_open(self: Any) -> None:
        """Close the transport immediately; do nothing to one that is closed."""
        self._closed = True
        if self._ssl_protocol is not None:
            abort(self)

    return abort_if_open


def _replace(transport: type, method: str, by: Method) -> str:
    setattr(transport, method, by)
    return method
