"""The WebSocket layer under lab 2: the server of lab 1, the learner's own where it passes its checks.

Lab 1's `serve(handler, host, port, tls, make, timeout_s)` gives a handler its `Socket`. Lab 2 needs two things more:
an HTTP request can be refused before there is a WebSocket, and a connection can be closed by a task that does not read.
Both are here. Lab 1 offers no extensions, so messages are never compressed (permessage-deflate, RFC 7692).
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from midspan.errors import Refusal, checked
from midspan.grading import notebooks, steps
from midspan.grading.judge_process import judge_answers, run_cells
from midspan.grading.lab_source import Earlier
from midspan.grading.notebooks import Answers, Part
from midspan.grading.steps import Lab

LAB = "lab1_framing"
CLOSE_S = 1.0  # for a client to answer a close, then to end TCP; else the connection is cut
MAX_SIZE = 16 * 2**20  # bytes of the longest message

Refuse = Callable[[str, bool], tuple[int, dict[str, Any]] | None]  # of a target, and whether it asks for a WebSocket


class Closed(Exception):
    """The connection is closed, or closing: nothing can be sent any more."""


class Connection:
    """A connection of lab 1's server: `async for message in connection` gives its messages until it ends."""

    def __init__(self, socket: Any, closed: type[Exception]) -> None:
        """Take the `Socket` of lab 1, and the exception that says that it is closed."""
        self._socket, self._closed = socket, closed
        self._reading = False
        self._ended = asyncio.Event()

    async def send(self, message: str | bytes) -> None:
        """Send text or binary; return when it is written. Raises `Closed`."""
        try:
            await self._socket.send(message)
        except self._closed as error:
            raise Closed(*error.args) from None

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> str | bytes:
        self._reading = True
        try:
            message: str | bytes = await self._socket.recv()
            return message
        except self._closed:
            self._ended.set()
            raise StopAsyncIteration from None
        finally:
            self._reading = False

    async def close(self, code: int = 1000, why: str = "") -> None:
        """Close, also while another task reads. A client that does not answer in time is cut."""
        why = why.encode(errors="replace").decode()  # JSON can hold half a character, UTF-8 cannot
        if not self._reading:
            return await self._socket.close(code, why)  # type: ignore[no-any-return]
        self._socket.connection.close(code, why)
        try:
            async with asyncio.timeout(self._socket.timeout_s):
                await self._socket.flush()
                await self._ended.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Cut the connection: no close is sent, and what is not written yet is dropped."""
        self._socket.writer.transport.abort()


Handler = Callable[[Connection], Awaitable[None]]
_refuse: ContextVar[Refuse | None] = ContextVar("refuse", default=None)  # of the server whose request is answered


@checked
async def serve_websocket(
    handler: Handler,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    refuse: Refuse | None = None,
    max_size: int = MAX_SIZE,
    close_s: float = CLOSE_S,
) -> Any:
    """Serve with lab 1's `serve`; return its server, which is used as an `asyncio.Server` is.

    Args:
        handler: called with each connection. When it returns the connection is closed with 1000, when it raises
            with 1011, when the server is closed with 1001.
        host, port, tls: as for lab 1.
        refuse: called with a request's target and whether it asks for a WebSocket. Returns None, or the status and
            the JSON of a response that refuses it.
        max_size: bytes of the longest message that the server takes; a longer one closes the connection with 1009.
        close_s: seconds that a client has to answer a close.
    """
    layer = websocket_layer()

    async def handle(socket: Any) -> None:
        socket.timeout_s = close_s
        await handler(Connection(socket, layer.Closed))

    token = _refuse.set(refuse)  # the tasks of the server's connections begin with a copy of this context
    try:
        return await layer.serve(handle, host, port, tls, make=lambda role: layer.Connection(role, max_size))
    finally:
        _refuse.reset(token)


def websocket_layer() -> Earlier:
    """Return the names of lab 1; `str()` says whose each step is. A file is read again only when it has changed."""
    own = notebooks.lab(LAB)
    return _layer(own, own.stat().st_mtime_ns if own.exists() else 0)


# Which answers of lab 1 are used.
#
# A step's answer is the learner's if it passes its own check here, in this process; else the reference's takes its
# place, as in the judge. All checks together take half a second; an unwritten answer is not tried.


LIMIT_S = 1.0  # for one check; the longest takes a fifth of that


@cache
def _layer(own: Path, _changed_ns: int) -> Earlier:
    solved, reference = notebooks.read_reference(notebooks.solution(LAB), LAB)
    parts, why = _written(own, solved)
    answers, mine = Answers(f"{LAB}_under_lab2"), _passing(parts, reference)
    for name, part in _up_to_serve(reference):
        run_cells(answers, (parts[name] if name in mine else part).cells)
    answers.answer_request = _refusing(answers)  # type: ignore[attr-defined]
    others = tuple(name for name, _ in _up_to_serve(reference) if name not in mine)
    return Earlier(LAB, mine, others, answers, why)


def _written(own: Path, solved: notebooks.Raw) -> tuple[dict[str, Part], str]:
    """Return the parts of the learner's notebook, or none and the reason why."""
    if not own.exists():
        return {}, f": labs/{own.name} is not there"
    try:
        return notebooks.own(notebooks.read(own), solved), ""
    except Refusal as refusal:
        return {}, f": labs/{own.name} cannot be used. {refusal}"


