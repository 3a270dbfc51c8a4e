"""Functions that a run replaces in other modules, and functions that it refuses: a real clock, a real wait."""

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NoReturn, Self, TypeVar

from midspan.errors import InOneSentence

# Replace attributes of modules and classes while a run needs it, for each thread separately.


T = TypeVar("T")


class Patch(Generic[T]):
    """Attributes of modules and classes that are replaced while at least one block is open.

    Blocks of several threads may overlap. A replacement looks at `here`, the value of its own thread's block. If that
    is None, it must do what the original does.

    Args:
        replacements: gives the owner (a module or a class), the name and the new value of each attribute.
    """

    def __init__(self, replacements: Callable[[], Iterable[tuple[Any, str, Any]]]) -> None:
        self._replacements = replacements
        self._values: dict[int, T] = {}  # by thread
        self._originals: dict[tuple[Any, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def here(self) -> T | None:
        """The value of the innermost block of this thread; None if it has no open block."""
        return self._values.get(threading.get_ident())

    def original(self, owner: Any, name: str) -> Any:
        """The value that this attribute has without replacement."""
        return self._originals.get((owner, name)) or getattr(owner, name)

    @contextmanager
    def block(self, value: T) -> Iterator[T]:
        """Open a block for this thread, with this value."""
        thread = threading.get_ident()
        with self._lock:
            if not self._values:
                for owner, name, new in self._replacements():
                    self._originals[owner, name] = getattr(owner, name)
                    setattr(owner, name, new)
            outer = self._values.get(thread)
            self._values[thread] = value
        try:
            yield value
        finally:
            with self._lock:
                if outer is not None:
                    self._values[thread] = outer
                else:
                    del self._values[thread]
                if not self._values:
                    for (owner, name), original in self._originals.items():
                        setattr(owner, name, original)
                    self._originals.clear()


# The errors of code that cannot be simulated.


CELLS = ("<cell ", "<ipython-input")  # how the file names of notebook cells begin


class SimulationError(InOneSentence, RuntimeError):
    """The code under test did something that cannot be simulated."""


class Deadlock(SimulationError):
    """No callback is ready and no timer is set: the tasks wait for each other."""


class OutOfTime(SimulationError):
    """A run took more virtual seconds or more steps than its limit."""


class WallClock(SimulationError):
    """The code under test used a real clock, a real wait, a socket, a thread or random numbers of its own."""


def outside(what: str, do: str) -> WallClock:
    """A `WallClock` error with its sentence: what the code uses, and what to do instead."""
    return WallClock(f"Your code uses {what}, which virtual time does not reach, so a run could not be replayed: {do}.")


def crash_in_words(error: BaseException) -> str:
    """An error of the code under test in one line, with the line of the notebook cell that raised it, if any."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(CELLS) or "ipykernel_" in frame.filename]
    where = f" in {own[-1].name}(), line {own[-1].lineno}: {own[-1].line}" if own else ""
    return f"{type(error).__name__}: {error}{where}"


# In virtual time these calls would give no error, but a run that cannot be replayed. So they raise an error during a
# search, in the thread of the search only. A name that was imported earlier (`from time import monotonic`) still
# means the original function, so the guard looks for such names in the code itself.


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
EXEMPT = ("logging", "asyncio", "concurrent", "midspan", "warnings", "threading", "tempfile")  # may call them


class WallClockGuard:
    """A `with` block in which this thread cannot read a real clock, wait for it, or draw unseeded random numbers.

    Args:
        codes: classes or functions of the code under test, to search for names that were imported earlier.
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
        """Raise the first refusal again, because the code under test may have caught it."""
        if self._caught is not None:
            raise self._caught

    def refuse(self, what: str, do: str) -> NoReturn:
        """Raise a `WallClock` error, and keep the first one."""
        self._caught = self._caught or outside(what, do)
        raise self._caught


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    for owner, names, do in FORBIDDEN:
        for name in names:
            yield owner, name, _guarded(getattr(owner, name), f"{owner.__name__}.{name}", do)


_forbidden: Patch[WallClockGuard] = Patch(_replacements)  # several searches may run at once, in different threads


def _guarded(original: Callable[..., Any], what: str, do: str) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        guard = _forbidden.here
        if guard is not None and sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] not in EXEMPT:
            guard.refuse(what, do)
        return original(*args, **kwargs)

    return guarded


def refuse_forbidden_names(code: object) -> None:
    """Raise `WallClock` if this class or function uses a forbidden function that was imported by name."""
    seen: set[int] = set()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            for function in _functions(one):
                waiting += _check_names(function)


def _check_names(function: types.FunctionType) -> list[object]:
    """Check the global names that a function uses. Returns those that belong to the same module, to check them too."""
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
