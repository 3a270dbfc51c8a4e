"""The parts of a simulated connection: a `Pipe` for each direction, and an `End` on each side.

The closing handshake is that of RFC 6455 section 7: each side sends one close frame, then the server ends the TCP
connection. A connection that ends without close frames has the close code 1006.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import OK_CLOSE_CODES, Close
from websockets.protocol import State

from midspan.errors import Fitting
from midspan.simulation.faults import Way
from midspan.simulation.loop import RunLoop


@dataclass(frozen=True, slots=True)
class Limits(Fitting):
    """The options of `websockets.connect` and `websockets.serve` that matter here, with their defaults.

    One default differs. The library sends a ping every 20 s; here `ping_interval` is None, because the heartbeat is an
    exercise of lab 3. Pass `ping_interval=None` to the library for the same behaviour on a real link.
    """

    ping_interval: float | None = None  # s
    ping_timeout: float | None = 20.0  # s
    open_timeout: float | None = 10.0  # s
    close_timeout: float | None = 10.0  # s
    max_size: int | None = 2**20  # bytes of one message
    max_queue: int = 16  # messages that may wait for recv(); then reading pauses, until a quarter is left
    write_limit: int = 2**15  # bytes that may be on their way; then send() waits, until a quarter is left


# One direction of a simulated connection. TCP may delay a stream, stop it or cut it. TCP never loses a byte in the
# middle of a stream and never swaps two bytes, so a pipe does not either.


Opcode = Literal["text", "binary", "ping", "pong", "close", "end", "http"]
# RFC 6455 section 5.2. "end" is the end of the TCP connection; "http": bytes before the upgrade, on a real link.


class SimFrame(NamedTuple):
    """A frame on its way. It is a tuple because a search makes hundreds of thousands each second."""

    opcode: Opcode
    data: bytes
    number: int = 0  # of the message, in this direction of its link, from 1; 0 for control frames
    raw: bytes = b""  # the bytes on the wire, on a real link


class PipeReceiver(Protocol):
    """What a pipe needs of the end that it leads to."""

    @property
    def paused(self) -> bool:
        """Whether it takes no frames now."""

    def receive(self, frame: SimFrame, /) -> None:
        """A frame has arrived."""


class Pipe:
    """One direction of a connection: frames arrive after the latency, whole and in order, or never.

    Args:
        loop: of the run; its clock decides when a frame arrives.
        latency_s: how long a frame is on its way.
    """

    __slots__ = (
        "_due",
        "_frames",
        "_last_s",
        "broken",
        "latency_s",
        "loop",
        "silent_until_s",
        "to",
        "unread_bytes",
        "writer_waits",
    )

    def __init__(self, loop: RunLoop, latency_s: float) -> None:
        self.loop, self.latency_s = loop, latency_s
        self.to: PipeReceiver | None = None
        self.unread_bytes = 0  # written and not yet taken by the other end; they fill the writer's buffer
        self.writer_waits: asyncio.Future[None] | None = None  # set by a writer whose buffer is full
        self.broken = False
        self.silent_until_s = 0.0
        self._last_s = 0.0  # when the last frame arrives; the next one must not arrive before it
        self._frames: deque[SimFrame] = deque()  # frames on their way; each has a timer; a timer takes the first frame
        self._due = 0  # how many of them have arrived while the receiver was paused

    def write(self, frame: SimFrame) -> None:
        """Put a frame on its way."""
        if self.broken:
            return
        self.unread_bytes += len(frame.data)
        self._frames.append(frame)
        arrives_s = self.loop.now_s + self.latency_s
        if arrives_s > self._last_s:
            self._last_s = arrives_s
        self.loop.at(self._last_s, self._arrive)

    def delay(self, by_s: float) -> None:
        """Delay the next frame by `by_s` seconds, and with it all frames after it."""
        self._last_s = max(self._last_s, self.loop.now_s + self.latency_s + by_s)

    def silence(self, until_s: float) -> None:
        """Let no frame arrive before `until_s` (`inf`: never), not even a frame that is on its way."""
        self.silent_until_s = max(self.silent_until_s, until_s)

    def break_(self) -> None:
        """Lose all frames that are on their way, and all that are written later."""
        self.broken = True
        self._frames.clear()

    def _arrive(self) -> None:
        if self.broken or self.to is None:
            return
        if self.loop.now_s < self.silent_until_s:
            if self.silent_until_s != math.inf:
                self.loop.at(self.silent_until_s, self._arrive)
        elif self.to.paused:
            self._due += 1
        else:
            self._take()

    def _take(self) -> None:
        frame = self._frames.popleft()
        assert self.to is not None
        self.unread_bytes -= len(frame.data)
        self.to.receive(frame)
        if self.writer_waits is not None and not self.writer_waits.done():
            self.writer_waits.set_result(None)

    def resume(self) -> None:
        """The receiver reads again: give it the frames that have arrived meanwhile."""
        while self._due and self.to is not None and not self.to.paused and not self.broken:
            self._due -= 1
            self._take()


class LinkEnd(PipeReceiver, Protocol):
    """What a link needs of an end: an `End` of a simulated connection, or a `RelayEndpoint` of a real one."""

    @property
    def link(self) -> EndLink: ...

    @property
    def into(self) -> Pipe:
        """The pipe that it writes to."""

    @property
    def side(self) -> Literal["client", "server"]: ...

    @property
    def way(self) -> Way:
        """The direction in which it sends."""

    @property
    def peer(self) -> LinkEnd: ...

    @property
    def state(self) -> State: ...

    def lose(self, cause: BaseException | None, /) -> None:
        """The TCP connection is gone: reset by `cause`, or ended."""


class EndLink(Protocol):
    """What an end and a fault need of the link."""

    @property
    def name(self) -> str:
        """The name of its client."""

    @property
    def loop(self) -> RunLoop: ...

    @property
    def ends(self) -> list[LinkEnd]:
        """Both ends of each connection, while they are not closed."""

    def transmit(self, end: LinkEnd, opcode: Opcode, data: bytes, raw: bytes = b"") -> None:
        """Put one message of this end on its way."""

    def arrived(self, end: LinkEnd, frame: SimFrame) -> None:
        """A message has reached this end."""

    def left(self, end: LinkEnd, code: str) -> None:
        """This end has closed its connection, or has noticed that it is lost. `code`: the close code."""

    def cut(self, end: LinkEnd) -> None:
        """Reset the connection of this end."""

    def forget(self, ends: list[LinkEnd], until_s: float) -> None:
        """Let these ends send nothing until then. They are not told."""

    def go_silent(self, until_s: float) -> None:
        """Let nothing pass until then, on open connections and on new ones."""


# One end, as its link uses it.


OPEN, CLOSING, CLOSED = State.OPEN, State.CLOSING, State.CLOSED


class End:
    """One end of a connection: it receives frames and closes. `SimConnection` adds the methods of an application.

    Args:
        link: to which the connection belongs. It sends each message, and is told when the connection ends.
        side: which end this is.
        into: the pipe that it writes to.
        limits: as passed to `connect` or `serve`.
    """

    def __init__(self, link: EndLink, side: Literal["client", "server"], into: Pipe, limits: Limits) -> None:
        self.link, self.side, self.into, self.limits = link, side, into, limits
        self.way: Way = "up" if side == "client" else "down"
        self.loop = link.loop
        self.peer: End  # set when the two ends are joined
        self.state = OPEN
        self.latency = 0.0  # s, of the last ping
        self.paused = False
        self._queue: deque[tuple[Opcode, bytes]] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._at_once: tuple[contextvars.Context, Callable[[bytes], bool]] | None = None
        self._error: Exception | None = None
        self._pings: dict[bytes, tuple[asyncio.Future[float], float]] = {}
        self._rcvd: Close | None = None
        self._sent: Close | None = None
        self._rcvd_then_sent: bool | None = None
        self._cause: BaseException | None = None
        self._waiting: list[asyncio.Future[None]] = []  # the callers that wait for the end of the connection
        self._deadline: asyncio.TimerHandle | None = None
        self._keepalive: asyncio.Task[None] | None = None

    def receive(self, frame: SimFrame) -> None:
        """A frame has arrived."""
        if self.state is CLOSED:
            return
        if frame.number:
            self._receive_message(frame)
        elif frame.opcode == "ping":
            self.into.write(SimFrame("pong", frame.data))
        elif frame.opcode == "pong":
            self._receive_pong(frame.data)
        elif frame.opcode == "close":
            self._receive_close(frame.data)
        else:
            self.lose(None)

    def lose(self, cause: BaseException | None) -> None:
        """The TCP connection is gone: wake all callers that wait on this end."""
        if self.state is CLOSED:
            return
        if self.state is OPEN:
            self.link.left(self, "1006")
        self.state, self._cause = CLOSED, cause
        self.link.ends.remove(self)
        for timer in (self._deadline, self._keepalive):
            if timer is not None:
                timer.cancel()
        for future in (self._reader, self.into.writer_waits, *self._waiting):
            if future is not None and not future.done():
                future.set_result(None)
        for pong, _ in self._pings.values():
            if not pong.done():
                pong.set_exception(self._closed())
                pong.cancel()  # so that asyncio does not log an exception that no caller retrieves
        self._pings.clear()

    def hang_up(self) -> None:
        """End the TCP connection from this side."""
        if self.state is not CLOSED:
            self.into.write(SimFrame("end", b""))
            self.lose(None)

    # inside

    def _receive_message(self, frame: SimFrame) -> None:
        limit = self.limits.max_size
        if limit is not None and len(frame.data) > limit:
            self._send_close(Close(1009, f"frame with {len(frame.data)} bytes exceeds limit of {limit} bytes"))
            return
        if self._is_next and frame.opcode == "binary":
            self.link.arrived(self, frame)
            if self.state is not OPEN or not self._has_handled(frame.data):
                self._enqueue(frame)
        else:
            self._enqueue(frame)
            self.link.arrived(self, frame)

    @property
    def _is_next(self) -> bool:
        """Whether a caller waits in `recv` for the next message, and `at_once` may handle it."""
        waits = self._reader is not None and not self._reader.done()
        return self._at_once is not None and waits

    def _has_handled(self, data: bytes) -> bool:
        assert self._at_once is not None
        context, handle = self._at_once
        try:
            return context.run(handle, data)
        except Exception as error:  # as in `net.servers`: `recv` raises it
            self._error = error
            return False

    def _enqueue(self, frame: SimFrame) -> None:
        """Put the message into the queue for `recv`."""
        self._queue.append((frame.opcode, frame.data))
        if len(self._queue) >= self.limits.max_queue:
            self.paused = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _receive_pong(self, data: bytes) -> None:
        if data not in self._pings:
            return  # unsolicited (RFC 6455 section 5.5.3)
        for key in list(self._pings):  # a pong also answers the pings before its own
            waiter, sent_s = self._pings.pop(key)
            self.latency = self.loop.now_s - sent_s
            if not waiter.done():
                waiter.set_result(self.latency)
            if key == data:
                return

    def _receive_close(self, data: bytes) -> None:
        self._rcvd = Close.parse(data)
        if self.state is OPEN:
            self._rcvd_then_sent = True
            self._send_close(self._rcvd)
        else:
            self._rcvd_then_sent = False
        if self.side == "server":  # the server ends TCP first (RFC 6455 section 7.1.1)
            self.hang_up()

    def _send_close(self, close: Close) -> None:
        self._sent = close
        self.state = CLOSING
        self.link.left(self, str(int(close.code)))
        self.into.write(SimFrame("close", close.serialize()))
        if self.limits.close_timeout is not None:
            self._deadline = self.loop.call_later(self.limits.close_timeout, self._give_up_closing)

    def _give_up_closing(self) -> None:
        self._cause = TimeoutError("timed out while closing connection")
        self.into.write(SimFrame("end", b""))
        self.lose(self._cause)

    def _closed(self) -> ConnectionClosed:
        rcvd, sent = self._rcvd, self._sent
        fine = rcvd is not None and sent is not None and {rcvd.code, sent.code} <= OK_CLOSE_CODES
        error = (ConnectionClosedOK if fine else ConnectionClosedError)(rcvd, sent, self._rcvd_then_sent)
        error.__cause__ = self._cause
        return error
