"""Lab 2, and the doubles that its checks give to an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from midspan.grading import Lab
from midspan.grading.transcript import Wrong

lab = Lab("lab2_events", title="Names, answers, namespaces", serves="serve_lab")

# Exceptions are compared by their name (`Raises`), since an answer may define some of its own. An exception is kept as
# it is, so that a transcript shows its type, its text and the learner's line.


TURNS = 20  # turns of the loop: enough for a task that starts a task that sends


class EnvelopeOutbox:
    """Its `send` keeps the envelopes."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()  # set by a leave

    async def send(self, envelope: Any) -> None:
        """Keep an envelope."""
        self.sent.append(envelope)
        if envelope.kind == "leave":
            self.left.set()

    send.__qualname__ = "send"  # the learner's name: Python's warning of a forgotten await shows it
    __call__ = send

    def take(self) -> list[Any]:
        """Return the envelopes since the last call."""
        sent, self.sent = self.sent, []
        return sent


async def let_tasks_run(count: int = TURNS) -> None:
    """Let the loop run its ready tasks; no time passes."""
    for _ in range(count):
        await asyncio.sleep(0)


def outcome(call: Callable[..., Any], *arguments: object) -> Any:
    """Call it; return its value, or the exception that it raised, with its text and the learner's line."""
    try:
        return call(*arguments)
    except (NotImplementedError, Wrong):
        raise
    except Exception as error:
        return error


async def awaited_outcome(awaitable: Awaitable[Any]) -> Any:
    """Await it; return its value or its exception, also a CancelledError unless this task itself was cancelled."""
    try:
        return await awaitable
    except (NotImplementedError, Wrong):
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return error
    except Exception as error:
        return error


def started_task(coroutine: Any) -> asyncio.Task[Any]:
    """Start a task with the coroutine's own name, since a learner may read which task was left running."""
    wrapped: Any = awaited_outcome(coroutine)
    wrapped.__name__ = wrapped.__qualname__ = getattr(coroutine, "__name__", "awaited_outcome")
    return asyncio.create_task(wrapped)


class Raises:
    """An expected exception: equal to each exception whose class, or one of its base classes, has this name."""

    def __init__(self, name: str, text: str = "") -> None:
        self.name, self.text = name, text

    def __eq__(self, other: object) -> bool:
        names = [kind.__name__ for kind in type(other).__mro__] if isinstance(other, BaseException) else []
        return self.name in names and self.text in ("", str(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.name}: {self.text}" if self.text else f"{self.name} is raised"


VIOLATION, FAILED, LEFT = Raises("Violation"), Raises("Failed"), Raises("Left")
VALUE_ERROR, TIMEOUT = Raises("ValueError"), Raises("TimeoutError")


def of_values(got: object, id: str) -> str:
    """Return the misconception `id` if `got` is a value; "" for an exception, whose own text says more."""
    return "" if isinstance(got, BaseException) else id
