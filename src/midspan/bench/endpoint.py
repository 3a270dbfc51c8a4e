"""One server of the bench, the tap in front of it, and the link in front of both where there is one."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from midspan.records.capture import Capture
from midspan.records.dissect import dissect
from midspan.records.exchange import Exchange
from midspan.refusal import Refusal, Words
from midspan.wires.certs import Authority
from midspan.wires.link import Link, link
from midspan.wires.servers import RawHandler, Register, Served, raw_server, socketio_server
from midspan.wires.tap import Tap, tap
from midspan.wires.thread import LoopThread


@dataclass(frozen=True)
class Endpoint:
    """A server that can be reached through its tap (`url`) or past it (`direct_url`)."""

    name: str
    served: Served
    tap: Tap
    thread: LoopThread
    faulty: Link | None = None

    @property
    def url(self) -> str:
        """The address that leads through the tap, and through the link before it where there is one."""
        door = self.tap if self.faulty is None else self.faulty
        return f"{self.served.url.rsplit(':', 1)[0]}:{door.port}"

    @property
    def link(self) -> Link:
        """What can be made to fail: `with bench.raw.link.latency(0.2): ...`. The tap sees what has crossed it.

        Raises:
            Refusal: the bench was opened without links.
        """
        if self.faulty is None:
            raise Refusal("a bench with links", Words("one without"), "Open it so: `await Bench(..., links=True)`")
        return self.faulty

    @property
    def direct_url(self) -> str:
        """The server's own address: nothing in the middle, nothing recorded."""
        return self.served.url

    @property
    def log(self) -> list[str]:
        """What the server had to complain of, newest last: a handler's exception, for instance."""
        return list(self.served.log.lines)

    @property
    def capture(self) -> Capture:
        """What the tap has seen so far, as raw bytes."""
        return self.tap.capture

    async def exchange(self) -> Exchange:
        """What the tap has seen, dissected; waits for connections that are just ending."""
        return dissect(await self.thread.call(self.tap.settled()))

    def clear(self) -> None:
        """Let the tap forget what it has seen."""
        self.tap.clear()


class Opening:
    """Opens endpoints that end with `stack`.

    Args:
        links: whether each gets a link that can be made to fail.
    """

    def __init__(self, stack: AsyncExitStack, thread: LoopThread, authority: Authority, links: bool) -> None:
        self._stack, self._thread, self._authority, self._links = stack, thread, authority, links

    async def raw(self, handler: RawHandler, options: dict[str, Any]) -> Endpoint:
        """A raw server."""
        server = raw_server(handler, self._authority.server, **options)
        return await self._reached("raw", await self._stack.enter_async_context(server))

    async def socketio(self, register: Register, options: dict[str, Any]) -> Endpoint:
        """A Socket.IO server."""
        server = socketio_server(register, self._authority.server, **options)
        return await self._reached("socketio", await self._stack.enter_async_context(server))

    async def _reached(self, name: str, served: Served) -> Endpoint:
        seen = await self._stack.enter_async_context(tap(served.port, self._authority))
        faulty = None
        if self._links:
            faulty = await self._stack.enter_async_context(link(seen.port, self._authority))
        return Endpoint(name, served, seen, self._thread, faulty)
