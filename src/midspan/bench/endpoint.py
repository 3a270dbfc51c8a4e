"""One server of the bench and the tap in front of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from midspan.records.capture import Capture
from midspan.records.dissect import dissect
from midspan.records.exchange import Exchange
from midspan.wires.certs import Authority
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

    @property
    def url(self) -> str:
        """The address that leads through the tap."""
        return f"{self.served.url.rsplit(':', 1)[0]}:{self.tap.port}"

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


async def open_raw(
    stack: AsyncExitStack, thread: LoopThread, authority: Authority, handler: RawHandler, options: dict[str, Any]
) -> Endpoint:
    """Start a raw server and its tap; both end with `stack`."""
    served = await stack.enter_async_context(raw_server(handler, authority.server, **options))
    return Endpoint("raw", served, await stack.enter_async_context(tap(served.port, authority)), thread)


async def open_socketio(
    stack: AsyncExitStack, thread: LoopThread, authority: Authority, register: Register, options: dict[str, Any]
) -> Endpoint:
    """Start a Socket.IO server and its tap; both end with `stack`."""
    served = await stack.enter_async_context(socketio_server(register, authority.server, **options))
    return Endpoint("socketio", served, await stack.enter_async_context(tap(served.port, authority)), thread)
