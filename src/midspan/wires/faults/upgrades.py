"""Where in a stream a WebSocket connection is asked for: what a proxy that meddles with upgrades looks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from midspan.wires.faults.fault import ConnectionUnderFault, Fault, Piece

END_OF_HEAD = b"\r\n\r\n"
HEAD_BYTES = 2**14  # a longer head is passed on unread


@dataclass(eq=False)
class UpgradeFault(Fault):
    """Ends TLS on both sides, as an inspecting proxy does, and meets each request to upgrade (RFC 6455 section 4.1).

    Only connections that are opened within the block are inspected; what is no such request passes as it came.
    """

    plaintext = True
    _heads: dict[object, bytes] = field(init=False, repr=False, default_factory=dict)

    async def carry(self, piece: Piece, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        if piece.way == "down" or not connection.inspected:
            yield piece.data
            return
        data = self._heads.pop(connection, b"") + piece.data
        if piece.data and _may_be_a_head(data):
            self._heads[connection] = data  # the rest is still to come
        elif asks_to_upgrade(data):
            async for part in self.meet(data, connection):
                yield part
        else:
            yield data

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        """What becomes of a request to upgrade; `request` is its head, and what was sent behind it."""
        yield request


def asks_to_upgrade(data: bytes) -> bool:
    """Does `data` begin with the whole head of a request for a WebSocket connection?"""
    head, end, _ = data.partition(END_OF_HEAD)
    fields = [line.strip().lower() for line in head.split(b"\r\n")[1:]]
    names = dict(line.split(b":", 1) for line in fields if b":" in line)
    return data.startswith(b"GET ") and bool(end) and names.get(b"upgrade", b"").strip() == b"websocket"


def _may_be_a_head(data: bytes) -> bool:
    return b"GET ".startswith(data[:4]) and END_OF_HEAD not in data and len(data) < HEAD_BYTES
