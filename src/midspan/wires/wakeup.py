"""Stop ends an awaiting cell at once.

ipykernel answers SIGINT by cancelling the cell's task. The cancellation is only queued: where nothing else happens,
the loop sleeps on in its selector and the cell "hangs" until the next event (17 s were seen). A wake-up descriptor
makes the signal itself an event.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