def _up_to_serve(reference: dict[str, Part]) -> Iterator[tuple[str, Part]]:
    for name, part in reference.items():
        yield name, part
        if name == "serve":
            return


def _passing(parts: dict[str, Part], reference: dict[str, Part]) -> tuple[str, ...]:
    """Return the steps whose answers pass, each tried on the earlier answers that pass."""
    lab, answers, passing, hung = steps.find(LAB), Answers(f"{LAB}_on_trial"), list[str](), False
    for name, part in _up_to_serve(reference):
        own = parts.get(name)
        if own is not None and not own.to_do and not own.borrowed and not hung:
            passed, hung = _tried(lab, name, own, answers)
            if passed:
                passing.append(name)
                continue
        run_cells(answers, part.cells)
    return tuple(passing)


def _tried(lab: Lab, name: str, own: Part, answers: Answers) -> tuple[bool, bool]:
    """Return whether an answer passes, and whether it hangs: then nothing after it is tried, since that takes time."""
    ran = run_cells(answers, own.cells, LIMIT_S)
    if ran.error is not None or ran.expired:
        return False, ran.expired
    step = lab.steps[name]
    result = judge_answers(replace(step, limit_s=min(step.limit_s, LIMIT_S)), answers)
    return result.passed, result.message.startswith("No answer")


def _refusing(answers: Answers) -> Callable[[str, dict[str, list[str]]], bytes]:
    """Return lab 1's `answer_request`, which now asks the server's `refuse` first."""
    answer_request = answers.answer_request

    def asking_first(start: str, headers: dict[str, list[str]]) -> bytes:
        refuse, words = _refuse.get(), start.split(" ")
        if refuse is not None and len(words) == 3:
            upgrade = "websocket" in ",".join(headers.get("upgrade", [])).lower()
            refused = _asked(refuse, words[1], upgrade)
            if refused is not None:
                raise answers.Refused(refused[0], json.dumps(refused[1]))
        response: bytes = answer_request(start, headers)
        return response

    return asking_first


def _asked(refuse: Refuse, target: str, upgrade: bool) -> tuple[int, dict[str, Any]] | None:
    """Ask; an error is answered with status 500, since a client waits for the response."""
    try:
        return refuse(target, upgrade)
    except Exception:
        logging.exception("The question whether a request is refused failed.")
        return 500, {"code": 3, "message": "the server failed"}
