"""Strip Upgrade: an old proxy that knows no WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from midspan.wires.faults.fault import ConnectionUnderFault
from midspan.wires.faults.upgrades import END_OF_HEAD, UpgradeFault

HOP_BY_HOP = (b"upgrade:", b"connection:")  # a proxy must not forward these (RFC 9110 section 7.6.1)


@dataclass(eq=False)
class StripUpgrade(UpgradeFault):
    """A request to upgrade reaches the server as an ordinary GET.

    As real as an HTTP proxy that forwards what it understands: hop-by-hop fields end with it. The server answers what
    it answers to a GET; long polling passes.
    """

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        head, _, rest = request.partition(END_OF_HEAD)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(HOP_BY_HOP)]
        yield b"\r\n".join(lines) + END_OF_HEAD + rest

    def __str__(self) -> str:
        return "strip upgrade"
