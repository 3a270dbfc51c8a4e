"""Blackhole: nothing passes, and nobody says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from midspan.wires.faults.fault import Fault, Ways


@dataclass(eq=False)
class Blackhole(Fault):
    """No byte passes, no FIN and no RST; when it is over, TCP delivers what both ends still hold.

    As real as a cable that was pulled or a wireless dead spot: the ends see an open connection that is silent. A new
    connection is accepted by this machine's kernel (a real hole would swallow the SYN), and then hears nothing: a
    client notices both by its own timeout only. A hole that ends retransmits at once, where TCP might wait for some
    seconds more.
    """

    way: Ways = "both"
    _over: asyncio.Event = field(init=False, repr=False, default_factory=asyncio.Event)

    def end(self) -> None:
        self._over.set()

    async def clear(self) -> None:
        await self._over.wait()

    def __str__(self) -> str:
        return "blackhole"
