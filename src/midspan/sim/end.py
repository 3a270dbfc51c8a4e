"""One end of a simulated connection, as its link sees it: what arrives, and how it closes.

The closing handshake is that of RFC 6455 section 7: each side sends one close frame, the server ends TCP. A connection
that ends without close frames has the code 1006.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Literal

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import OK_CLOSE_CODES, Close
from websockets.protocol import State

from midspan.sim.ends import EndLink
from midspan.sim.limits import Limits
from midspan.sim.moment import Way
from midspan.sim.pipe import Opcode, Pipe, SimFrame

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
        except Exception as error:  # as in `wires.direct`: it is raised where the task waits in `recv`
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
