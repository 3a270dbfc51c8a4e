"""A run's clock and chance, lent to libraries that bring their own.

`python-engineio` and the two reconnecting clients call `time.time()`, `random.random()` and `secrets.token_bytes()`.
Inside a run these must be the run's, or it could not be replayed. The names of the modules below stand for the run's
while a run lasts, in its thread alone; in every other thread they are what they always were.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

BORROWERS = (
    ("engineio.async_socket", "time"),  # last_ping, compared with ping_timeout
    ("engineio.base_socket", "time"),
    ("engineio.base_server", "secrets"),  # the session's id
    ("socketio.async_client", "random"),  # the jitter of a reconnection
    ("websockets.client", "random"),  # the first delay of a reconnection
)

_runs: dict[int, random.Random] = {}  # by thread
_saved: list[tuple[ModuleType, str, Any]] = []
_lock = threading.Lock()


@contextmanager
def clock_and_chance(seed: int) -> Iterator[None]:
    """Lend the libraries this thread's run: their time is its event loop's, their chance comes from `seed`."""
    here = threading.get_ident()
    with _lock:
        if not _runs:
            _lend()
        outer = _runs.get(here)
        _runs[here] = random.Random(seed)
    try:
        yield
    finally:
        with _lock:
            if outer is not None:
                _runs[here] = outer
            else:
                del _runs[here]
            if not _runs:
                _take_back()


def _lend() -> None:
    lent = {"time": _Lent(time, time=_now), "random": _Lent(random, random=_random)}
    lent["secrets"] = _Lent(secrets, token_bytes=_token_bytes)
    for name, attribute in BORROWERS:
        module = import_module(name)
        _saved.append((module, attribute, getattr(module, attribute)))
        setattr(module, attribute, lent[attribute])


def _take_back() -> None:
    while _saved:
        setattr(*_saved.pop())


class _Lent:
    """A module with some of its functions replaced."""

    def __init__(self, module: ModuleType, **replaced: Any) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _now() -> float:
    return asyncio.get_running_loop().time() if threading.get_ident() in _runs else time.time()


def _random() -> float:
    run = _runs.get(threading.get_ident())
    return random.random() if run is None else run.random()


def _token_bytes(count: int) -> bytes:
    run = _runs.get(threading.get_ident())
    return secrets.token_bytes(count) if run is None else run.randbytes(count)
