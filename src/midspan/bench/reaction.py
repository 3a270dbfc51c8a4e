"""What a server does with input that it should not get, asked over a real connection.

Silence is hard to see: is the server thinking, did it skip the input, has it stopped listening? So we put a question to
which it has an answer, before the input and again after it. Nothing here waits for a time to pass: between the second
question and its answer the server's loop needs a few turns, and each ping that comes back is one turn at least.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from midspan.arguments import checked
from midspan.bench.endpoint import Endpoint
from midspan.refusal import need

TURNS = 25  # python-socketio needs about five to read an event, run its handler and write the answer
LIMIT_S = 20.0  # for a server that does not even answer pings
CLOSE_S = 1.0  # and does not answer a close frame either


@dataclass(frozen=True)
class Dialect:
    """How to speak to a server of one kind.

    Attributes:
        target: what follows host and port in its address.
        opening: what a client sends before its first question.
        question: a message that the server answers.
        answer: how its answer begins.
    """

    target: str
    opening: tuple[str, ...]
    question: str
    answer: str


@dataclass(frozen=True)
class Reaction:
    """What a server did with an input.

    Attributes:
        said: what it sent between the input and its answer to the question.
        answers: whether it still answers the question on the same connection.
        close_code: None while the connection is open; 1006 when it ended without a close frame.
    """

    said: tuple[str | bytes, ...]
    answers: bool
    close_code: int | None

    def __str__(self) -> str:
        said = [f"says {message!r}" for message in self.said]
        fate = f"closes, {self.close_code}" if self.close_code else "answers no more" if not self.answers else ""
        return ", then ".join([*said, *([fate] if fate else [])]) or "skips it"

    __repr__ = __str__


@checked
async def reaction(
    endpoint: Endpoint, trust: ssl.SSLContext, dialect: Dialect, *messages: str | bytes, limit_s: float = LIMIT_S
) -> Reaction:
    """Connect, see that the server answers, send `messages`, and see what it does.

    Raises:
        Refusal: an argument does not fit; the server does not answer the question even before.
        TimeoutError: not done after `limit_s` seconds.
    """
    url = endpoint.url.replace("https", "wss") + dialect.target
    options: dict[str, Any] = {"compression": None, "max_size": None, "close_timeout": CLOSE_S}
    async with asyncio.timeout(limit_s), connect(url, ssl=trust, **options) as connection:
        for text in dialect.opening:
            await connection.send(text)
        _, answers = await _ask(connection, dialect)
        need(answers, f"an answer to {dialect.question!r}", "none", "Choose a question that this server answers")
        with suppress(ConnectionClosed):  # the server may hang up in the middle of them
            for message in messages:
                await connection.send(message)
        said, answers = await _ask(connection, dialect)
        return Reaction(tuple(said), answers, connection.close_code)


async def _ask(connection: ClientConnection, dialect: Dialect) -> tuple[list[str | bytes], bool]:
    """Put the question: what came before the answer, and whether that came."""
    said: list[str | bytes] = []

    async def listen() -> bool:
        async for message in connection:
            if isinstance(message, str) and message.startswith(dialect.answer):
                return True
            said.append(message)
        return False

    async def turn() -> None:
        for _ in range(TURNS):
            await (await connection.ping())

    with suppress(ConnectionClosed):
        await connection.send(dialect.question)
    listening, turning = asyncio.create_task(listen()), asyncio.create_task(turn())
    try:
        await asyncio.wait({listening, turning}, return_when=asyncio.FIRST_COMPLETED)
        if connection.close_code or listening.done():
            await asyncio.wait({listening})
        answers = listening.done() and not listening.exception() and listening.result()
    finally:
        for task in (listening, turning):
            task.cancel()
        await asyncio.gather(listening, turning, return_exceptions=True)
    return said, answers
