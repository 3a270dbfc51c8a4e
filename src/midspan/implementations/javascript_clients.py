"""The JavaScript Socket.IO under test, in a Node process.

The server is socket.io with connection state recovery. The client is socket.io-client with `retries` and `ackTimeout`.
The process reads commands and writes events, one line of JSON each (`javascript_clients.mjs`). It uses the real clock,
so it works on a real link only. Its timers can run faster than the real clock (`speed`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from midspan.errors import Refusal, need
from midspan.net.child_process import plain_environment
from midspan.net.servers import Authority
from midspan.simulation.history import Bounds
from midspan.simulation.implementation import ClientContext, Implementation, ServerContext

SCRIPT = Path(__file__).with_suffix(".mjs")
HOW = "Install Node, then run `make node` in the course's folder, and run this there"
Hear = Callable[[dict[str, Any]], None]


class NodeJs:
    """A Node process that runs servers and clients.

    Attributes:
        versions: of Node, socket.io and socket.io-client.
    """

    def __init__(self, process: subprocess.Popen[bytes], versions: dict[str, str]) -> None:
        self._process, self.versions = process, versions
        self._ids = itertools.count(1)
        self._handlers: dict[int, Hear] = {}  # by the id of the server or client
        self._rest = b""

    @contextmanager
    def registered(self, hear: Hear) -> Iterator[int]:
        """Give an id for a new server or client. `hear` gets its events. It is killed at the end of the block."""
        loop, out = asyncio.get_running_loop(), _file(self._process.stdout)
        number = next(self._ids)
        if not self._handlers:
            loop.add_reader(out, self._read, out)
        self._handlers[number] = hear
        try:
            yield number
        finally:
            self.tell("kill", id=number)
            del self._handlers[number]
            if not self._handlers:
                loop.remove_reader(out)

    def tell(self, do: str, **given: Any) -> None:
        """Send a command to the process."""
        os.write(_file(self._process.stdin), json.dumps({"do": do, **given}).encode() + b"\n")

    def _read(self, out: int) -> None:
        *lines, self._rest = (self._rest + os.read(out, 1 << 16)).split(b"\n")
        for line in lines:
            news = json.loads(line)
            if news["id"] in self._handlers:  # otherwise that server or client was killed
                self._handlers[news["id"]](news)


@contextmanager
def node(speed: float = 1.0) -> Iterator[NodeJs]:
    """Start a Node process, which ends with the block.

    Args:
        speed: how many times faster than the real clock its timers run.

    Raises:
        Refusal: Node is not installed, or it does not find the packages.
    """
    program = shutil.which("node") or shutil.which("nodejs")  # Debian's older name
    if program is None:
        raise Refusal("Node", "a machine without it", HOW)
    pipe, environment = subprocess.PIPE, plain_environment()
    command = [program, str(SCRIPT), str(speed)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise Refusal("the packages socket.io and socket.io-client", _error_line(process), HOW)
            yield NodeJs(process, json.loads(ready)["value"])
        finally:
            process.kill()


def javascript(process: NodeJs, authority: Authority, bounds: Bounds) -> Implementation:
    """The implementation that runs in this process.

    Args:
        process: the Node process.
        authority: the server presents its certificate, and the clients trust it.
        bounds: what the session promises.
    """
    server, client = partial(NodeServer, process, authority), partial(NodeClient, process, authority)
    return Implementation(server, client, bounds, patience=1.1)


class NodeServer:
    """A server in the Node process. Its store and `authorise` are in this process."""

    def __init__(self, process: NodeJs, authority: Authority, context: ServerContext) -> None:
        self.process, self.authority, self.context = process, authority, context
        self.at_work: set[asyncio.Task[None]] = set()

    async def handle(self, _connection: Any) -> None:
        """Not used: see `serving`."""

    @asynccontextmanager
    async def serving(self, _tls: ssl.SSLContext) -> AsyncIterator[int]:
        """Serve a real link. Gives the port."""
        self.port = asyncio.get_running_loop().create_future()
        with self.process.registered(self.handle_news) as number:
            key, cert = self.authority.identity_pem
            self.process.tell("serve", id=number, key=key, cert=cert)
            yield await self.port

    def handle_news(self, news: dict[str, Any]) -> None:
        if news["what"] == "listening":
            self.port.set_result(news["value"])
        else:
            task = asyncio.create_task(self.answer(news))
            self.at_work.add(task)
            task.add_done_callback(self.at_work.discard)

    async def answer(self, news: dict[str, Any]) -> None:
        """Answer a request of Node: check a client's token, or append a message and answer when it is durable."""
        allowed = True
        if news["what"] == "authorise":
            allowed = self.context.authorise(*news["value"])
        else:
            await self.context.store.append(*news["value"])
        self.process.tell("answer", number=news["number"], value=allowed)


class NodeClient:
    """A client in the Node process. Its application is in this process."""

    def __init__(self, process: NodeJs, authority: Authority, context: ClientContext) -> None:
        self.process, self.authority, self.context = process, authority, context
        self.number = 0
        self.pending: set[str] = set()  # messages that were sent and not acknowledged

    async def run(self) -> None:
        need(self.context.trust is not None, "a real link", "the simulated one", "Play it with play_real")
        auth = {"who": self.context.me, "token": self.context.token}
        url, ca = self.context.url.replace("wss", "https", 1), self.authority.pem.decode()
        with self.process.registered(self.handle_news) as self.number:
            self.process.tell("connect", id=self.number, url=url, ca=ca, auth=auth)
            await asyncio.get_running_loop().create_future()

    def send(self, body: str) -> None:
        self.pending.add(body)
        self.process.tell("say", id=self.number, body=body)

    def handle_news(self, news: dict[str, Any]) -> None:
        told = {"delivered": self.context.app.delivered, "acknowledged": self.acknowledged}
        told[news["what"]](news["value"])

    def acknowledged(self, body: str) -> None:
        self.pending.discard(body)
        self.context.app.acknowledged(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": len(self.pending)}


def _file(pipe: Any) -> int:
    return int(pipe.fileno())


def _error_line(process: subprocess.Popen[bytes]) -> str:
    said = process.stderr.read().decode().splitlines() if process.stderr else []
    return next((line for line in said if line.startswith("Error")), "no word from Node")
