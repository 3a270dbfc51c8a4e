"""Catches code under test that looks at a real clock, waits on it, or takes chance from elsewhere than its `rng`.

Inside virtual time such a call gives no error of its own, only a run that cannot be replayed. So while a search runs,
the functions of the table below raise, in the search's thread only. A name that was imported before (`from time
import monotonic`) does not go through the module any more: those are looked for in the code itself.
"""

from __future__ import annotations

import datetime
import os
import random
import secrets
import socket
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self

from midspan.sim.errors import WallClock, outside

_CLOCK = "use asyncio.get_running_loop().time(), or the `now` that was passed as an argument"
_CHANCE = "use the `rng` that was passed as an argument"

FORBIDDEN: tuple[tuple[Any, tuple[str, ...], str], ...] = (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"), _CLOCK),
    (time, ("sleep",), "use await asyncio.sleep(seconds)"),
    (random, ("random", "uniform", "randint", "randrange", "choice", "choices", "shuffle", "sample"), _CHANCE),
    (random, ("getrandbits", "expovariate", "gauss", "triangular", "betavariate", "randbytes"), _CHANCE),
    (secrets, ("token_bytes", "token_hex", "token_urlsafe", "randbits", "choice", "randbelow"), _CHANCE),
    (uuid, ("uuid1", "uuid4"), _CHANCE),
    (os, ("urandom",), _CHANCE),
    (threading.Thread, ("start",), "write a coroutine and start it with asyncio.create_task"),
    (socket.socket, ("connect", "bind", "listen"), "use the `connect` that was passed as an argument"),
)
EXEMPT = ("logging", "asyncio", "concurrent", "midspan", "warnings", "threading", "tempfile")  # theirs is not a run's


_guards: dict[int, WallClockGuard] = {}  # by thread: several searches may run at once
_saved: list[tuple[Any, str, Any]] = []
_lock = threading.Lock()


class WallClockGuard:
    """A `with` block in which this thread cannot reach a real clock.

    Args:
        codes: classes or functions of the code under test, to look for names that were imported before.
    """

    def __init__(self, *codes: object) -> None:
        self._codes = codes
        self._caught: WallClock | None = None

    def __enter__(self) -> Self:
        for code in self._codes:
            look(code)
        with _lock:
            if not _guards:
                _install()
            _guards[threading.get_ident()] = self
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            del _guards[threading.get_ident()]
            if not _guards:
                _uninstall()

    def check(self) -> None:
        """Raise what was caught, even if the code under test swallowed it."""
        if self._caught is not None:
            raise self._caught

    def refuse(self, what: str, do: str) -> NoReturn:
        """Raise, and remember what was raised first."""
        self._caught = self._caught or outside(what, do)
        raise self._caught


def _install() -> None:
    for owner, names, do in FORBIDDEN:
        for name in names:
            original = getattr(owner, name)
            _saved.append((owner, name, original))
            setattr(owner, name, _in_place_of(original, f"{owner.__name__}.{name}", do))


def _uninstall() -> None:
    while _saved:
        setattr(*_saved.pop())


def _in_place_of(original: Callable[..., Any], what: str, do: str) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        guard = _guards.get(threading.get_ident())
        if guard is not None and sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] not in EXEMPT:
            guard.refuse(what, do)
        return original(*args, **kwargs)

    return guarded


def look(code: object) -> None:
    """Raise `WallClock` if this class or function uses a forbidden function under a name of its own."""
    seen: set[int] = set()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            for function in _functions(one):
                waiting += _look_into(function)


def _look_into(function: types.FunctionType) -> list[object]:
    """Check the global names that a function uses; the answer is those that are the learner's own code."""
    own = []
    names = set(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name)
        for owner, forbidden, do in FORBIDDEN:
            if callable(value) and any(value is one for one in _originals(owner, forbidden)):
                raise outside(f"{name} (in {function.__qualname__})", do)
        if any(value is one for one in (datetime, datetime.datetime)) and names & {"now", "utcnow", "today"}:
            raise outside(f"datetime.now (in {function.__qualname__})", _CLOCK)
        if getattr(value, "__module__", None) == function.__module__:
            own.append(value)
    return own


def _originals(owner: Any, names: tuple[str, ...]) -> Iterator[Any]:
    saved = {name: original for each, name, original in _saved if each is owner}
    for name in names:
        yield saved.get(name, getattr(owner, name))


def _functions(code: object) -> Iterator[types.FunctionType]:
    members = [code, *vars(code).values()] if isinstance(code, type) else [code]
    for member in members:
        inner = getattr(member, "__func__", member)  # class and static methods
        if isinstance(inner, types.FunctionType):
            yield inner


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
