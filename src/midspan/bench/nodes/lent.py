"""What a run lends to redis, the nodes' library: its chance, and somebody who closes what killed nodes left open."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import redis.utils
from redis.asyncio import Redis


@contextmanager
def chance(seed: int) -> Iterator[None]:
    """Seed the chance that all share: redis waits at random before it tries again."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def clients() -> Iterator[list[Redis]]:
    """Every client of a broker that this thread makes in the block.

    A process that is killed closes nothing; the system does. Our nodes live in one process, so somebody must do it for
    them, or redis complains when it finds a client that was forgotten.
    """
    made: list[Redis] = []
    here, init = threading.get_ident(), Redis.__init__
    version = redis.utils.get_lib_version

    def noting(self: Redis, *args: Any, **options: Any) -> None:
        if threading.get_ident() == here:
            made.append(self)
        init(self, *args, **options)

    _set_init(noting)
    redis.utils.get_lib_version = cache(version)  # else read from its package's files for each connection
    try:
        yield made
    finally:
        redis.utils.get_lib_version = version
        _set_init(init)


def _set_init(init: Callable[..., None]) -> None:
    setattr(Redis, "__init__", init)  # noqa: B010  # mypy: a method that is assigned
