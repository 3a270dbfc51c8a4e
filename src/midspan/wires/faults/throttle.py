"""Throttle: a narrow link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from midspan.refusal import need
from midspan.wires.faults.fault import ConnectionUnderFault, Fault, Piece, Ways

PART_S = 0.05  # how much time's worth of bytes passes at once: TCP on a narrow link comes in bursts too


@dataclass(eq=False)
class Throttle(Fault):
    """No more than `bytes_per_s` bytes pass in a second, on each connection and in each direction.

    As real as a bandwidth limit at a router that holds a mebibyte: past that the sender feels it (backpressure).
    """

    bytes_per_s: float
    way: Ways = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.bytes_per_s > 0, "more than 0 bytes a second", self.bytes_per_s, "Use blackhole() for none at all")

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        size = max(1, int(self.bytes_per_s * PART_S))
        for start in range(0, len(piece.data), size):
            part = piece.data[start : start + size]
            await asyncio.sleep(len(part) / self.bytes_per_s)
            yield part

    def __str__(self) -> str:
        return f"throttle {self.bytes_per_s:g} bytes/s"
