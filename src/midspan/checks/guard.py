"""What the judge's child forbids itself before a learner's answer runs: new processes, signals, most of the memory.

This keeps an honest mistake (a fork bomb, a list that grows for ever) from hurting its neighbours. It is no
sandbox: code that sets out to do harm needs a container around the judge.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, NoReturn

MEMORY_BYTES = 1 << 30  # that an answer may take beyond what is in use when it starts
FORBIDDEN = {
    # audit events of the standard library (docs: "Audit events table") -> what the answer did
    "os.fork": "os.fork()",
    "os.forkpty": "os.forkpty()",
    "os.posix_spawn": "os.posix_spawn()",
    "os.spawn": "os.spawn*()",
    "os.exec": "os.exec*()",
    "os.system": "os.system()",
    "os.startfile": "os.startfile()",
    "os.kill": "os.kill()",
    "os.killpg": "os.killpg()",
    "pty.spawn": "pty.spawn()",
    "subprocess.Popen": "a subprocess",
    "_winapi.CreateProcess": "a subprocess",
}


class Forbidden(RuntimeError):
    """Raised in the answer, at the place where it tries."""


def forbid_processes() -> list[str]:
    """From now on, starting or signalling a process raises `Forbidden`. Returns the list that tells of each attempt."""
    attempts: list[str] = []

    def refuse(what: str) -> NoReturn:
        attempts.append(what)
        raise Forbidden(f"the judge does not let an answer use {what}")

    def hook(event: str, _: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            refuse(FORBIDDEN[event])

    def no_exec(*_: object) -> NoReturn:
        refuse("multiprocessing")

    sys.addaudithook(hook)
    with contextlib.suppress(ImportError):  # multiprocessing's "spawn" calls this one, which has no audit event
        import _posixsubprocess

        _posixsubprocess.fork_exec = no_exec
    return attempts


@contextlib.contextmanager
def little_memory() -> Any:
    """Limit the address space for the time of the block, where the system knows such a limit (Linux does)."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash writes no file
        old = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, old[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
