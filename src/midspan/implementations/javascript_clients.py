"""The JavaScript Socket.IO on trial, in a Node process: socket.io with connection state recovery, socket.io-client with
`retries` and `ackTimeout`.

The process reads what to do, and writes what happens, line by line (`javascript_clients.mjs`). It uses the real clock,
so it plays on the real link alone, at a `speed` at which its timers run faster too.
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
    """A Node process with servers and clients in it.

    Attributes:
        versions: of Node, socket.io and socket.io-client.
    """

    def __init__(self, process: subprocess.Popen[bytes], versions: dict[str, str]) -> None:
        self._process, self.versions = process, versions
        self._ids = itertools.count(1)
        self._heard: dict[int, Hear] = {}  # by party
        self._rest = b""

    @contextmanager
    def party(self, hear: Hear) -> Iterator[int]:
        """An id for a party, whose news go to `hear` as long as the block runs; it is killed at its end."""
        loop, out = asyncio.get_running_loop(), _file(self._process.stdout)
        number = next(self._ids)
        if not self._heard:
            loop.add_reader(out, self._read, out)
        self._heard[number] = hear
        try:
            yield number
        finally:
            self.tell("kill", id=number)
            del self._heard[number]
            if not self._heard:
                loop.remove_reader(out)

    def tell(self, do: str, **given: Any) -> None:
        """Give a command."""
        os.write(_file(self._process.stdin), json.dumps({"do": do, **given}).encode() + b"\n")

    def _read(self, out: int) -> None:
        *lines, self._rest = (self._rest + os.read(out, 1 << 16)).split(b"\n")
        for line in lines:
            news = json.loads(line)
            if news["id"] in self._heard:  # else it comes from one that was killed
                self._heard[news["id"]](news)


@contextmanager
def node(speed: float = 1.0) -> Iterator[NodeJs]:
    """A Node process, until the end of the block.

    Args:
        speed: how many times faster than the real clock its timers run.

    Raises:
        Refusal: there is no Node here, or it does not find the packages.
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
                raise Refusal("the packages socket.io and socket.io-client", _last_words(process), HOW)
            yield NodeJs(process, json.loads(ready)["value"])
        finally:
            process.kill()


def javascript(process: NodeJs, authority: Authority, bounds: Bounds) -> Implementation:
    """The implementation that plays in this process.

    Args:
        authority: whose certificate the server shows, and the clients trust.
        bounds: what they are held to.
    """
    server, client = partial(NodeServer, process, authority), partial(NodeClient, process, authority)
    return Implementation(server, client, bounds, patience=1.1)


class NodeServer:
    """A server in the Node process; its store is here."""

    def __init__(self, process: NodeJs, authority: Authority, context: ServerContext) -> None:
        self.process, self.authority, self.context = process, authority, context
        self.at_work: set[asyncio.Task[None]] = set()

    async def handle(self, _connection: Any) -> None:
        """Not here: see `serving`."""

    @asynccontextmanager
    async def serving(self, _tls: ssl.SSLContext) -> AsyncIterator[int]:
        """Serve the real link, at the port that this gives."""
        self.port = asyncio.get_running_loop().create_future()
        with self.process.party(self.hear) as number:
            key, cert = self.authority.identity_pem
            self.process.tell("serve", id=number, key=key, cert=cert)
            yield await self.port

    def hear(self, news: dict[str, Any]) -> None:
        if news["what"] == "listening":
            self.port.set_result(news["value"])
        else:
            task = asyncio.create_task(self.answer(news))
            self.at_work.add(task)
            task.add_done_callback(self.at_work.discard)

    async def answer(self, news: dict[str, Any]) -> None:
        """Node asks: may this client be here? Or it waits until a message is durable."""
        allowed = True
        if news["what"] == "authorise":
            allowed = self.context.authorise(*news["value"])
        else:
            await self.context.store.append(*news["value"])
        self.process.tell("answer", number=news["number"], value=allowed)


class NodeClient:
    """A client in the Node process; its application is here."""

    def __init__(self, process: NodeJs, authority: Authority, context: ClientContext) -> None:
        self.process, self.authority, self.context = process, authority, context
        self.number = 0
        self.pending: set[str] = set()  # what the client's queue holds: said, and not acknowledged

    async def run(self) -> None:
        need(self.context.trust is not None, "a real link", "the simulated one", "Play it with play_real")
        auth = {"who": self.context.me, "token": self.context.token}
        url, ca = self.context.url.replace("wss", "https", 1), self.authority.pem.decode()
        with self.process.party(self.hear) as self.number:
            self.process.tell("connect", id=self.number, url=url, ca=ca, auth=auth)
            await asyncio.get_running_loop().create_future()

    def send(self, body: str) -> None:
        self.pending.add(body)
        self.process.tell("say", id=self.number, body=body)

    def hear(self, news: dict[str, Any]) -> None:
        told = {"delivered": self.context.app.delivered, "acknowledged": self.acknowledged}
        told[news["what"]](news["value"])

    def acknowledged(self, body: str) -> None:
        self.pending.discard(body)
        self.context.app.acknowledged(body)

    def sizes(self) -> dict[str, int]:
        return {"outbox": len(self.pending)}


def _file(pipe: Any) -> int:
    return int(pipe.fileno())


def _last_words(process: subprocess.Popen[bytes]) -> str:
    said = process.stderr.read().decode().splitlines() if process.stderr else []
    return next((line for line in said if line.startswith("Error")), "no word from Node")
