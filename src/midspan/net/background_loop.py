"""asyncio, as a notebook needs it: a background loop, a Stop that ends a cell at once, closed transports that hold."""

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

# A background thread with a loop of its own is the home of what lives across cells.
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


# What asyncio promises of a transport that is closed, kept on every Python that we support.
#
# Two methods break in some versions, and a right program fails there:
#
# - `abort()` of a TLS transport that is closed already raises AttributeError in 3.11.2, which is Debian 12's Python.
#   Later versions do nothing.
# - `writelines()` does what `write()` does, says the documentation. 3.12 gave TCP transports one of their own. On a
#   closed transport it raises TypeError or AttributeError, where `write` drops the data (CPython issue 136234; redis
#   writes in this way). In 3.12.1 and 3.13.0 it also never pauses the writer, so `drain()` waits for nothing (127655).
#
# A version's number says little, because distributions take single corrections over. So we ask the method itself.


Method = Callable[..., Any]

TLS_TRANSPORT: type = sslproto._SSLProtocolTransport
TCP_TRANSPORT: type = cast(Any, selector_events)._SelectorSocketTransport


def fix_closed_transports(tls: type = TLS_TRANSPORT, tcp: type = TCP_TRANSPORT) -> list[str]:
    """Replace those of the two methods that break their promise; returns the names of the methods replaced.

    `midspan.net` calls it when it is imported: once a process, for our own code, for libraries and for learners.

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
    """Whether the method raises on a transport that is closed. A stand-in has what such a transport has."""
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
