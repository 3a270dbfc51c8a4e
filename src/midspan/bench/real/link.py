"""The link of one client, on real sockets: a relay with a port of its own, through which all its connections go.

What counts messages and lets faults happen at their moments is the simulated link's own code; here the ends are faces
to real TLS connections. Three things differ, since TCP is what it is.

- A refused connection is accepted by TCP and reset before TLS, as by a load balancer with nothing behind it. To the
  client it is an `OSError` all the same, also where its server died while it opened. What breaks after TLS, before the
  server has agreed to speak WebSocket, is what `websockets` makes of it: `InvalidMessage`.
- A cut *before* a message leaves its sender comes when the relay has it: `send` has returned, the message is gone.
- A cut *after* a message has arrived comes when its receiver has read it; what the receiver says to it is lost.
"""

from __future__ import annotations

import socket
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect

from midspan.bench.real.clock import HastyLoop
from midspan.bench.real.door import Door
from midspan.bench.real.face import Face
from midspan.sim.ends import LinkEnd
from midspan.sim.link import Link
from midspan.sim.pipe import Pipe, SimFrame
from midspan.wires.certs import HOST
from midspan.wires.reset import reset

if TYPE_CHECKING:
    from midspan.bench.real.network import RealNetwork


class RealLink(Link):
    """As `Link`, on real connections."""

    network: RealNetwork
    loop: HastyLoop

    def __init__(self, network: RealNetwork, name: str) -> None:
        super().__init__(network, name)
        self.door = Door(self.loop, self._let_in)
        self.url = f"wss://{self.door.address}"

    def connect(self) -> Any:
        options = asdict(self.network.limits)
        return connect(self.url, ssl=self.network.trust, compression=None, proxy=None, **options)

    async def _let_in(self, sock: socket.socket) -> None:
        """One attempt to connect: to its end, or to two faces that pass on what the ends say."""
        assert self.network.trust is not None
        up, down = Pipe(self.loop, 0.0), Pipe(self.loop, 0.0)  # the upgrade takes no more time than `admit` took
        client, server = Face(self, "client", up), Face(self, "server", down)
        client.peer, server.peer, up.to, down.to = server, client, server, client
        try:
            await self.admit()
            server.served_by, port = self.network.place()
            await self.loop.create_connection(lambda: server, HOST, port, ssl=self.network.behind[0])
        except BaseException as error:
            reset(sock)
            if not isinstance(error, OSError):
                raise
            return
        try:
            await self.loop.connect_accepted_socket(lambda: client, sock, ssl=self.network.identity)
        except OSError as error:  # the client has gone meanwhile
            server.lose(error)

    def opened(self, server: Face, head: bytes) -> None:
        """The server has agreed to speak WebSocket: `head` is its answer."""
        for end in (server.peer, server):
            end.upgraded(head)
        self.recorder.note(self.name, "opened")
        self.recorder.note(f"server/{self.name}", "opened", detail=server.served_by)
        self.network.on_open()

    def counts(self, end: Face, data: bytes) -> bool:
        """Is this one of the messages that a moment counts?"""
        counts = self.network.counts
        return counts is None or counts(end.way, data)

    def arrived(self, end: LinkEnd, frame: SimFrame) -> None:
        """A message was written to its receiver's socket. Where a fault follows, nobody says more before it."""
        assert isinstance(end, Face)
        if (end.peer.way, frame.number) not in self._moments:
            super().arrived(end, frame)
            return
        for one in (end, end.peer):
            one.hold()
        self.loop.when_quiet(partial(self._has_arrived, end, frame))

    def _has_arrived(self, end: Face, frame: SimFrame) -> None:
        super().arrived(end, frame)
        for one in (end, end.peer):
            one.go_on()
