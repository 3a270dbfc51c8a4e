"""Stand-ins for what a part of the session meets: a line, an outbox."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from midspan.checks.lab3_failure.lab import MISCONCEPTIONS
from midspan.checks.transcript import Wrong
from midspan.checks.values import in_words

MANY = 1000  # looks into an outbox to which nothing was added


class Line:
    """A connection on which we hear what is sent, messages like `says`; `cut()` ends it."""

    def __init__(self, says: str = '["say", number, body]') -> None:
        self.says = says
        self.said: list[Any] = []
        self.is_cut = False

    async def send(self, text: str) -> None:
        await asyncio.sleep(0)
        if self.is_cut:
            raise ConnectionClosedError(None, None)
        try:
            self.said.append(json.loads(text))
        except (TypeError, ValueError):
            raise Wrong(f"Expected: the JSON text of {self.says}; got: {in_words(text)}.") from None

    def cut(self) -> None:
        self.is_cut = True


class Waiting:
    """An outbox in memory, with the methods that a sender needs."""

    def __init__(self) -> None:
        self.bodies: dict[int, str] = {}
        self.last = 0
        self.asked = 0  # since the last put

    @property
    def base(self) -> int:
        return min(self.bodies, default=self.last + 1)

    def __len__(self) -> int:
        return len(self.bodies)

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.last, self.asked = self.last + 1, 0
            self.bodies[self.last] = body

    def after(self, number: int) -> list[tuple[int, str]]:
        self.asked += 1
        if self.asked > MANY:
            raise Wrong(MISCONCEPTIONS["sender-never-waits"], "sender-never-waits")
        return [(n, body) for n, body in self.bodies.items() if n > number]

    def acknowledge(self, number: int) -> list[str]:
        return [self.bodies.pop(n) for n in list(self.bodies) if n <= number]


async def spoken(sender: Any, line: Line) -> asyncio.Future[None]:
    """Let the sender run on this line for a second; its task."""
    running: asyncio.Future[None] = asyncio.ensure_future(sender.run(line))
    await asyncio.wait([running], timeout=1.0)
    if running.done() and running.exception() is not None:
        running.result()
    return running


def ended(running: asyncio.Future[None]) -> BaseException | None:
    """What a sender raised, None if nothing; what is wrong whatever the connection does is raised here."""
    error = running.exception() if running.done() and not running.cancelled() else None
    if error is not None and not isinstance(error, ConnectionClosed):
        raise error
    return error
