"""What the tests of lab 2 share: the reference's answers, its server with an application for tests, a bare client.

The bare client is a WebSocket of `websockets` and nothing else: packets stand in the tests as they stand on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from midspan.grading.notebooks import Answers, read_reference
from midspan.net.servers import HOST
from tests.course import ROOT

QUERY = "/socket.io/?EIO=4&transport=websocket"
SID = re.compile(r'"sid":"[\w-]{16,}"')
SOON_S = 10.0  # for what comes at once, on a machine that does other work too; the heartbeat's default is 45 s away
Message = str | bytes


@functools.cache
def reference() -> Any:
    """The namespace of the solved notebook: all its setup and exercise cells, run in order."""
    _, parts = read_reference(ROOT / "solutions" / "lab2_events.ipynb", "lab2_events")
    answers = Answers("lab2_reference")
    with contextlib.suppress(StopIteration):  # none of these cells awaits, so that this works inside a loop too
        answers.run(cell for part in parts.values() for cell in part.cells).send(None)
    return answers


def options(**named: Any) -> Any:
    """The server's options; the rest as they come."""
    return reference().Options(**named)


class Application:
    """The application of the lab, with more events in it: calls to the client, handlers that fail or never end.

    Attributes:
        ended: words of the handlers `stay` that have ended, however they did.
        some_ended: set when there is one more.
    """

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.some_ended = asyncio.Event()

    async def welcome(self, peer: Any, auth: Any) -> None:
        """Register our events, then welcome as the lab does."""

        async def call_me(*arguments: Any) -> Any:
            return await peer.call("question", *arguments, timeout_s=SOON_S)

        async def call_silence() -> str:
            try:
                return str(await peer.call("silence", timeout_s=0.05))
            except TimeoutError:
                return "timeout"

        async def fail() -> None:
            raise reference().Failed("on purpose")

        for name, handler in {
            "call-me": call_me,
            "call-silence": call_silence,
            "fail": fail,
            "stay": self.stay,
        }.items():
            peer.on(name)(handler)
        await reference().application(peer, auth)

    async def stay(self, word: str) -> None:
        """A handler that never ends by itself."""
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(word)
            self.some_ended.set()

    def authorise(self, auth: Any) -> float | None:
        """For /vip: who knows the token may join, for a time if the client asks for one."""
        if auth["token"] != "sesame":
            raise reference().Refused("a wrong token")
        return float(auth["lasts_s"]) if "lasts_s" in auth else None

    @property
    def namespaces(self) -> dict[str, Any]:
        """`/` and `/custom` for everybody, `/vip` for some."""
        make = reference().Namespace
        return {"/": make(self.welcome), "/custom": make(self.welcome), "/vip": make(self.welcome, self.authorise)}


@asynccontextmanager
async def served(
    application: Application | None = None, tls: ssl.SSLContext | None = None, **named: Any
) -> AsyncIterator[str]:
    """The reference's server on a free port, with options in seconds; gives its address, `127.0.0.1:PORT`."""
    application = application or Application()
    server = await reference().serve_socketio(application.namespaces, HOST, 0, tls, options(**named))
    try:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def bare(address: str, join: str = "", query: str = QUERY) -> AsyncIterator[ClientConnection]:
    """A WebSocket that has read the opening; with `join`, also the replies to that packet and the event `auth`."""
    async with connect(f"ws://{address}{query}", compression=None, close_timeout=1) as client:
        await heard(client, 1)
        if join:
            await client.send(join)
            await heard(client, 2)
        yield client


async def heard(client: ClientConnection, count: int) -> list[Message]:
    """The next messages, without pings; session ids are written `"sid":SID`."""
    messages: list[Message] = []
    async with asyncio.timeout(SOON_S):
        while len(messages) < count:
            message = await client.recv()
            messages += [] if message == "2" else [plain(message)]
    return messages


async def until_closed(client: ClientConnection) -> list[Message]:
    """All messages up to the end of the connection, which has to come soon."""
    messages: list[Message] = []
    async with asyncio.timeout(SOON_S):
        with contextlib.suppress(ConnectionClosed):
            async for message in client:
                messages.append(plain(message))
    return messages


async def say(client: ClientConnection, script: Sequence[Message | int]) -> list[Message]:
    """Send each message; a number waits for so many of the server's, which are returned. It may hang up on the way."""
    back: list[Message] = []
    with contextlib.suppress(ConnectionClosed):
        for item in script:
            if isinstance(item, int):
                back += await heard(client, item)
            else:
                await client.send(item)
    return back


def plain(message: Message) -> Message:
    """The message, with a session id that is the same on each run."""
    return SID.sub('"sid":SID', message) if isinstance(message, str) else message


async def send_all(client: ClientConnection, messages: Sequence[Message]) -> None:
    """Send them all; the server may have hung up on the way."""
    with contextlib.suppress(ConnectionClosed):
        for message in messages:
            await client.send(message)
