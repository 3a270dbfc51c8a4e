"""The links of a run on real sockets: each client connects through a relay of its own, over TLS.

The simulated link's own code counts the messages and makes the faults happen. The ends are here `RelayEndpoint`s of
real TLS connections. Because TCP is real, three things differ:

- For a refused connection the relay accepts TCP and resets it before TLS, as a load balancer without a server does.
  The client gets an `OSError`, also if its server was killed meanwhile. If the connection breaks after TLS and before
  the server's answer to the upgrade, `websockets` raises `InvalidMessage`.
- A cut *before* a message happens when the relay has the message: `send` has returned, and the message is lost.
- A cut *after* a message happens when its receiver has read it. What the receiver then sends is lost.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, ClassVar, cast

from websockets.asyncio.client import connect
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Opcode
from websockets.protocol import State

from midspan.net.servers import HOST, Authority, DirectConnection, raw_server
from midspan.net.tcp import reset
from midspan.protocols.capture import Side
from midspan.protocols.http import HttpHead, read_http
from midspan.protocols.websocket import CONTROL, Assembler, Frame, Message, negotiated, read_frames
from midspan.simulation.end import LinkEnd, Pipe, SimFrame
from midspan.simulation.faults import Way
from midspan.simulation.implementation import Server
from midspan.simulation.link import Link, Network
from midspan.simulation.loop import CANCELLATIONS
from midspan.simulation.tls.loop import Listener, VirtualTimeSelectorLoop

SWITCHING = b"HTTP/1.1 101 "  # RFC 6455 section 4.2.2
END_OF_HEAD = b"\r\n\r\n"
ASKED = HttpHead("GET", "/", 0, "", (("Upgrade", "websocket"), ("Connection", "Upgrade")), b"")


class RelayEndpoint(asyncio.Protocol):
    """One side of a relayed connection: it reads frames from a TLS stream, and writes frames to it.

    The relay ends TLS on both sides, as a tap does, so it sees where a message begins and ends. It forwards the bytes
    of each frame unchanged, with their mask and fragments.

    Args:
        link: to which the connection belongs.
        side: the end to which this side is connected.
        into: the pipe to the other side of the relay.
    """

    peer: RelayEndpoint

    def __init__(self, link: RealLink, side: Side, into: Pipe) -> None:
        self.link, self.side, self.into = link, side, into
        self.way: Way = "up" if side == "client" else "down"  # the direction in which this side sends
        self.state = State.CONNECTING
        self.served_by = ""  # the node behind this side, where there are nodes
        self.paused = False
        self._held = False
        self._unread = b""
        self._assembler = Assembler()
        self._transport: asyncio.Transport | None = None

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.link.network.faces.add(self)
        if self.state is State.CLOSED:  # the other side has ended already
            self._transport.close()
        else:
            self.link.ends.append(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._read()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.peer.into.resume()

    def connection_lost(self, _error: Exception | None) -> None:
        self.link.network.faces.discard(self)
        self._has_ended()

    def eof_received(self) -> None:
        self._has_ended()

    # bytes from this side

    def _read(self) -> None:
        """Take bytes of HTTP until the upgrade, and whole frames after it."""
        if self.state is State.CONNECTING and self._unread:
            self._read_http()
        if self._upgraded and not self._held:
            frames, self._unread = read_frames(self._unread)
            for frame in frames:
                if self._upgraded:  # a fault may cut the connection between two frames
                    self._take(frame)
        self._pause_if_full()

    @property
    def _upgraded(self) -> bool:
        return self.state in (State.OPEN, State.CLOSING)

    def _read_http(self) -> None:
        if self.side == "server" and self._unread.startswith(SWITCHING):
            end = self._unread.find(END_OF_HEAD) + len(END_OF_HEAD)
            if end < len(END_OF_HEAD):
                return
            head, self._unread = self._unread[:end], self._unread[end:]
            self.into.write(SimFrame("http", head, 0, head))
            self.link.opened(self, head)
        else:
            data, self._unread = self._unread, b""
            self.into.write(SimFrame("http", data, 0, data))

    def upgraded(self, head: bytes) -> None:
        """This side sends frames from now on. `head`: the server's answer, which may agree on compression."""
        self.state = State.OPEN
        self.into.latency_s = self.link.network.latency_s
        response = read_http(head, ASKED)
        inflate = negotiated(response.head) if response else None
        self._assembler = Assembler(inflate[self.side] if inflate else None)

    def _take(self, frame: Frame) -> None:
        if frame.opcode == Opcode.CLOSE:
            if self.state is State.OPEN:
                self.state = State.CLOSING
                self.link.left(self, _code(frame))
            self.into.write(SimFrame("close", frame.payload, 0, frame.raw))
        elif frame.opcode & CONTROL:
            self.into.write(SimFrame("ping", frame.payload, 0, frame.raw))
        else:
            self._take_data(frame)

    def _take_data(self, frame: Frame) -> None:
        """Count a message at its last frame; forward earlier fragments uncounted."""
        message = self._assembler.feed(frame)
        if isinstance(message, Message) and self.link.counts(self, message.data):
            self.link.transmit(self, "text" if message.text else "binary", message.data, frame.raw)
        else:
            self.into.write(SimFrame("binary", frame.payload, 0, frame.raw))

    def _pause_if_full(self) -> None:
        """Pause reading while too many bytes are on their way, so that the sender has to wait."""
        limit = self.link.network.limits.write_limit
        if self._transport is not None and self.into.unread_bytes > limit and self.state is not State.CLOSED:
            self._transport.pause_reading()
            self.into.writer_waits = self.link.loop.create_future()
            self.into.writer_waits.add_done_callback(lambda _: self._resume_reading())

    def _resume_reading(self) -> None:
        assert self._transport is not None
        self._transport.resume_reading()
        self._pause_if_full()

    def hold(self) -> None:
        """Take no more frames until `go_on`."""
        self._held = True

    def go_on(self) -> None:
        """Take frames again, first those that came meanwhile."""
        self._held = False
        self._read()

    def _has_ended(self) -> None:
        """This end has closed its TCP connection. The other end is told through the pipe."""
        if self.state is not State.CLOSED:
            self.into.write(SimFrame("end", b""))
            self.lose(None)

    # called by the link and the pipe

    def receive(self, frame: SimFrame) -> None:
        """Write a frame to this end."""
        if self.state is State.CLOSED:
            return
        if frame.opcode == "end":
            self.lose(None)
            return
        if self._transport is not None:
            self._transport.write(frame.raw)
        if frame.number:
            self.link.arrived(self, frame)

    def lose(self, cause: BaseException | None) -> None:
        """The connection is gone: reset by `cause`, or ended."""
        if self.state is State.CLOSED:
            return
        if self.state is State.OPEN:
            self.link.left(self, "1006")
        self.state = State.CLOSED
        if self._transport is None:
            return
        self.link.ends.remove(self)
        if cause is None:
            self._transport.close()
        else:
            reset(self._transport)

    def abort(self) -> None:
        """Close the socket at once."""
        if self._transport is not None:
            self._transport.abort()


