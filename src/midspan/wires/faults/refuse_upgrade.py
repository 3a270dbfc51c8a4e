"""Refuse Upgrade: a proxy that knows WebSocket, and will not have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from midspan.wires.faults.fault import ConnectionUnderFault
from midspan.wires.faults.upgrades import UpgradeFault

FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class RefuseUpgrade(UpgradeFault):
    """A request to upgrade is answered with 403 by the link; the server never hears of it.

    As real as a company's proxy: it ends TLS with a certificate that the client trusts. Everything else passes.
    """

    async def meet(self, _request: bytes, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        await connection.answer(FORBIDDEN)
        yield b""

    def __str__(self) -> str:
        return "refuse upgrade"
