"""Where a simulation runs: on the thread that asks, or in one beside it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from midspan.arguments import checked
from midspan.refusal import need
from midspan.sim.clock import LIMIT_S, VirtualLoop

_UNWANTED: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
T = TypeVar("T")
P = ParamSpec("P")


@checked
def run(main: Coroutine[Any, Any, T], limit_s: float = LIMIT_S) -> T:
    """Run one coroutine to its end in virtual time, on this thread, and leave nothing behind."""
    loop = VirtualLoop(limit_s)
    try:
        return loop.run_until_complete(main)
    finally:
        main.close()
        loop.clear()


def beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread beside the caller's loop, and wait for it.

    A notebook's cell runs on the kernel's loop, and a thread has one running loop at most.
    Raises what `function` raises.
    """
    need(callable(function), "a function", function, "Pass it by its name, then its arguments")
    results: list[T] = []
    raised: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, name="midspan-sim", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)  # in slices, so that Stop (KeyboardInterrupt) reaches the cell
    finally:
        _UNWANTED.add(thread)  # if it still runs, nobody waits for it any more
    if raised:
        raise raised[0]
    return results[0]


def wanted() -> bool:
    """Does somebody still wait for this thread? Long work asks now and then, and ends when nobody does."""
    return threading.current_thread() not in _UNWANTED
