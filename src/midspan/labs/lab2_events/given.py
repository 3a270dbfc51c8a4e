"""What lab 2 gives to the learner: records, exceptions, limits, and the owner of tasks.

The notebook imports the names, and prints the source of each at the first step that needs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from midspan.labs.lab2_events.lab1_server import Closed

KINDS = ("join", "leave", "event", "answer", "refused", "error")


class Envelope(NamedTuple):
    """What one end tells the other, on every wire."""

    kind: str  # one of KINDS
    data: Any = None  # event: [name, *arguments]; answer: [*values]; refused, error: {"message": ...}
    namespace: str = "/"
    id: int | None = None  # of the answer that is asked for, or given
    attachments: int = 0  # binary messages that follow


Send = Callable[[Envelope], Awaitable[None]]


class Violation(Exception):
    """The other end broke a rule. The connection is closed."""


class Failed(Exception):
    """A handler cannot do what it is asked for. The text travels to the caller."""


class Left(Exception):
    """The namespace was left, or the connection ended."""


class Refused(Exception):
    """The client may not join a namespace. The text says why, and travels to the client."""


class Limits(NamedTuple):
    """How much a server takes from one client."""

    name_chars: int = 256  # of an event's name, of a namespace
    depth: int = 32  # of lists and objects inside each other
    attachments: int = 64  # of one envelope
    size_bytes: int = 16 * 2**20  # of an envelope with its attachments
    handlers: int = 100  # that work at once for one connection


LIMITS = Limits()
RESERVED = ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
MAX_ID = 2**53 - 1  # the largest integer that JavaScript counts to


def everyone(auth: Any) -> float | None:  # noqa: ARG001 - the shape of an `authorise`
    """Return for how many seconds the client with this `auth` may join; None: without a limit. May raise `Refused`."""
    return None


class Namespace(NamedTuple):
    """What a server offers under one name."""

    welcome: Callable[[Any, Any], Awaitable[None]]  # called as welcome(peer, auth) for each peer that joins
    authorise: Callable[[Any], float | None] = everyone


class Options(NamedTuple):
    """The times and the size that a server states in its first packet, and how long it waits for the first join."""

    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    max_payload: int = 1_000_000  # bytes of the longest message that the server takes
    connect_timeout_s: float = 45.0


class TaskOwner:
    """Starts the tasks that work for one connection, and ends them with it."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Run `function(*arguments)` in a task."""
        self.tasks.add(task := asyncio.create_task(_logged(function, *arguments)))
        task.add_done_callback(self.tasks.discard)

    async def end_tasks(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def _logged(function: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
    """Log an error, since no other task awaits this one. The end of the connection is no error."""
    try:
        await function(*arguments)
    except (Left, Closed):
        pass
    except Exception:
        logging.exception("A task of a connection failed.")
