"""Paired rounds: A B A B, the next round B A B A, each round with servers in fresh processes.

Two servers are compared within a round, never across: what slows the machine for a while slows both. A light server's
cost differs by a tenth from process to process, so there are five rounds or more, each with processes of its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Any, TypeVar

from tqdm import tqdm

from midspan.arguments import checked
from midspan.bench.prices.load import load
from midspan.bench.prices.outcome import Numbers, Paired
from midspan.bench.prices.place import cores, pin
from midspan.bench.prices.probes import AT_ONCE, Events, Probe, open_until
from midspan.bench.prices.starting import Contender, Started, started
from midspan.refusal import Refusal, need
from midspan.wires.child import Child

T = TypeVar("T")

WARM_UP = 500  # events before any that counts
COMPILES = 10  # times as many for a program that is not Python: Node compiles while it runs what runs often
SLICES = 2  # A B, then A B again, within a round
EVENTS = Events()


class Bar(tqdm):
    """A progress bar without the thread that tqdm starts, once for good, to watch its bars."""

    monitor_interval = 0


@checked
async def paired(
    contenders: Sequence[Contender],
    probe: Probe = EVENTS,
    *,
    rounds: int = 5,
    slices: int = SLICES,
    tls: bool = True,
    seed: int = 0,
    warm_up: int = WARM_UP,
    progress: bool = True,
) -> Paired:
    """Measure contenders against each other.

    Args:
        contenders: at least one, each with a name of its own.
        probe: what is measured: `Events()`, `Steady()`, `Idle()`, `FanOut()`, `InsideOf()`, with numbers of your own.
        rounds: each with fresh processes, the order turned each time.
        slices: how often all are measured in turn within a round; its number is their median. Many short ones keep a
            burst of other work from deciding a round.
        tls: over TLS, or without.
        seed: of the bootstrap.
        warm_up: events that each server acknowledges before it is measured; 0 for none.
        progress: a bar on the standard error, where that is a terminal.

    Raises:
        Refusal: one of these is not so, or a contender cannot be started or does not acknowledge.
    """
    names = [one.name for one in contenders]
    right = len(names) > 0 and len({*names}) == len(names)
    need(right, "contenders, each with a name of its own", names, "Pass [contender(name, server, dialect), ...]")
    need(rounds > 0, "a round or more", rounds, "Pass rounds=5")
    need(slices > 0, "a slice or more", slices, "Pass slices=2")
    slices = 1 if probe.once else slices
    found: dict[str, list[Numbers]] = {name: [] for name in names}
    hidden = not (progress and sys.stderr.isatty())
    bar = Bar(total=rounds * slices * len(names), desc="measuring", unit="run", leave=False, disable=hidden)
    async with load() as client:
        if (ours := cores()) is not None:
            pin(client.pid, ours[1])
        with bar:
            for turn in range(rounds):
                order = turned(contenders, turn)
                for name, numbers in (await _round(order, client, probe, tls, slices, warm_up, bar)).items():
                    found[name].append(numbers)
    return Paired({name: tuple(rows) for name, rows in found.items()}, seed)


async def _round(
    order: list[Contender], client: Child, probe: Probe, tls: bool, slices: int, warm_up: int, bar: Any
) -> dict[str, Numbers]:
    """One round: fresh processes, all connected and warm before the first is measured."""
    rows: dict[str, list[Numbers]] = {one.name: [] for one in order}
    async with AsyncExitStack() as stack:
        servers = await asyncio.gather(*(stack.enter_async_context(started(one, tls=tls)) for one in order))
        stack.push_async_callback(client.ask, "close")
        for server in servers:
            await _greeted(client, server, probe.connections, warm_up)
        for _ in range(slices):
            for server in servers:
                rows[server.contender.name].append(await probe(client, server))
                bar.update()
    return {name: averaged(kept) for name, kept in rows.items()}


def turned(order: Sequence[T], turn: int) -> list[T]:
    """A B in one round, B A in the next: who comes later finds another machine."""
    return list(order) if turn % 2 == 0 else list(order)[::-1]


def averaged(rows: Sequence[Numbers]) -> Numbers:
    """The median of each number over the slices of a round; of two slices it is their mean."""
    return {what: median(row[what] for row in rows) for what in rows[0]}


async def _greeted(client: Child, server: Started, connections: int, warm_up: int) -> None:
    """Connect to a server, and warm it up."""
    how = {"over": connections, "at_once": min(connections, AT_ONCE)}
    events = warm_up * (COMPILES if server.contender.command else 1)
    try:
        await open_until(client, server, connections)
        if events:
            await client.ask("closed", url=server.url, events=events, **how)
    except Refusal as refusal:
        said = "" if server.process is None else " ".join(list(server.process.log)[-2:])
        do = f"{refusal.do}. {said}".removesuffix(". ")
        raise Refusal(f"that {server.contender} acknowledges events", refusal.came, do) from None
