"""One direction of one simulated connection: what was written comes out later, whole, in order, or never.

TCP may delay, stall or cut. It never loses a byte in the middle and never swaps two, so neither does a pipe.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Literal, NamedTuple, Protocol

from midspan.sim.runloop import RunLoop

Opcode = Literal["text", "binary", "ping", "pong", "close", "end", "http"]
# RFC 6455 section 5.2. "end" is the end of TCP; "http" are bytes before the upgrade, on a real link.


class SimFrame(NamedTuple):
    """A frame on the way. (A tuple, since a run makes hundreds and we make thousands of runs a second.)"""

    opcode: Opcode
    data: bytes
    number: int = 0  # the how-manieth message of its link and direction, from 1; 0 for control frames
    raw: bytes = b""  # the bytes on a real wire


class Receiver(Protocol):
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
        self.to: Receiver | None = None
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
