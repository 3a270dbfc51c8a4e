"""What a simulation does not allow, and says so: a real clock, real waiting, random numbers from elsewhere."""

from __future__ import annotations

import datetime
import os
import random
import secrets
import socket
import sys
import threading
import time
import traceback
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self

from midspan.simulation.patching import Patch

CELLS = ("<cell ", "<ipython-input")  # how the files of a notebook's cells begin; a kernel's lie in ipykernel_123/


class SimulationError(RuntimeError):
    """The code under test did what cannot be simulated."""

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class Deadlock(SimulationError):
    """Nothing is ready and no timer is set: everyone waits for someone who waits."""


class OutOfTime(SimulationError):
    """A run went past its virtual seconds or its steps."""


class WallClock(SimulationError):
    """The code under test asked for something that lives outside virtual time."""


def outside(what: str, do: str) -> WallClock:
    """The sentence for something that virtual time cannot contain."""
    return WallClock(f"Your code uses {what}, which virtual time does not reach, so a run could not be replayed: {do}.")


def crash_in_words(error: BaseException) -> str:
    """An error of the code under test in one line: with the line of the notebook's cell, if it came from one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(CELLS) or "ipykernel_" in frame.filename]
    where = f" in {own[-1].name}(), line {own[-1].lineno}: {own[-1].line}" if own else ""
    return f"{type(error).__name__}: {error}{where}"


# In virtual time these calls give no error of their own, only a run that cannot be replayed. So while a search runs,
# they raise, in the search's thread only. A name that was imported before (`from time import monotonic`) does not go
# through the module any more: such names are looked for in the code itself.


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


class WallClockGuard:
    """A `with` block in which this thread cannot read a real clock, wait on it, or take random numbers from elsewhere.

    Args:
        codes: classes or functions of the code under test, to look for names that were imported before.
    """

    def __init__(self, *codes: object) -> None:
        self._codes = codes
        self._caught: WallClock | None = None

    def __enter__(self) -> Self:
        for code in self._codes:
            refuse_forbidden_names(code)
        self._block = _forbidden.block(self)
        self._block.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)

    def check(self) -> None:
        """Raise what was caught, even if the code under test swallowed it."""
        if self._caught is not None:
            raise self._caught

    def refuse(self, what: str, do: str) -> NoReturn:
        """Raise, and remember what was raised first."""
        self._caught = self._caught or outside(what, do)
        raise self._caught


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    for owner, names, do in FORBIDDEN:
        for name in names:
            yield owner, name, _in_place_of(getattr(owner, name), f"{owner.__name__}.{name}", do)


_forbidden: Patch[WallClockGuard] = Patch(_replacements)  # several searches may run at once, each in its thread


def _in_place_of(original: Callable[..., Any], what: str, do: str) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        guard = _forbidden.here
        if guard is not None and sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] not in EXEMPT:
            guard.refuse(what, do)
        return original(*args, **kwargs)

    return guarded


def refuse_forbidden_names(code: object) -> None:
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
            if callable(value) and any(value is _forbidden.original(owner, each) for each in forbidden):
                raise outside(f"{name} (in {function.__qualname__})", do)
        if any(value is one for one in (datetime, datetime.datetime)) and names & {"now", "utcnow", "today"}:
            raise outside(f"datetime.now (in {function.__qualname__})", _CLOCK)
        if getattr(value, "__module__", None) == function.__module__:
            own.append(value)
    return own


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
