"""Reads the names that a finished notebook defines: commands play, serve, show or measure the session of a lab."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

from midspan.benchmark.clients import Echo, Envelope
from midspan.benchmark.contenders import Contender, code_of, contender
from midspan.benchmark.servers import Tls, serve_implementation
from midspan.errors import Refusal, Words, need
from midspan.grading import limits, notebooks
from midspan.grading.judge_process import broken_off, run_cells
from midspan.grading.judging import finished_cells
from midspan.grading.notebooks import Answers
from midspan.grading.steps import remarks
from midspan.grading.transcript import error_in_words
from midspan.net.receivers import MessageData
from midspan.net.servers import HOST, DirectConnection
from midspan.simulation import Bounds

_numbers = count(1)


def finished(lab: str, source: str) -> Answers:
    """Return the names that a finished notebook of a lab defines.

    Args:
        lab: its name, "lab3_failure".
        source: "solutions", "labs", or the path of a notebook.

    Raises:
        Refusal: the notebook does not exist, a part is still to do, or a cell raises.
    """
    own, _ = parts_of(lab, source)
    cells = finished_cells(own, f"solutions/{lab}.ipynb")
    answers = Answers(f"{lab}_{next(_numbers)}")
    if why := broken_off(run_cells(answers, cells)):
        raise Refusal("cells that define a session", Words(why), "Run all cells of the notebook")
    return answers


def parts_of(lab: str, source: str) -> tuple[dict[str, notebooks.Part], dict[str, notebooks.Part]]:
    """Return step -> its cells, for the notebook and for the lab's solution. Arguments as for `finished`."""
    path = {"solutions": notebooks.solution(lab), "labs": notebooks.lab(lab)}.get(source, Path(source))
    solved, reference = notebooks.read_reference(notebooks.solution(lab, path), lab)
    return notebooks.own(notebooks.read(path), solved), reference


# Demonstrations: a cell runs the learner's own code on real links.
#
# In an unsolved lab only the checks may fail. So a demonstration runs only when the learner has written what it needs.
# A wrong answer can wait for ever or loop for ever. So a demonstration runs as a check does: in a thread of its own,
# with a time limit. An error becomes a sentence.


LIMIT_S = 10.0  # a demonstration takes at most one second; with ten busy kernels a few seconds


def show(demonstration: Callable[[], Any], *answers: object, limit_s: float = LIMIT_S) -> Any:
    """Call `demonstration()`, await it if needed, and return its value.

    When it cannot run or does not end, print a sentence and return None.

    Args:
        demonstration: a function without arguments, plain or `async`; called in a thread of its own.
        answers: the learner's functions and classes that it needs; if one of them is still to do, nothing runs.
        limit_s: seconds that it may take.

    Raises:
        Refusal: the demonstration is not a function.
    """
    if inspect.iscoroutine(demonstration):
        demonstration.close()  # else Python warns about it in a later cell
    need(callable(demonstration), "a function", demonstration, "Name it without calling it: show(tour, serve)")
    is_limit = isinstance(limit_s, int | float) and limit_s > 0
    need(is_limit, "seconds above 0 as limit_s", limit_s, f"Leave it out for {LIMIT_S:g} s")
    if not written(*answers):
        return None
    ran = limits.run(demonstration, limit_s)
    if ran.printed:
        print(ran.printed)
    if ran.error is None and not ran.expired:
        return ran.value
    print(*_why(ran, limit_s), *remarks(ran), f"Run the checks of {_names(answers)}.", sep="\n")
    return None


def written(*answers: object) -> bool:
    """True when none of `answers` still contains nbgrader's stub; else print which are to do and return False."""
    to_do = [answer for answer in answers if _holds_stub(answer)]
    if to_do:
        print(f"Still to do: {_names(to_do)}. Run this cell again when it is written.")
    return not to_do


def show_source(*things: object) -> None:
    """Print the source of classes and functions that the course gives: a first draft, or one end of a session.

    Raises:
        Refusal: a thing has no source, because it is no class or function of a module.
    """
    for thing in things:
        try:
            source = inspect.getsource(thing)  # type: ignore[arg-type]  # it raises TypeError for what has none
        except (TypeError, OSError):
            raise Refusal("a class or function of the course", thing, "Name one that this lab imports") from None
        print(source)


def _why(ran: limits.CallOutcome, limit_s: float) -> Iterator[str]:
    if ran.error is None:
        yield f"Not done after {limit_s:g} s, so we ended it: it waits for bytes that never come, or never stops."
        return
    yield f"It ended with {error_in_words(ran.error)}"
    yield from (f"  {line}" for line in notebooks.where(ran.error))


def _names(answers: tuple[object, ...] | list[object]) -> str:
    return ", ".join(str(getattr(answer, "__name__", answer)) for answer in answers) or "the steps above"


def _holds_stub(answer: object) -> bool:
    return any("NotImplementedError" in code.co_names for code in _codes(answer))


def _codes(thing: object) -> Iterator[CodeType]:
    """Yield the code of a function and of the functions inside it, or of all methods of a class and of its bases."""
    if isinstance(thing, type):
        for kind in thing.__mro__:
            methods = vars(kind).values() if kind.__module__ == thing.__module__ else ()
            for method in methods:
                yield from _codes(method)
    elif isinstance(thing, FunctionType):
        yield from _codes(getattr(thing, "__wrapped__", None) or thing.__code__)
    elif isinstance(thing, CodeType):
        yield thing
        for constant in thing.co_consts:
            yield from _codes(constant)


