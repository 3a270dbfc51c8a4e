"""A small balancer: it ends TLS, and sends each request to one of several nodes.

It balances *requests*, as HTTP balancers do: two requests on one connection may go to different nodes. After an upgrade
the connection is a tunnel to one node. The balancer keeps which node has answered, and adds an `X-Node` header.

If a node does not answer, the balancer tries another one. If no node answers, the status is 503.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

import h11

from midspan.errors import checked, need
from midspan.net.servers import HOST, Authority
from midspan.net.tcp import READ_BYTES, Ends, carry, close, reset

COOKIE = "node"
KEPT = 100_000  # answers

Choice = Callable[[h11.Request, Sequence[str], int], str]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: its node, and the status of the answer."""

    method: str
    transport: str
    node: str
    status: int

    def __str__(self) -> str:
        return f"{self.method:4} {self.transport:9} -> {self.node or '-'}  {self.status}"


SOME_NAMES = ("names of nodes", (), "Pass one or more")


# Functions that choose a node. They get the names of the nodes that take requests, and the number of earlier requests.


@checked
def round_robin(_request: h11.Request, names: Sequence[str], number: int) -> str:
    """Each node in turn."""
    need(len(names) > 0, *SOME_NAMES)
    return names[number % len(names)]


@checked
def by_cookie(request: h11.Request, names: Sequence[str], number: int) -> str:
    """The node that the client's cookie names. A client without a cookie gets the next node, and a cookie."""
    wanted = cookie_of(request)
    return wanted if wanted in [*names] else round_robin(request, names, number)


@checked
def by_user(request: h11.Request, names: Sequence[str], _number: int = 0) -> str:
    """By a hash of `user` in the query: always the same node for a user, without state."""
    need(len(names) > 0, *SOME_NAMES)
    user = parse_qs(urlsplit(request.target.decode()).query).get("user", [""])[0]
    return names[int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "big") % len(names)]


def cookie_of(request: h11.Request) -> str:
    """The node that a request's cookie names, or ""."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        for name, value in request.headers:
            if name == b"cookie":
                cookies.load(value.decode("latin-1"))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


class Balancer:
    """A running balancer. Opened by `balancer()`."""

    def __init__(self, choose: Choice, tls: ssl.SSLContext) -> None:
        self.choose = choose
        self._tls = tls
        self.port = 0
        self.answered: deque[Answered] = deque(maxlen=KEPT)
        self._ports: dict[str, int] = {}
        self._excluded: set[str] = set()
        self._number = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        """The address for clients: `https://...`; for a WebSocket see `wss_url`."""
        return f"https://{HOST}:{self.port}"

    @property
    def wss_url(self) -> str:
        """The address for WebSocket clients."""
        return f"wss://{HOST}:{self.port}"

    def start_over(self, choose: Choice) -> None:
        """Use another function to choose from now on. The list of answers and the turn begin again."""
        self.choose, self._number = choose, 0
        self.answered.clear()

    def add_node(self, name: str, port: int) -> None:
        """Add a node that serves at this loopback port."""
        self._ports[name] = port

    def remove(self, name: str) -> None:
        """Send no requests to this node any more."""
        self._ports.pop(name, None)

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """Send no new requests to this node. Open connections stay open."""
        self._excluded.add(name)
        try:
            yield
        finally:
            self._excluded.discard(name)

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Reset every client's connection, and refuse new ones until the end of the block."""
        await self._close()
        try:
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port, ssl=self._tls, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._open)
        for task, writer in self._open.items():
            reset(writer.transport)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._client((reader, writer)))
        self._open[task] = writer
        task.add_done_callback(lambda done: self._open.pop(done))

    async def _client(self, near: Ends) -> None:
        """One client's connection: request after request, until it ends or becomes a tunnel."""
        http = h11.Connection(h11.SERVER)
        try:
            while isinstance(request := await _next(http, near[0]), h11.Request):
                if not await self._pass_on(http, near, request):
                    break
                http.start_next_cycle()
        except (h11.ProtocolError, OSError):
            reset(near[1].transport)
        finally:
            await close([near[1]])

    async def _pass_on(self, http: h11.Connection, near: Ends, request: h11.Request) -> bool:
        """Forward one request to a node, and its answer back. Returns whether the connection can take another one."""
        body = [event async for event in _message(http, near[0])]
        name, far = await self._node_for(request)
        if far is None:
            near[1].write(_unavailable(http))
            self._note(request, name, 503)
            return _goes_on(http)
        try:
            theirs = h11.Connection(h11.CLIENT)
            for event in (request, *body):
                far[1].write(theirs.send(event) or b"")
            answer = await _next(theirs, far[0])
            if not isinstance(answer, h11.Response | h11.InformationalResponse):
                raise ConnectionResetError(f"node {name} ended before it answered")
            self._note(request, name, answer.status_code)
            near[1].write(http.send(_marked(answer, name, self.choose is by_cookie)) or b"")
            if isinstance(answer, h11.InformationalResponse):
                await _tunnel(near, http, far, theirs)
                return False
            async for event in _message(theirs, far[0]):
                near[1].write(http.send(event) or b"")
            await near[1].drain()
            return _goes_on(http)
        finally:
            await close([far[1]])

    async def _node_for(self, request: h11.Request) -> tuple[str, Ends | None]:
        """A node and a connection to it. If a node does not answer, the others are tried."""
        left = [name for name in sorted(self._ports) if name not in self._excluded]
        number, self._number = self._number, self._number + 1
        while left:
            name = self.choose(request, left, number)
            try:
                return name, await asyncio.open_connection(HOST, self._ports[name])
            except OSError:
                left.remove(name)
        return "", None

    def _note(self, request: h11.Request, name: str, status: int) -> None:
        upgrade = any(header == b"upgrade" for header, _ in request.headers)
        transport = "websocket" if upgrade else "polling" if b"transport=polling" in request.target else "http"
        self.answered.append(Answered(request.method.decode(), transport, name, status))


