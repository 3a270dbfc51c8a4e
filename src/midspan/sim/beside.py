"""Where a simulation runs: on the thread that asks, or in one beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from midspan.sim.clock import LIMIT_S, VirtualLoop

T = TypeVar("T")
P = ParamSpec("P")


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
    results: list[T] = []
    raised: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, name="midspan-sim", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)  # in slices, so that Stop (KeyboardInterrupt) reaches the cell
    if raised:
        raise raised[0]
    return results[0]