# The sessions of finished labs, for `make bench`: how a process starts each, and which messages a client sends to it.


WIDE = Bounds(outbox=128, replay=128)  # a schedule tests small bounds; here a burst must fit

_rooms = itertools.count(1)


async def lab3(tls: Tls, source: str) -> AsyncIterator[int]:
    """Serve the session of lab 3, with bounds that a burst does not reach."""
    async for port in serve_implementation(replace(finished("lab3_failure", source).ours, bounds=WIDE), tls):
        yield port


async def lab5(tls: Tls, source: str) -> AsyncIterator[int]:
    """Serve the session of lab 5 with its own `serve_session`: one log for each client name."""
    names = finished("lab5_overhead", source)
    server = await names.serve_session(HOST, 0, tls)
    yield next(iter(server.sockets)).getsockname()[1]
    server.close()


class Lab3(Envelope):
    """The packets of lab 3 in JSON. The client is alone in its room; it ignores its own entry when that comes back."""

    def __init__(self, room: str = "") -> None:
        super().__init__()
        self.me, self.ready = room or f"c{next(_rooms)}", False
        self.path = f"/{self.me}"  # by default each connection has its own room

    def opening(self) -> list[MessageData]:
        return [json.dumps(["hello", self.me, "token", "", 0, 1])]

    def events(self, count: int) -> list[MessageData]:
        first, self._number = self._number + 1, self._number + count
        return [json.dumps(["say", number, Echo.text]) for number in range(first, self._number + 1)]

    def receive(self, message: MessageData) -> list[MessageData]:
        kind, number, *_ = json.loads(message)
        if kind == "ack":
            self.acked = max(self.acked, number)
        elif kind == "welcome":
            self.ready = True
        return []


class Lab5(Lab3):
    """The packets of lab 5, encoded by its `Wire`. One turn's events share a frame.

    The cost of the client must not count, as with the other dialects. So an equal frame is made once and reused.
    """

    def __init__(self, source: str, room: str = "") -> None:
        super().__init__(room)
        self._wire = _notebook("lab5_overhead", source).Wire()
        self._last: dict[tuple[int, bool], bytes] = {}
        self._kept: dict[tuple[int, bool], bytes] = {}
        self._heard: dict[bytes, int] = {}

    def events(self, count: int) -> list[MessageData]:
        return [self._kept.get((count, True)) or self._said(count, True)]

    def unawaited_events(self, count: int) -> list[MessageData]:
        return [self._kept.get((count, False)) or self._said(count, False)]

    def _said(self, count: int, asks: bool) -> bytes:
        said = bytes(self._wire.write([*[("body", self.text)] * count, *[("ask", 0)] * asks]))
        if self._last.get((count, asks)) == said:
            self._kept[count, asks] = said
        self._last[count, asks] = said
        return said

    def receive(self, message: MessageData) -> list[MessageData]:
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


_notebook = cache(finished)  # all connections of a load share it


def lab3_contender(source: str = "solutions") -> Contender:
    """The session of lab 3 as a contender."""
    return contender("lab 3", lab3, Lab3, note="nothing lost, nothing twice, in order", source=source)


def lab5_contender(source: str = "solutions", room: str = "") -> Contender:
    """The session of lab 5 as a contender: the same guarantees, at a lower cost.

    Args:
        source: "solutions", "labs", or the path of a notebook.
        room: the room that its connections share; by default each connection has its own room.
    """
    speaks = code_of(Lab5, {"source": source, "room": room})
    return contender("lab 5", lab5, speaks, note="the same promises, cheaper", source=source)


async def lab5_bare(tls: Tls, source: str) -> AsyncIterator[int]:
    """Serve lab 5's codec, on its way of reading and writing, without its guarantees.

    It counts the events of a connection and acknowledges them. It keeps no log, knows no copy of a message, and cannot
    resume.
    """
    names = finished("lab5_overhead", source)

    async def handler(connection: Any) -> None:
        await connection.recv()  # the greeting
        await connection.send(json.dumps(["welcome", "", 0, 0]))
        wire, owed = names.Wire(), 0

        def at_once(data: bytes) -> bool:
            nonlocal owed
            for kind, _ in wire.read(data):
                if kind == "body":
                    owed += 1
                elif kind == "ask":
                    broadcast([connection], wire.write([("mine", owed)]))
                    owed = 0
            return True

        connection.at_once = at_once
        with suppress(ConnectionClosed):
            await connection.recv()  # ends with the connection: `at_once` handles all that comes

    options: dict[str, Any] = {"compression": None, "ping_interval": None, "create_connection": DirectConnection}
    async with serve(handler, HOST, 0, ssl=tls, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def lab5_bare_contender(source: str = "solutions") -> Contender:
    """Lab 5's codec, reading and writing without its guarantees, as a contender."""
    speaks = code_of(Lab5, {"source": source})
    return contender("lab 5, no guarantees", lab5_bare, speaks, note="the same codec, no log", source=source)