def _code(frame: Frame) -> str:
    try:
        return str(int(Close.parse(frame.payload).code))
    except (ProtocolError, UnicodeDecodeError):
        return "1002"


class RealLink(Link):
    """As `Link`, with a relay on a port of its own for the real connections of one client."""

    network: RealNetwork
    loop: VirtualTimeSelectorLoop

    def __init__(self, network: RealNetwork, name: str) -> None:
        super().__init__(network, name)
        self.listener = Listener(self.loop, self._accept)
        self.url = f"wss://{self.listener.address}"

    def connect(self) -> Any:
        options = asdict(self.network.limits)
        return connect(self.url, ssl=self.network.trust, compression=None, proxy=None, **options)

    async def _accept(self, sock: socket.socket) -> None:
        """Handle one attempt to connect: refuse it, or connect it to the server through two `RelayEndpoint`s."""
        assert self.network.trust is not None
        up, down = Pipe(self.loop, 0.0), Pipe(self.loop, 0.0)  # no latency for the upgrade: `admit` has waited for it
        client, server = RelayEndpoint(self, "client", up), RelayEndpoint(self, "server", down)
        client.peer, server.peer, up.to, down.to = server, client, server, client
        try:
            await self.admit()
            server.served_by, port = self.network.next_server()
            await self.loop.create_connection(lambda: server, HOST, port, ssl=self.network.behind[0])
        except BaseException as error:
            reset(sock)
            if not isinstance(error, OSError):
                raise
            return
        try:
            await self.loop.connect_accepted_socket(lambda: client, sock, ssl=self.network.identity)
        except OSError as error:  # the client has closed meanwhile
            server.lose(error)

    def opened(self, server: RelayEndpoint, head: bytes) -> None:
        """The server has accepted the upgrade. `head`: its answer."""
        for end in (server.peer, server):
            end.upgraded(head)
        self.recorder.note(self.name, "opened")
        self.recorder.note(f"server/{self.name}", "opened", detail=server.served_by)
        self.network.on_open()

    def counts(self, end: RelayEndpoint, data: bytes) -> bool:
        """Whether triggers count this message."""
        counts = self.network.counts
        return counts is None or counts(end.way, data)

    def arrived(self, end: LinkEnd, frame: SimFrame) -> None:
        """A message was written to its receiver's socket. If it triggers a fault, hold both sides until then."""
        assert isinstance(end, RelayEndpoint)
        if (end.peer.way, frame.number) not in self._faults_at:
            super().arrived(end, frame)
            return
        for one in (end, end.peer):
            one.hold()
        self.loop.when_quiet(partial(self._has_arrived, end, frame))

    def _has_arrived(self, end: RelayEndpoint, frame: SimFrame) -> None:
        super().arrived(end, frame)
        for one in (end, end.peer):
            one.go_on()


