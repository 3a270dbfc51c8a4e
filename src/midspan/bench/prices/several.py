"""Several questions to the same servers, one after the other: starting processes is what takes the time."""

from __future__ import annotations

from typing import ClassVar

from midspan.bench.prices.outcome import Numbers
from midspan.bench.prices.probes import Idle, InsideOf, Probe
from midspan.bench.prices.starting import Started
from midspan.refusal import need
from midspan.wires.child import Child


class Several:
    """A probe of probes; all their numbers stand in one row, of two with the same name the first.

    `InsideOf` is passed over for a server that is no Python function of ours.

    Args:
        probes: in the order in which they are asked; `Idle` opens more connections, so it comes last.

    Raises:
        Refusal: none at all, or `Idle` is not the last.
    """

    once: ClassVar[bool] = True  # `Idle` opens connections, which stay

    def __init__(self, *probes: Probe) -> None:
        need(len(probes) > 0, "a probe or more", probes, "Pass Several(Events(), InsideOf())")
        last = not any(isinstance(probe, Idle) for probe in probes[:-1])
        need(last, "Idle, if at all, as the last probe", probes, "Move it to the end: it opens more connections")
        self.probes = probes

    @property
    def connections(self) -> int:
        """As many as the probe needs that needs most."""
        return max(probe.connections for probe in self.probes)

    async def __call__(self, client: Child, server: Started) -> Numbers:
        """Ask one after the other."""
        numbers: Numbers = {}
        for probe in self.probes:
            inside = server.process is not None and server.contender.server is not None
            if inside or not isinstance(probe, InsideOf):
                numbers = await probe(client, server) | numbers
        return numbers
