"""What the checks of lab 2 hand to an answer: records with the notebook's fields, a `send` that keeps; and outcomes.

Records are compared as the tuples that they are, exceptions by their name: those of the notebook are not ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

OURS = ("Violation", "Refused", "Failed", "Left")
TURNS = 20  # of the loop: enough for a task that starts a task that sends


class Envelope(NamedTuple):
    """As the notebook defines it."""

    kind: str
    data: Any = None
    namespace: str = "/"
    id: int | None = None
    attachments: int = 0


class Limits(NamedTuple):
    """As the notebook defines it."""

    name_chars: int = 256
    depth: int = 32
    attachments: int = 64
    size_bytes: int = 16 * 2**20
    handlers: int = 100


def everyone(_: Any) -> float | None:
    """Permission to join, without an end."""
    return None


class Namespace(NamedTuple):
    """As the notebook defines it."""

    welcome: Callable[[Any, Any], Awaitable[None]]
    authorise: Callable[[Any], float | None] = everyone


class Options(NamedTuple):
    """As the notebook defines it."""

    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    max_payload: int = 1_000_000
    connect_timeout_s: float = 45.0


class Outbox:
    """A `send` that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()  # set by a leave

    async def __call__(self, envelope: Any) -> None:
        self.sent.append(envelope)
        if envelope.kind == "leave":
            self.left.set()

    def take(self) -> list[Any]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


async def turns(count: int = TURNS) -> None:
    """Let the tasks that are ready go on; no time passes."""
    for _ in range(count):
        await asyncio.sleep(0)


def outcome(call: Callable[..., Any], *arguments: object) -> Any:
    """What `call(*arguments)` returns; the name of the exception for the notebook's own and ValueError."""
    try:
        return call(*arguments)
    except Exception as error:
        return _name(error)


async def ending(awaitable: Awaitable[Any]) -> Any:
    """What awaiting gives, or the name of the exception: TimeoutError, or one of the notebook's own with its text."""
    try:
        return await awaitable
    except Exception as error:
        name = _name(error)
        return f"Failed: {error}" if name == "Failed" else name


def _name(error: Exception) -> str:
    name = type(error).__name__
    if name in OURS:
        return name
    for known in (ValueError, TimeoutError, RecursionError, LookupError, asyncio.InvalidStateError):
        if isinstance(error, known):
            return known.__name__
    raise error
