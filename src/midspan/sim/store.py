"""What survives a crash: a few facts, written at once, and a log, written in its time.

A `Store` is the handle of one process on its disk. When the process is killed the handle goes dead: what the process
had not finished writing is not there for its successor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, MutableMapping
from typing import NamedTuple

from midspan.arguments import checked
from midspan.refusal import need
from midspan.sim.history import Recorder

Fact = str | int | float | bytes | bool | None | tuple[str | int | float | bytes | bool | None, ...]

_FACTS = frozenset({str, int, float, bytes, bool, type(None)})


def _is_fact(value: object) -> bool:
    """What cannot change later; a tuple can hold what can."""
    return type(value) in _FACTS or (type(value) is tuple and all(map(_is_fact, value)))


class Entry(NamedTuple):
    """One entry of the log: the message, opaque, and what its writer wants to know of it later."""

    body: str
    facts: Mapping[str, Fact]


class Disk:
    """What is durable, whoever holds it."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.log: list[Entry] = []

    def wipe(self) -> None:
        self.facts.clear()
        self.log.clear()


class Store(MutableMapping[str, Fact]):
    """A process's handle on its disk.

    As a mapping it holds small facts (`store["epoch"] = 7`): a write is durable when the statement is done. The log is
    appended to with `await`: an entry is durable when the call returns, and not before. A store that needs no time for
    it says so, `writes_at_once`, and then has `write` as well.

    Args:
        disk: what the process before left.
        write_s: what an append takes; a read takes half of it.
        recorder: told of each entry of a server's log; None for a client's store.
    """

    @checked
    def __init__(self, disk: Disk, write_s: float, recorder: Recorder | None = None) -> None:
        self._disk, self._write_s, self._recorder = disk, write_s, recorder
        self._dead = False

    async def append(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log."""
        need(isinstance(body, str), "the message as it was sent, a str", body, "Append the body, and facts by keyword")
        if not self.writes_at_once:
            await asyncio.sleep(self._write_s)
        self._written(body, facts)

    @property
    def writes_at_once(self) -> bool:
        """Whether an append takes no time: nothing has to be waited for."""
        return self._write_s == 0

    def write(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log, durable when the call returns.

        Raises:
            Refusal: this store takes its time; await `append`.
        """
        need(isinstance(body, str), "the message as it was sent, a str", body, "Write the body, and facts by keyword")
        need(self.writes_at_once, "a store that writes at once", f"one that takes {self._write_s:g} s", "Await append")
        self._written(body, facts)

    def _written(self, body: str, facts: Mapping[str, Fact]) -> None:
        if not self._dead:
            self._disk.log.append(Entry(body, facts))
            if self._recorder is not None:
                self._recorder.durable(body)

    async def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """The entries of the log after the first `after`, `most` at most.

        As with any database they are those of the moment at which the read began; what is appended while it lasts is
        not among them.
        """
        entries = self._disk.log[after : None if most is None else after + most]
        await asyncio.sleep(self._write_s / 2)
        return entries

    def kill(self) -> None:
        """The process is gone: what it still tries to write is not written."""
        self._dead = True

    def __getitem__(self, key: str) -> Fact:
        return self._disk.facts[key]

    def __setitem__(self, key: str, value: Fact) -> None:
        if not _is_fact(value):
            need(False, "a fact: str, int, float, bytes or a tuple of them", value, "Store what cannot change later")
        if not self._dead:
            self._disk.facts[key] = value

    def __delitem__(self, key: str) -> None:
        if not self._dead:
            del self._disk.facts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._disk.facts)

    def __len__(self) -> int:
        return len(self._disk.facts)