@asynccontextmanager
async def balancer(authority: Authority, choose: Choice = round_robin) -> AsyncIterator[Balancer]:
    """Open a balancer over TLS on a free loopback port. Add nodes with `place`.

    Args:
        authority: the balancer presents its certificate.
        choose: `round_robin`, `by_cookie`, `by_user`, or a function of (request, names, number of earlier requests).
    """
    need(callable(choose), "a function that chooses a node", choose, "Pass round_robin, by_cookie or by_user")
    opened = Balancer(choose, authority.server)
    await opened._listen()
    try:
        yield opened
    finally:
        await opened._close()


async def _next(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    """The next event of one side; h11.PAUSED after an upgrade."""
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(READ_BYTES))
    return event


async def _message(http: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[h11.Data | h11.EndOfMessage]:
    """The body after a head, to its end."""
    while isinstance(event := await _next(http, reader), h11.Data | h11.EndOfMessage):
        yield event
        if isinstance(event, h11.EndOfMessage):
            return


async def _tunnel(near: Ends, http: h11.Connection, far: Ends, theirs: h11.Connection) -> None:
    """Forward bytes in both directions after the upgrade. The first are those that came with the heads."""
    far[1].write(http.trailing_data[0])
    near[1].write(theirs.trailing_data[0])
    await carry(near, far)


def _marked(answer: h11.Response | h11.InformationalResponse, name: str, cookie: bool) -> h11.Event:
    marks = [(b"x-node", name.encode())]
    if cookie:
        marks.append((b"set-cookie", f"{COOKIE}={name}; Path=/; Secure; HttpOnly".encode()))
    headers = [*answer.headers.raw_items(), *marks]
    return type(answer)(status_code=answer.status_code, headers=headers, reason=answer.reason)


def _unavailable(http: h11.Connection) -> bytes:
    head = h11.Response(status_code=503, headers=[("content-length", "0")], reason=b"No Node Answers")
    return b"".join(http.send(event) or b"" for event in (head, h11.EndOfMessage()))


def _goes_on(http: h11.Connection) -> bool:
    return http.our_state is h11.DONE and http.their_state is h11.DONE
