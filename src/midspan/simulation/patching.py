"""Replace functions of modules and classes while runs need it, for each thread in its own way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Patch(Generic[T]):
    """Attributes that are replaced while at least one block is open. Blocks of several threads may overlap.

    A replacement asks `here` for the value of its thread's block. Without one it does what the original does.

    Args:
        replacements: the owner (a module or a class), the name and the new value of each attribute.
    """

    def __init__(self, replacements: Callable[[], Iterable[tuple[Any, str, Any]]]) -> None:
        self._replacements = replacements
        self._values: dict[int, T] = {}  # by thread
        self._originals: dict[tuple[Any, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def here(self) -> T | None:
        """The value of this thread's innermost block; None outside of all of its blocks."""
        return self._values.get(threading.get_ident())

    def original(self, owner: Any, name: str) -> Any:
        """This attribute as it is outside of all blocks."""
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
