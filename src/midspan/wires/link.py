"""A link that can be made to fail: a proxy in front of a TLS server, with each fault a verb in a `with` block.

    with link.latency(0.2), link.throttle(10_000, way="down"):
        ...
    with link.blackhole():
        ...

Faults stack: bytes meet them in the order in which the blocks were entered. Without faults the link passes on what
comes. It does not see what TLS hides, but for the faults that meddle with upgrades, which end TLS as a tap does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress

from midspan.refusal import need
from midspan.wires.carriage import ProxiedConnection
from midspan.wires.certs import HOST, Authority
from midspan.wires.faults.blackhole import Blackhole
from midspan.wires.faults.cut_after import CutAfter
from midspan.wires.faults.fault import Fault, Way, Ways
from midspan.wires.faults.latency import Latency
from midspan.wires.faults.refuse import Refuse
from midspan.wires.faults.refuse_upgrade import RefuseUpgrade
from midspan.wires.faults.reset_upgrade import ResetUpgrade
from midspan.wires.faults.resetting import Reset
from midspan.wires.faults.slicing import Slice
from midspan.wires.faults.strip_upgrade import StripUpgrade
from midspan.wires.faults.swallow_upgrade import SwallowUpgrade
from midspan.wires.faults.throttle import Throttle

Block = AbstractContextManager[Fault]


class Link:
    """What lies between clients and one server. Opened by `link()`; clients connect to `.port`.

    Args:
        target_port: of the TLS server on this machine.
        authority: for the faults that end TLS.
    """

    def __init__(self, target_port: int, authority: Authority) -> None:
        self.target_port, self.authority = target_port, authority
        self.port = 0
        self.faults: tuple[Fault, ...] = ()
        self.connections: set[ProxiedConnection] = set()
        self._loop = asyncio.get_running_loop()

    # faults, as verbs: what each does and how real it is says its class

    def latency(self, delay_s: float, way: Ways = "both", *, jitter_s: float = 0.0, seed: int = 0) -> Block:
        """Each byte comes `delay_s` later, give or take `jitter_s`. See `faults/latency.py`."""
        return self.fault(Latency(delay_s, way, jitter_s, seed))

    def throttle(self, bytes_per_s: float, way: Ways = "both") -> Block:
        """At most so many bytes a second pass, on each connection. See `faults/throttle.py`."""
        return self.fault(Throttle(bytes_per_s, way))

    def slice(self, size_bytes: int, way: Ways = "both", *, pause_s: float = 0.0, seed: int = 0) -> Block:
        """Bytes come in pieces of 1 to `size_bytes`, `pause_s` apart. See `faults/slicing.py`."""
        return self.fault(Slice(size_bytes, way, pause_s, seed))

    def blackhole(self, way: Ways = "both") -> Block:
        """Nothing passes, no FIN and no RST, until the block ends. See `faults/blackhole.py`."""
        return self.fault(Blackhole(way))

    def cut_after(self, size_bytes: int, way: Ways = "both") -> Block:
        """Each connection is reset when so many more bytes have passed one way. See `faults/cut_after.py`."""
        return self.fault(CutAfter(size_bytes, way))

    def reset(self) -> Block:
        """Open connections are reset at once, new ones when they say something. See `faults/resetting.py`."""
        return self.fault(Reset())

    def refuse(self) -> Block:
        """New connections are refused, open ones go on. See `faults/refuse.py`."""
        return self.fault(Refuse())

    def strip_upgrade(self) -> Block:
        """A request to upgrade reaches the server as an ordinary GET. See `faults/strip_upgrade.py`."""
        return self.fault(StripUpgrade())

    def refuse_upgrade(self) -> Block:
        """A request to upgrade is answered with 403. See `faults/refuse_upgrade.py`."""
        return self.fault(RefuseUpgrade())

    def reset_upgrade(self) -> Block:
        """A connection that asks to upgrade is reset. See `faults/reset_upgrade.py`."""
        return self.fault(ResetUpgrade())

    def swallow_upgrade(self) -> Block:
        """A connection that asks to upgrade hears nothing more. See `faults/swallow_upgrade.py`."""
        return self.fault(SwallowUpgrade())

    def cut(self) -> None:
        """Reset every connection that is open now; new ones are not touched. As real as it gets: both ends get RST."""
        self._in_loop(lambda: Reset().begin(list(self.connections)))

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[Fault]:
        """Let any fault happen on this link until the block ends. Works from any thread."""
        need(isinstance(fault, Fault), "a fault", fault, "Use a verb of the link: with link.latency(0.2): ...")
        self._in_loop(lambda: self._begin(fault))
        try:
            yield fault
        finally:
            self._in_loop(lambda: self._end(fault))

    # what connections ask

    def concerning(self, way: Way) -> tuple[Fault, ...]:
        """The faults that bytes on this way meet now."""
        return tuple(fault for fault in self.faults if fault.concerns(way))

    async def clear(self, way: Way) -> None:
        """Return when bytes may pass."""
        waiting = True
        while waiting:
            faults = self.concerning(way)
            for fault in faults:
                await fault.clear()
            waiting = faults != self.concerning(way)  # another one may have begun meanwhile

    # inside

    def __str__(self) -> str:
        return f"link ({', then '.join(map(str, self.faults))})" if self.faults else "link"

    __repr__ = __str__

    def _begin(self, fault: Fault) -> None:
        self.faults = (*self.faults, fault)
        fault.begin(list(self.connections))

    def _end(self, fault: Fault) -> None:
        self.faults = tuple(one for one in self.faults if one is not fault)
        fault.end()

    def _in_loop(self, change: Callable[[], None]) -> None:
        """Do it on the loop of the link, and wait for it, from whichever thread asks."""

        async def do() -> None:
            change()

        if self._loop.is_closed():
            return  # the bench was closed inside the block
        if _running_loop() is self._loop:
            change()
        else:
            asyncio.run_coroutine_threadsafe(do(), self._loop).result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


@asynccontextmanager
async def link(target_port: int, authority: Authority) -> AsyncIterator[Link]:
    """Open a link in front of the TLS server on `target_port` of this machine."""
    opened = Link(target_port, authority)

    def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ProxiedConnection(opened, reader, writer)
        opened.connections.add(connection)
        connection.task.add_done_callback(lambda _: opened.connections.discard(connection))

    server = await asyncio.start_server(carry, HOST, 0)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        connections = list(opened.connections)
        for connection in connections:
            connection.reset()
        await asyncio.gather(*(connection.task for connection in connections), return_exceptions=True)
        await server.wait_closed()
