"""What every fault of a link has in common.

TCP may delay, split, hold back, cut off or reset. It never loses a byte in the middle of a stream and never swaps two,
so no fault can: what `carry` is given it yields, whole and in order, or the connection ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from midspan.arguments import Fitting

Way = Literal["up", "down"]  # from the client to the server; from the server to the client
Ways = Literal["up", "down", "both"]


class Piece(NamedTuple):
    """Bytes that one side sent.

    Args:
        data: b"" at the end of its stream.
        at_s: when they came, by the loop's clock.
        way: where they go.
        error: how the stream ended, if not by FIN.
    """

    data: bytes
    at_s: float
    way: Way
    error: Exception | None = None


class ConnectionUnderFault(Protocol):
    """What a fault may use of the connection that it acts on."""

    @property
    def inspected(self) -> bool:
        """Does the proxy end TLS on both sides, so that it sees the plaintext?"""

    def reset(self) -> None:
        """Reset both ends, now."""

    async def answer(self, data: bytes) -> None:
        """Send bytes to the client in the server's place."""


@dataclass(eq=False)
class Fault(Fitting):
    """A fault that changes nothing. A subclass overrides what it changes.

    It lasts as long as its `with` block, on connections that are open already and on new ones.
    """

    plaintext = False  # must it see what TLS hides? Then only connections that are opened within its block meet it.

    def concerns(self, way: Way) -> bool:
        """Does it act on bytes that go this way?"""
        return getattr(self, "way", way) in (way, "both")

    def begin(self, connections: Iterable[ConnectionUnderFault]) -> None:
        """The block begins; these connections are open."""

    def end(self) -> None:
        """The block is over."""

    def admit(self) -> None:
        """A client wants to connect. Raise `ConnectionError` to turn it away."""

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        """Yield the piece's bytes when their time has come, in one or several parts; or raise `ConnectionError`."""
        yield piece.data

    async def clear(self) -> None:
        """Return as soon as bytes may pass at all."""
