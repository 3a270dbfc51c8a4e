"""The links of a run on real sockets: a relay for each client, through which its TLS connections go."""

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

from midspan.net.servers import HOST, Authority, Direct, raw_server
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

# A relay's face to one end of a real connection: it reads frames off a TLS stream, and writes frames to it.
#
# The relay ends TLS on both sides, as a tap does, so it sees where a message begins and ends. The bytes of each frame
# pass as they came: same mask, same fragments.


SWITCHING = b"HTTP/1.1 101 "  # RFC 6455 section 4.2.2
END_OF_HEAD = b"\r\n\r\n"
ASKED = HttpHead("GET", "/", 0, "", (("Upgrade", "websocket"), ("Connection", "Upgrade")), b"")


class RelayEndpoint(asyncio.Protocol):
    """One side of a relayed connection.

    Args:
        link: whose connection it is.
        side: which end it looks at.
        into: the pipe to the other face.
    """

    peer: RelayEndpoint

    def __init__(self, link: RealLink, side: Side, into: Pipe) -> None:
        self.link, self.side, self.into = link, side, into
        self.way: Way = "up" if side == "client" else "down"  # what this side sends goes
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
        if self.state is State.CLOSED:  # the other end has gone before we were introduced
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
        self._let_go()

    def eof_received(self) -> None:
        self._let_go()

    # bytes from this side

    def _read(self) -> None:
        """Take what is whole: bytes of HTTP until the upgrade, frames after it."""
        if self.state is State.CONNECTING and self._unread:
            self._read_http()
        if self._upgraded and not self._held:
            frames, self._unread = read_frames(self._unread)
            for frame in frames:
                if self._upgraded:  # a fault may cut the connection between two frames
                    self._take(frame)
        self._feel_pressure()

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
        """From here on this side sends frames; `head` says what the two ends agreed on."""
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
        """A message leaves with its last frame: the ones before it pass uncounted."""
        message = self._assembler.feed(frame)
        if isinstance(message, Message) and self.link.counts(self, message.data):
            self.link.transmit(self, "text" if message.text else "binary", message.data, frame.raw)
        else:
            self.into.write(SimFrame("binary", frame.payload, 0, frame.raw))

    def _feel_pressure(self) -> None:
        """Read no more while too much is on its way: the sender shall feel it."""
        limit = self.link.network.limits.write_limit
        if self._transport is not None and self.into.unread_bytes > limit and self.state is not State.CLOSED:
            self._transport.pause_reading()
            self.into.writer_waits = self.link.loop.create_future()
            self.into.writer_waits.add_done_callback(lambda _: self._relieve())

    def _relieve(self) -> None:
        assert self._transport is not None
        self._transport.resume_reading()
        self._feel_pressure()

    def hold(self) -> None:
        """Take no frame for now."""
        self._held = True

    def go_on(self) -> None:
        """Take what came meanwhile, and what comes."""
        self._held = False
        self._read()

    def _let_go(self) -> None:
        """This end has closed its TCP connection; the other one learns of it when the link lets it."""
        if self.state is not State.CLOSED:
            self.into.write(SimFrame("end", b""))
            self.lose(None)

    # what the link and the pipe call

    def receive(self, frame: SimFrame) -> None:
        """Hand a frame to this end."""
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
        """Let go of the socket."""
        if self._transport is not None:
            self._transport.abort()


def _code(frame: Frame) -> str:
    try:
        return str(int(Close.parse(frame.payload).code))
    except (ProtocolError, UnicodeDecodeError):
        return "1002"


# The link of one client, on real sockets: a relay with a port of its own, through which all its connections go.
#
# What counts messages and lets faults happen at their moments is the simulated link's own code; here the ends are
# faces to real TLS connections. Three things differ, since TCP is what it is.
#
# - A refused connection is accepted by TCP and reset before TLS, as by a load balancer with nothing behind it. To the
# client it is an `OSError` all the same, also where its server died while it opened. What breaks after TLS, before
# the server has agreed to speak WebSocket, is what `websockets` makes of it: `InvalidMessage`. - A cut *before* a
# message leaves its sender comes when the relay has it: `send` has returned, the message is gone. - A cut *after* a
# message has arrived comes when its receiver has read it; what the receiver says to it is lost.


class RealLink(Link):
    """As `Link`, on real connections."""

    network: RealNetwork
    loop: VirtualTimeSelectorLoop

    def __init__(self, network: RealNetwork, name: str) -> None:
        super().__init__(network, name)
        self.listener = Listener(self.loop, self._let_in)
        self.url = f"wss://{self.listener.address}"

    def connect(self) -> Any:
        options = asdict(self.network.limits)
        return connect(self.url, ssl=self.network.trust, compression=None, proxy=None, **options)

    async def _let_in(self, sock: socket.socket) -> None:
        """One attempt to connect: to its end, or to two faces that pass on what the ends say."""
        assert self.network.trust is not None
        up, down = Pipe(self.loop, 0.0), Pipe(self.loop, 0.0)  # the upgrade takes no more time than `admit` took
        client, server = RelayEndpoint(self, "client", up), RelayEndpoint(self, "server", down)
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

    def opened(self, server: RelayEndpoint, head: bytes) -> None:
        """The server has agreed to speak WebSocket: `head` is its answer."""
        for end in (server.peer, server):
            end.upgraded(head)
        self.recorder.note(self.name, "opened")
        self.recorder.note(f"server/{self.name}", "opened", detail=server.served_by)
        self.network.on_open()

    def counts(self, end: RelayEndpoint, data: bytes) -> bool:
        """Is this one of the messages that a moment counts?"""
        counts = self.network.counts
        return counts is None or counts(end.way, data)

    def arrived(self, end: LinkEnd, frame: SimFrame) -> None:
        """A message was written to its receiver's socket. Where a fault follows, nobody says more before it."""
        assert isinstance(end, RelayEndpoint)
        if (end.peer.way, frame.number) not in self._moments:
            super().arrived(end, frame)
            return
        for one in (end, end.peer):
            one.hold()
        self.loop.when_quiet(partial(self._has_arrived, end, frame))

    def _has_arrived(self, end: RelayEndpoint, frame: SimFrame) -> None:
        super().arrived(end, frame)
        for one in (end, end.peer):
            one.go_on()


ENDING_S = 60  # of the run's clock: asyncio gives a TLS connection half of it to say goodbye


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

    def place(self) -> tuple[str, int]:
        """Who serves the next connection, and its port."""
        return "", self.port

    async def run(self, server: Server) -> None:
        """Let the server listen, until its process is killed."""
        serving = getattr(server, "serving", None)
        async with serving(self.identity) if serving is not None else self._serving(server) as self.port:
            await self.loop.create_future()

    @asynccontextmanager
    async def _serving(self, server: Server, who: str = "server") -> AsyncIterator[int]:
        handler = partial(self._handle, server.handle, who=who)
        options = {"compression": None, "create_connection": Direct, **asdict(self.limits)}
        async with raw_server(handler, self.behind[1], **options) as served:
            yield served.port

    def kill_server(self) -> None:
        self.port = 0
        super().kill_server()

    async def close(self) -> None:
        """End every task of the run, and wait until its last socket is closed."""
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
