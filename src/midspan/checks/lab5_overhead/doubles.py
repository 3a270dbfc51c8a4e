"""Stand-ins for what a part of the session meets: a wire that writes nothing, a connection that is looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosedError
from websockets.protocol import State

Packets = list[tuple[str, Any]]


class Plain:
    """A wire whose messages are the packets."""

    def write(self, packets: Packets) -> Packets:
        return [tuple(packet) for packet in packets]

    def read(self, data: Packets) -> Packets:
        return data


class Line:
    """A connection on which we hear what is sent, and when; `cut()` ends it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.said: list[Packets] = []
        self.at_s: list[float] = []
        self.is_cut = False

    async def send(self, packets: Packets) -> None:
        await asyncio.sleep(0)
        if self.is_cut:
            raise ConnectionClosedError(None, None)
        self.said.append(packets)
        self.at_s.append(self.now())

    def cut(self) -> None:
        self.is_cut = True


class Slow:
    """A connection whose other end reads nothing until `read()`: what is written waits in its buffer.

    It has what `websockets.broadcast` and `send` need, `transport` and `protocol` among it.
    """

    send_in_progress = None
    logger = logging.getLogger("midspan.checks.lab5")
    state = State.OPEN

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.waits: list[bytes] = []
        self.read_: list[bytes] = []
        self.most_bytes = 0
        self._room = asyncio.Event()
        self.transport = self.protocol = self

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.waits))

    def send_binary(self, data: bytes) -> None:
        self.waits.append(bytes(data))
        self.most_bytes = max(self.most_bytes, self.get_write_buffer_size())

    send_text = send_binary

    def send_data(self) -> None:
        pass

    async def send(self, data: bytes) -> None:
        self.send_binary(data)
        while self.get_write_buffer_size() > self.limit_bytes:
            self._room.clear()
            await self._room.wait()

    def read(self) -> list[bytes]:
        """The other end reads all that waits; all that it has read so far."""
        self.read_ += self.waits
        self.waits.clear()
        self._room.set()
        return self.read_
