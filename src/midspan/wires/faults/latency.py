"""Latency: everything comes later, and as much of it as before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from midspan.wires.faults.fault import ConnectionUnderFault, Fault, Piece, Ways


@dataclass(eq=False)
class Latency(Fault):
    """Each byte comes `delay_s` later, give or take `jitter_s`; none overtakes another.

    As real as a long cable: throughput stays, as long as no more than the link's window (a mebibyte) is on its way.
    TCP's own handshake is not delayed: this machine's kernel has accepted before we are asked.
    """

    delay_s: float
    way: Ways = "both"
    jitter_s: float = 0.0
    seed: int = 0
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rng = random.Random(self.seed)

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        delay_s = self.delay_s + self.jitter_s * self._rng.uniform(-1, 1)
        await asyncio.sleep(piece.at_s + delay_s - asyncio.get_running_loop().time())
        yield piece.data

    def __str__(self) -> str:
        jitter = f" ± {self.jitter_s:g} s" if self.jitter_s else ""
        return f"latency {self.delay_s:g} s{jitter}"
