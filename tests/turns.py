"""Tests side by side in several processes (`-n 3`), but for those that need the machine to themselves.

A test that starts ten kernels, or that says how long something takes, is marked `alone`: it begins when no other test
runs, and none begins before it has ended. Two locks do that, in files that all processes share: the *room* is held by
each test while it runs, by many or by one alone; the *door* is held while a test waits for the room, so that one who
waits for it to be empty keeps others from coming in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows: run the tests in one process there
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the room of this folder for the time of the block; alone, or beside others who do not mind."""
    with _locked(folder / "room.lock") as room:
        with _locked(folder / "door.lock") as listener:
            fcntl.flock(listener, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def is_alone(words: Collection[str] | None, made: set[str]) -> bool:
    """Whether a test needs the machine to itself.

    Args:
        words: of its mark; None without a mark. Of tests with the same word only the first is alone: it makes, in a
            fixture, what the others look at.
        made: the words that have been here before, in this process; grows.
    """
    if words is None:
        return False
    is_first = not made.issuperset(words)
    made.update(words)
    return is_first or not words


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    """A file to lock; given back by name at the end, since a forked child shares what we opened."""
    with path.open("a") as file:
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
