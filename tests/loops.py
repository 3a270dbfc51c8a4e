"""Async tests without a plugin: each runs in an `asyncio.run` of its own, so forgotten tasks are seen at its end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from midspan.simulation.tls.loop import VirtualTimeSelectorLoop

P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make an async test one that pytest can call."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def in_jumping_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """As `in_a_loop`, on real sockets and a clock that does not wait: seconds of the test take no time of ours."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeSelectorLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
