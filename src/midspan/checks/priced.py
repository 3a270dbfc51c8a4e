"""The sessions of finished labs, for `make bench`: how a process of the bench starts each, and how one speaks to it."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from midspan.bench.prices.code import code_of
from midspan.bench.prices.dialects import Echo, Envelope
from midspan.bench.prices.servers import Tls
from midspan.bench.prices.session import serve_cast
from midspan.bench.prices.starting import Contender, contender
from midspan.checks.finished import finished
from midspan.sim import Bounds
from midspan.wires.certs import HOST
from midspan.wires.thin import Message

WIDE = Bounds(outbox=128, replay=128)  # a schedule's are meant to be hit; these leave room for a burst

_names = itertools.count(1)


async def lab3(tls: Tls, source: str) -> AsyncIterator[int]:
    """The session of lab 3, with room for a burst."""
    async for port in serve_cast(replace(finished("lab3_failure", source).ours, bounds=WIDE), tls):
        yield port


async def lab5(tls: Tls, source: str, on_picows: bool = False) -> AsyncIterator[int]:
    """The session of lab 5, by its own `serve_session`: a log for each client's name."""
    names = finished("lab5_overhead", source)
    if on_picows:  # the library below it is another one; the session stays as it is
        below = import_module("midspan.bench.prices.picows_session")
        vars(names).update(websockets=below, broadcast=below.broadcast)
    server = await names.serve_session(HOST, 0, tls)
    yield next(iter(server.sockets)).getsockname()[1]
    server.close()


class Lab3(Envelope):
    """Lab 3's packets in JSON. The client is alone in its room: its own entry comes back to it, and is passed over."""

    def __init__(self, room: str = "") -> None:
        super().__init__()
        self.me, self.ready = room or f"c{next(_names)}", False
        self.path = f"/{self.me}"  # by default a room of its own

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


class Lab5(Lab3):
    """Lab 5's packets, in the bytes of its own `Wire`; what is said in one turn of the loop leaves in one frame.

    What the client itself works is left out, as with the other dialects: a frame that comes out the same twice is kept.
    """

    def __init__(self, source: str, room: str = "") -> None:
        super().__init__(room)
        self._wire = _notebook("lab5_overhead", source).Wire()
        self._last: dict[tuple[int, bool], bytes] = {}
        self._kept: dict[tuple[int, bool], bytes] = {}
        self._heard: dict[bytes, int] = {}

    def events(self, count: int) -> list[Message]:
        return [self._kept.get((count, True)) or self._said(count, True)]

    def quietly(self, count: int) -> list[Message]:
        return [self._kept.get((count, False)) or self._said(count, False)]

    def _said(self, count: int, asks: bool) -> bytes:
        said = bytes(self._wire.write([*[("body", self.text)] * count, *[("ask", 0)] * asks]))
        if self._last.get((count, asks)) == said:
            self._kept[count, asks] = said
        self._last[count, asks] = said
        return said

    def hear(self, message: Message) -> list[Message]:
        if isinstance(message, str):  # the welcome, in JSON
            self.ready = True
            return []
        if message not in self._heard:
            packets = self._wire.read(message)
            self.delivered += sum(kind == "body" for kind, _ in packets)
            own = sum(value for kind, value in packets if kind == "mine")
            if len(packets) > 1 or not own:
                self.acked += own
                return []
            self._heard[message] = own
        self.acked += self._heard[message]
        return []


_notebook = cache(finished)  # one for all connections of a load


def lab3_contender(source: str = "solutions") -> Contender:
    """Lab 3's session on trial."""
    return contender("lab 3", lab3, Lab3, note="nothing lost, nothing twice, in order", source=source)


def lab5_contender(source: str = "solutions", room: str = "") -> Contender:
    """Lab 5's session on trial: the same promises, cheaper.

    Args:
        source: "solutions", "labs", or the path of a notebook.
        room: where its connections meet; by default each has a room of its own.
    """
    speaks = code_of(Lab5, {"source": source, "room": room})
    return contender("lab 5", lab5, speaks, note="the same promises, cheaper", source=source)


def extra_contenders(source: str = "solutions") -> tuple[Contender, ...]:
    """Lab 5's session on picows, where that is installed: what is left to the limit."""
    if find_spec("picows") is None:
        return ()
    options: dict[str, Any] = {"source": source, "on_picows": True}
    speaks, note = code_of(Lab5, {"source": source}), "an extra: the same session, another library below it"
    return (contender("lab 5 on picows", lab5, speaks, note=note, **options),)
