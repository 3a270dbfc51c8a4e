"""A relay's face to one end of a real connection: it reads frames off a TLS stream, and writes frames to it.

The relay ends TLS on both sides, as a tap does, so it sees where a message begins and ends. The bytes of each frame
pass as they came: same mask, same fragments.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Opcode
from websockets.protocol import State

from midspan.records.capture import Side
from midspan.records.frames import CONTROL, Frame, read_frames
from midspan.records.http import HttpHead, read_http
from midspan.records.messages import Assembler, Message, negotiated
from midspan.sim.faults import Way
from midspan.sim.pipe import Pipe, SimFrame
from midspan.wires.reset import reset

if TYPE_CHECKING:
    from midspan.bench.real.link import RealLink

SWITCHING = b"HTTP/1.1 101 "  # RFC 6455 section 4.2.2
END_OF_HEAD = b"\r\n\r\n"
ASKED = HttpHead("GET", "/", 0, "", (("Upgrade", "websocket"), ("Connection", "Upgrade")), b"")


class Face(asyncio.Protocol):
    """One side of a relayed connection.

    Args:
        link: whose connection it is.
        side: which end it looks at.
        into: the pipe to the other face.
    """

    peer: Face

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
