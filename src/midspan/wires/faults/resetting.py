"""Reset: a firewall that wants none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from midspan.wires.faults.fault import ConnectionUnderFault, Fault, Piece


@dataclass(eq=False)
class Reset(Fault):
    """All open connections are reset at once, new ones as soon as they say something.

    As real as it gets: both ends receive RST. What was on its way is lost.
    """

    def begin(self, connections: Iterable[ConnectionUnderFault]) -> None:
        for connection in connections:
            connection.reset()

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        raise ConnectionResetError("the link resets every connection")
        yield piece.data  # what makes this a generator

    def __str__(self) -> str:
        return "reset"