ENDING_S = 60  # of the run's clock; asyncio waits half of it for the end of a TLS connection


class RealNetwork(Network):
    """As `Network`, on real connections.

    Args:
        authority: of the TLS on both sides of each relay.
        counts: as `Implementation.counts`.
    """

    make_link: ClassVar[type[Link]] = RealLink
    loop: VirtualTimeSelectorLoop

    def __init__(self, *args: Any, authority: Authority, counts: Callable[[Way, bytes], bool] | None) -> None:
        super().__init__(*args)
        self.trust, self.identity = authority.client, authority.server
        self.behind: tuple[ssl.SSLContext | None, ssl.SSLContext | None] = self.trust, self.identity
        self.counts = counts
        self.faces: set[RelayEndpoint] = set()
        self.port = 0  # 0: no server listens

    @property
    def up(self) -> bool:
        return self.port != 0

    def next_server(self) -> tuple[str, int]:
        """The name of the node that serves the next connection ("" without nodes), and the port."""
        return "", self.port

    async def run(self, server: Server) -> None:
        """Let the server listen, until its process is killed."""
        serving = getattr(server, "serving", None)
        async with serving(self.identity) if serving is not None else self._serving(server) as self.port:
            await self.loop.create_future()

    @asynccontextmanager
    async def _serving(self, server: Server, who: str = "server") -> AsyncIterator[int]:
        handler = partial(self._handle, server.handle, who=who)
        options = {"compression": None, "create_connection": DirectConnection, **asdict(self.limits)}
        async with raw_server(handler, self.behind[1], **options) as served:
            yield served.port

    def kill_server(self) -> None:
        self.port = 0
        super().kill_server()

    async def close(self) -> None:
        """Cancel every task of the run, and wait until all its sockets are closed."""
        for link in self.links.values():
            assert isinstance(link, RealLink)
            link.listener.close()
        for face in list(self.faces):
            face.abort()
        this = asyncio.current_task()
        for _ in range(CANCELLATIONS):
            tasks = [task for task in self.loop.tasks if not task.done() and task is not this]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=ENDING_S)
        for _ in range(ENDING_S):
            if self.loop.watches:
                await asyncio.sleep(1)
