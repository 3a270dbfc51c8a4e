"""What a piece of work left behind: tasks, threads, sockets, processes.

A `Baseline` is taken before; what is there afterwards and was not there before is a leftover. What the kernel opens
for itself (its message loop, its ZeroMQ sockets) is not the learner's and is left out.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import psutil

from midspan.wires.thread import coroutine_name

SETTLE_TURNS = 20  # transports end a few turns of the loop after their owner let go of them; a look takes long, too
TURN_S = 0.01
TOOLS_OWN = ("_run_safe_shutdown_loop",)  # pycares, below aiodns: one for the process, which nobody can end
KERNELS_OWN = ("ipykernel", "IPython", "tornado", "jupyter_client", "zmq")


@dataclass(frozen=True)
class Leftovers:
    """What is still open, by kind; each as one short text."""

    tasks: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing is still open."""
        return not (self.tasks or self.threads or self.sockets or self.processes)

    def __str__(self) -> str:
        ended = [f"Ended for you: {', '.join(self.cancelled)}."] if self.cancelled else []
        if self.nothing:
            return "\n".join(["All closed. Still open: nothing.", *ended])
        kinds = {"task": self.tasks, "thread": self.threads, "socket": self.sockets, "process": self.processes}
        rows = [f"  {kind}: {name}" for kind, names in kinds.items() for name in names]
        advice = "Close what you opened (`async with` does it), or restart the kernel."
        return "\n".join(["Closed, but still open:", *rows, advice, *ended])


class Baseline:
    """What this process has open now."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = asyncio.all_tasks()
        self._threads = set(threading.enumerate())
        self._sockets = set(_sockets())
        self._listening = {local for local, peer in self._sockets if not peer}
        self._processes = set(psutil.Process().children(recursive=True))

    async def leftovers(self, cancelled: tuple[str, ...] = ()) -> Leftovers:
        """What has been opened since and is open still, after some turns of the loop."""
        for _ in range(SETTLE_TURNS):
            if (left := self._compare(cancelled)).nothing:
                break
            await asyncio.sleep(TURN_S)
        return left

    def _compare(self, cancelled: tuple[str, ...]) -> Leftovers:
        tasks = {task for task in asyncio.all_tasks() - self._tasks if not _kernels_own(task)}
        threads = set(threading.enumerate()) - self._threads
        sockets = {pair for pair in set(_sockets()) - self._sockets if pair[0] not in self._listening}
        processes = set(psutil.Process().children(recursive=True)) - self._processes
        return Leftovers(
            tasks=tuple(sorted(coroutine_name(task) for task in tasks - {asyncio.current_task()})),
            threads=tuple(sorted(thread.name for thread in threads if not _kernels_own_thread(thread))),
            sockets=tuple(sorted(f"{local} -> {peer}" if peer else f"{local} listening" for local, peer in sockets)),
            processes=tuple(sorted(f"{process.pid}" for process in processes)),
            cancelled=cancelled,
        )


def _sockets() -> list[tuple[str, str]]:
    """(local, peer) address of each TCP socket of this process; no peer: it listens."""
    connections = psutil.Process().net_connections("tcp")
    return [(_address(connection.laddr), _address(connection.raddr)) for connection in connections]


def _address(address: Any) -> str:
    return f"{address.ip}:{address.port}" if address else ""


def _kernels_own_thread(thread: threading.Thread) -> bool:
    """pyzmq starts one to free large outputs, from 64 KiB up: a picture can be that large."""
    is_tools_own = thread.name.startswith("IPython") or any(name in thread.name for name in TOOLS_OWN)
    return is_tools_own or type(thread).__module__.startswith(KERNELS_OWN)


def _kernels_own(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(f"/{name}/" in code.co_filename.replace("\\", "/") for name in KERNELS_OWN)
