"""The sessions of finished labs, for `make bench`: how a process of the bench starts each, and how one speaks to it."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

from midspan.bench.prices.dialects import Echo, Envelope, Message
from midspan.bench.prices.servers import Tls
from midspan.bench.prices.session import serve_cast
from midspan.bench.prices.starting import Contender, contender

_names = itertools.count(1)


async def lab3(tls: Tls, source: str) -> AsyncIterator[int]:
    """The session of lab 3, from "solutions", "labs" or a notebook."""
    from midspan.checks.lab3_failure.cast import cast_of

    async for port in serve_cast(cast_of(source), tls):
        yield port


class Lab3(Envelope):
    """Lab 3's packets in JSON. The client is alone in its room: its own entry comes back to it, and is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.me, self.ready = f"c{next(_names)}", False
        self.path = f"/{self.me}"  # a room of its own

    def first(self) -> list[Message]:
        return [json.dumps(["hello", self.me, "token", "", 0, 1])]

    def events(self, count: int) -> list[Message]:
        first, self._number = self._number + 1, self._number + count
        return [json.dumps(["say", number, Echo.text]) for number in range(first, self._number + 1)]

    def hear(self, message: Message) -> list[Message]:
        kind, number, *_ = json.loads(message)
        if kind == "ack":
            self.acked = max(self.acked, number)
        elif kind == "welcome":
            self.ready = True
        return []


def lab3_contender(source: str = "solutions") -> Contender:
    """Lab 3's session on trial."""
    options: dict[str, Any] = {"source": source}
    return contender("lab 3", lab3, Lab3, note="nothing lost, nothing twice, in order", **options)


def sessions(source: str = "solutions") -> tuple[Contender, ...]:
    """The session that is held to the bars, and others that are measured along."""
    return (lab3_contender(source),)
