"""Cut after so many bytes: the connection breaks in the middle of what is being said."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from midspan.wires.faults.fault import ConnectionUnderFault, Fault, Piece, Way, Ways


@dataclass(eq=False)
class CutAfter(Fault):
    """Each connection is reset when `size_bytes` more bytes have passed in one direction.

    As real as a process that dies in mid-sentence: what passed was delivered, the rest is lost, and both ends get RST.
    """

    size_bytes: int
    way: Ways = "both"
    _passed: Counter[tuple[object, Way]] = field(init=False, repr=False, default_factory=Counter)

    async def carry(self, piece: Piece, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        left = self.size_bytes - self._passed[connection, piece.way]
        self._passed[connection, piece.way] += len(piece.data)
        yield piece.data[:left]
        if len(piece.data) > left:
            raise ConnectionResetError(f"the link was cut after {self.size_bytes} bytes")

    def __str__(self) -> str:
        return f"cut after {self.size_bytes} bytes"
