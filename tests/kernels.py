"""A kernel driven from a test: run cells, look inside, interrupt, restart, and see what it left behind."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import KernelManager

from tests.course import Cell, Notebook

ANSWER_S = 150.0  # the longest that one cell may take; a bound, not an expectation

# Runs in the kernel. What ipykernel itself holds is there before the first cell, so we compare with that; but pyzmq
# starts a thread of its own with the first output of 64 KiB or more.
FACTS = """
def _facts():
    import asyncio, gc, json, psutil, threading
    gc.collect()
    me = psutil.Process()
    print(json.dumps({
        "threads": [it.name for it in threading.enumerate() if not type(it).__module__.startswith("zmq.")],
        "tasks": [getattr(task.get_coro(), "__qualname__", str(task)) for task in asyncio.all_tasks()],
        "sockets": [f"{it.type.name} {it.laddr} {it.raddr} {it.status}" for it in me.net_connections(kind="all")],
        "children": [" ".join(child.cmdline()) for child in me.children(recursive=True)],
    }))
_facts()
del _facts
"""

Facts = dict[str, list[str]]


@dataclass
class Ran:
    """One cell that ran: its outputs in the notebook format's shape, how long it took."""

    cell: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def error(self) -> str:
        """The exception's name and text; "" when the cell ended well."""
        return next((f"{it['ename']}: {it['evalue']}" for it in self.outputs if "ename" in it), "")

    @property
    def text(self) -> str:
        """Everything it printed, and the text form of everything it showed."""
        return "".join(it.get("text", it.get("data", {}).get("text/plain", "")) for it in self.outputs)


class Kernel:
    """A live kernel and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manager: Any = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client: Any = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=ANSWER_S)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.manager.provisioner.pid)

    def run(self, code: str, *, seen: Callable[[dict[str, Any]], None] | None = None) -> Ran:
        """Run one cell and wait for its end; `seen` gets each output as it arrives."""
        ran = Ran(code)

        def keep(message: dict[str, Any]) -> None:
            if message["msg_type"] in {"stream", "display_data", "execute_result", "error"}:
                ran.outputs.append(message["content"])
                if seen:
                    seen(message["content"])

        begin_s = time.monotonic()
        self.client.execute_interactive(
            code, allow_stdin=False, stop_on_error=False, timeout=ANSWER_S, output_hook=keep
        )
        ran.took_s = time.monotonic() - begin_s
        return ran

    def run_all(self, notebook: Notebook) -> list[Ran]:
        return [self.run(cell.source) for cell in notebook.code]

    def facts(self) -> Facts:
        """Threads, tasks, sockets and child processes of the kernel, as it sees them itself."""
        ran = self.run(FACTS)
        assert not ran.error, ran.error
        found: Facts = json.loads(ran.text)
        return found

    def stop(self) -> None:
        """What the Stop button comes to (the manager's own call would start a thread here, amid an awaited reply)."""
        self.process.send_signal(signal.SIGINT)

    def restart(self) -> None:
        self.manager.restart_kernel(now=False)
        self.client.wait_for_ready(timeout=ANSWER_S)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@contextlib.contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel that ends with the block; what it started must end with it."""
    live = Kernel(folder)
    family = [live.process, *live.process.children(recursive=True)]
    try:
        yield live
        family += live.process.children(recursive=True)
    finally:
        live.close()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive, f"outlived its kernel: {alive}"


def unexpected(notebook: Notebook, ran: list[Ran]) -> list[str]:
    """The errors that no tag of their cell announces."""
    pairs: list[tuple[Cell, Ran]] = list(zip(notebook.code, ran, strict=True))
    return [f"{one.cell[:80]!r} -> {one.error}" for cell, one in pairs if one.error and not _may_raise(cell)]


def _may_raise(cell: Cell) -> bool:
    return "raises-exception" in cell.tags


def left(before: Facts, after: Facts) -> list[str]:
    """What came since `before` and stayed."""
    return [f"{kind}: {thing}" for kind in before for thing in _more(before[kind], after[kind])]


def _more(before: list[str], after: list[str]) -> list[str]:
    rest = list(before)
    return [thing for thing in after if thing not in rest or rest.remove(thing)]  # type: ignore[func-returns-value]
