"""Reset Upgrade: a firewall that looks into the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from midspan.wires.faults.fault import ConnectionUnderFault
from midspan.wires.faults.upgrades import UpgradeFault


@dataclass(eq=False)
class ResetUpgrade(UpgradeFault):
    """A connection that asks to upgrade is reset. As real as a firewall that knows the word and says nothing."""

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        raise ConnectionResetError("the link resets whoever asks for an upgrade")
        yield request  # what makes this a generator

    def __str__(self) -> str:
        return "reset upgrade"
