"""Where processes run, and what the system says that they used. No other module here asks it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

TASKS = Path("/proc")  # Linux: /proc/PID/task/TID/schedstat begins with the nanoseconds that a thread has run


def cores() -> tuple[int, int] | None:
    """A core for the server and another for the load; None where the system does not let us choose, or has one."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[-1], allowed[-2]) if len(allowed) > 1 else None


def pin(pid: int, core: int) -> None:
    """Keep a process, with all its threads, on one core."""
    for thread in psutil.Process(pid).threads():
        with suppress(ProcessLookupError):  # it has ended since
            os.sched_setaffinity(thread.id, {core})


@contextmanager
def beside(pid: int) -> Iterator[None]:
    """Within the block, keep the load on the server's core; where the system does not let us choose, do nothing."""
    ours = cores()
    if ours is not None:
        pin(pid, ours[0])
    try:
        yield
    finally:
        if ours is not None:
            pin(pid, ours[1])


def cpu_s(pid: int) -> float:
    """Processor time that a process has used so far, user and system, all threads; by the nanosecond on Linux."""
    told = []
    for path in (TASKS / str(pid) / "task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended since
            told.append(path.read_text())
    if told:
        return sum(int(line.split()[0]) for line in told) / 1e9
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(psutil.Process(pid).memory_info().rss)


def listener(port: int) -> int | None:
    """Which process listens on a loopback port; None if the system does not tell us."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    listening = {one.laddr.port: one.pid for one in connections if one.laddr and one.status == psutil.CONN_LISTEN}
    return listening.get(port)
