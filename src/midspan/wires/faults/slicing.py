"""Slice: what was written at once arrives in pieces."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from midspan.refusal import need
from midspan.wires.faults.fault import ConnectionUnderFault, Fault, Piece, Ways


@dataclass(eq=False)
class Slice(Fault):
    """Bytes pass in pieces of 1 to `size_bytes` bytes, `pause_s` apart.

    As real as a path with a tiny packet size: a TCP stream has no message boundaries, and readers that rely on one
    `recv` a message break. Under TLS it is the records that are cut, so a record waits for its last piece.
    """

    size_bytes: int
    way: Ways = "both"
    pause_s: float = 0.0
    seed: int = 0
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.size_bytes >= 1, "pieces of 1 byte or more", self.size_bytes, "slice(1) is the smallest")
        self._rng = random.Random(self.seed)

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        rest = piece.data
        while rest:
            size = self._rng.randint(1, self.size_bytes)
            yield rest[:size]
            rest = rest[size:]
            await asyncio.sleep(self.pause_s)

    def __str__(self) -> str:
        return f"slice into {self.size_bytes} bytes at most"
