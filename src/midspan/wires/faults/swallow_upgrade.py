"""Swallow Upgrade: the request is taken, and no answer ever comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from midspan.wires.faults.fault import ConnectionUnderFault
from midspan.wires.faults.upgrades import UpgradeFault


@dataclass(eq=False)
class SwallowUpgrade(UpgradeFault):
    """A connection that asks to upgrade hears nothing more, until the block ends: then it is reset.

    As real as a proxy that waits for the rest of a request it does not understand. The worst of the three for a
    client without a timeout.
    """

    _over: asyncio.Event = field(init=False, repr=False, default_factory=asyncio.Event)

    def end(self) -> None:
        self._over.set()

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        await self._over.wait()
        raise ConnectionResetError("the link had swallowed the upgrade")
        yield request  # what makes this a generator

    def __str__(self) -> str:
        return "swallow upgrade"
