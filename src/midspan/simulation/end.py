"""One direction of a simulated connection, and one end of it as its link sees it."""

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

    `ping_interval` is the exception: the library pings every 20 s unless told not to, and the simulated link does not,
    since a heartbeat is what lab 3 builds. Pass `ping_interval=None` on the real link for the same behaviour.
    """

    ping_interval: float | None = None  # s
    ping_timeout: float | None = 20.0  # s
    open_timeout: float | None = 10.0  # s
    close_timeout: float | None = 10.0  # s
    max_size: int | None = 2**20  # bytes of one message
    max_queue: int = 16  # messages that wait for recv() before reading pauses; it resumes at a quarter
    write_limit: int = 2**15  # bytes on their way before send() waits; it goes on at a quarter


# One direction of one simulated connection: what was written comes out later, whole, in order, or never.
#
# TCP may delay, stall or cut. It never loses a byte in the middle and never swaps two, so neither does a pipe.


Opcode = Literal["text", "binary", "ping", "pong", "close", "end", "http"]
# RFC 6455 section 5.2. "end" is the end of TCP; "http" are bytes before the upgrade, on a real link.


class SimFrame(NamedTuple):
    """A frame on the way. (A tuple, since a run makes hundreds and we make thousands of runs a second.)"""

    opcode: Opcode
    data: bytes
    number: int = 0  # the how-manieth message of its link and direction, from 1; 0 for control frames
    raw: bytes = b""  # the bytes on a real wire


class PipeReceiver(Protocol):
    """What a pipe knows of the end that it leads to."""

    @property
    def paused(self) -> bool:
        """Does it take nothing now?"""

    def receive(self, frame: SimFrame, /) -> None:
        """A frame has arrived."""


class Pipe:
    """The way from one end to the other.

    Args:
        loop: gives the time.
        latency_s: how long a frame is on its way.
    """

    __slots__ = (
        "_due",
        "_last_s",
        "_way",
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
        self.unread_bytes = 0  # written and not yet taken by the other end: what fills the writer's buffer
        self.writer_waits: asyncio.Future[None] | None = None  # set by a writer whose buffer is full
        self.broken = False
        self.silent_until_s = 0.0
        self._last_s = 0.0  # when the last frame arrives: the next one may not overtake it
        self._way: deque[SimFrame] = deque()  # all that is on its way; each has a timer, and each timer takes the head
        self._due = 0  # how many of them have arrived while the reader had paused

    def write(self, frame: SimFrame) -> None:
        """Put a frame on its way."""
        if self.broken:
            return
        self.unread_bytes += len(frame.data)
        self._way.append(frame)
        arrives_s = self.loop.now_s + self.latency_s
        if arrives_s > self._last_s:
            self._last_s = arrives_s
        self.loop.at(self._last_s, self._arrive)

    def delay(self, by_s: float) -> None:
        """The next frame, and with it all that follow, comes this much later."""
        self._last_s = max(self._last_s, self.loop.now_s + self.latency_s + by_s)

    def silence(self, until_s: float) -> None:
        """Nothing arrives before `until_s` (maybe never), not even what is on its way already."""
        self.silent_until_s = max(self.silent_until_s, until_s)

    def break_(self) -> None:
        """What is on its way is lost, and so is what is written from now on."""
        self.broken = True
        self._way.clear()

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
        frame = self._way.popleft()
        assert self.to is not None
        self.unread_bytes -= len(frame.data)
        self.to.receive(frame)
        if self.writer_waits is not None and not self.writer_waits.done():
            self.writer_waits.set_result(None)

    def resume(self) -> None:
        """The reader reads again: hand over what had arrived meanwhile."""
        while self._due and self.to is not None and not self.to.paused and not self.broken:
            self._due -= 1
            self._take()


class LinkEnd(PipeReceiver, Protocol):
    """What a link knows of an end: that of a simulated connection, or a relay's face to a real one."""

    @property
    def link(self) -> EndLink: ...

    @property
    def into(self) -> Pipe:
        """The pipe that it writes to."""

    @property
    def side(self) -> Literal["client", "server"]: ...

    @property
    def way(self) -> Way:
        """Where what it sends goes."""

    @property
    def peer(self) -> LinkEnd: ...

    @property
    def state(self) -> State: ...

    def lose(self, cause: BaseException | None, /) -> None:
        """The TCP connection is gone: reset by `cause`, or ended."""


class EndLink(Protocol):
    """What an end, and a fault that meets it, know of its link."""

    @property
    def name(self) -> str:
        """That of the client."""

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
        """This end has let go of its connection, or learned that it is gone."""

    def cut(self, end: LinkEnd) -> None:
        """Reset the connection of this end."""

    def forget(self, ends: list[LinkEnd], until_s: float) -> None:
        """These ends carry nothing until then, and nobody tells them."""

    def go_silent(self, until_s: float) -> None:
        """Nothing passes until then, new connections included."""


# One end of a simulated connection, as its link sees it: what arrives, and how it closes.
#
# The closing handshake is that of RFC 6455 section 7: each side sends one close frame, the server ends TCP. A
# connection that ends without close frames has the code 1006.


OPEN, CLOSING, CLOSED = State.OPEN, State.CLOSING, State.CLOSED


class End:
    """One end of a connection.

    Args:
        link: whose connection it is; asked before each message, told when the connection ends.
        side: which end this is.
        into: the pipe it writes to.
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
        self._waiting: list[asyncio.Future[None]] = []  # those who wait for the end
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
        """The TCP connection is gone: whoever waits on this end learns of it."""
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
                pong.cancel()  # has no effect but one: an exception that nobody fetches is not logged
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
            self._say_close(Close(1009, f"frame with {len(frame.data)} bytes exceeds limit of {limit} bytes"))
            return
        if self._is_next and frame.opcode == "binary":
            self.link.arrived(self, frame)
            if self.state is not OPEN or not self._has_handled(frame.data):
                self._keep(frame)
        else:
            self._keep(frame)
            self.link.arrived(self, frame)

    @property
    def _is_next(self) -> bool:
        """Would a message that comes now be the one for which somebody waits, and may it be handled at once?"""
        waits = self._reader is not None and not self._reader.done()
        return self._at_once is not None and waits

    def _has_handled(self, data: bytes) -> bool:
        assert self._at_once is not None
        context, handle = self._at_once
        try:
            return context.run(handle, data)
        except Exception as error:  # as in `net.servers`: it is raised where the task waits in `recv`
            self._error = error
            return False

    def _keep(self, frame: SimFrame) -> None:
        """For `recv`."""
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
            self._say_close(self._rcvd)
        else:
            self._rcvd_then_sent = False
        if self.side == "server":  # the server ends TCP first (RFC 6455 section 7.1.1)
            self.hang_up()

    def _say_close(self, close: Close) -> None:
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
