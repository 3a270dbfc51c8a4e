"""The load: a process of its own that opens connections to a server and sends events on them."""

from __future__ import annotations

import asyncio
import ssl
import time
from asyncio import sslproto
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from midspan.benchmark.clients import Peer, path_of, round_trips_s
from midspan.benchmark.contenders import Made, load_code
from midspan.errors import Refusal
from midspan.net.child_process import Child, child, run_commands
from midspan.net.receivers import OPENING

# How the load sends events: in turns that wait, at a fixed rate, or one event to all clients.
#
# Each class continues in the callback that brings the data, without a task or a future between two events.


DELAYED_ACK_S = 0.05  # Linux acknowledges a segment after 40 ms, or with the next data in that direction
GONE = "the server ended the connection"


class ClosedLoop:
    """Send events on `at_once` connections, wait until all are acknowledged, and go on with the next connections.

    The events of a turn arrive together, so the system does not wake the server for each of them. We then measure the
    server's own work, for a light server as for a heavy one.
    """

    def __init__(self, peers: list[Peer], turns: int, together: int, at_once: int) -> None:
        self._peers, self._turns, self._together = peers, turns, together
        self._at_once = min(at_once, len(peers))
        self._turn = self._missing = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def said(self) -> int:
        """How many events it has sent."""
        return self._turn * self._at_once * self._together

    async def all_said(self) -> None:
        """Send all events, and wait for the last acknowledgement."""
        self._next()
        await self._done

    def _next(self) -> None:
        first = self._turn * self._at_once
        peers = [self._peers[(first + n) % len(self._peers)] for n in range(self._at_once)]
        self._turn, self._missing = self._turn + 1, len(peers)
        for peer in peers:
            peer.on_news = self._watch(peer, peer.dialect.acked + self._together)
            peer.say(self._together)

    def _watch(self, peer: Peer, until: int) -> Callable[[], None]:
        def news() -> None:
            if peer.gone:
                peer.on_news = None
                if not self._done.done():
                    self._done.set_exception(ConnectionResetError(GONE))
            elif peer.dialect.acked >= until:
                peer.on_news = None
                self._arrived()

        return news

    def _arrived(self) -> None:
        self._missing -= 1
        if self._missing:
            return
        if self._turn == self._turns:
            self._done.set_result(None)
        else:
            self._next()


class PacedLoop:
    """Send an event every `every_s` on one connection, until all are acknowledged.

    Then wait a moment longer, since TCP delays the acknowledgement of the last segment, and that counts too.
    """

    def __init__(self, peer: Peer, events: int, every_s: float, waits: bool) -> None:
        self._peer, self.said, self._every_s = peer, events, every_s
        self._words = peer.dialect.events if waits else peer.dialect.unawaited_events
        self._until = peer.dialect.acked + events
        self._all = asyncio.Event()

    async def all_said(self) -> None:
        """Send all events, and wait for the last acknowledgement."""
        loop = asyncio.get_running_loop()
        begin_s, self._peer.on_news = loop.time(), self._news
        for turn in range(self.said):
            await asyncio.sleep(begin_s + turn * self._every_s - loop.time())
            for message in self._words(1):
                self._peer.send(message)
        await self._all.wait()
        if self._peer.gone:
            raise ConnectionResetError(GONE)
        await asyncio.sleep(DELAYED_ACK_S)

    def _news(self) -> None:
        if self._peer.gone or self._peer.dialect.acked >= self._until:
            self._peer.on_news = None
            self._all.set()


class FanOutWait:
    """Waits until each connection has received one more message."""

    def __init__(self, peers: list[Peer]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = len(peers)
        for peer in peers:
            peer.on_news = self._watch(peer, peer.dialect.delivered)

    def _watch(self, peer: Peer, before: int) -> Callable[[], None]:
        def news() -> None:
            if peer.dialect.delivered > before:
                peer.on_news = None
                self._missing -= 1
                if not self._missing:
                    self.done.set_result(None)

        return news


# What the parent can ask for; each way to send events has another cost:
#
#     closed    one event, or many in one turn of the loop; wait for the acknowledgements; repeat: the server's work
#     lone      the same on a single blocking socket: round trips
#     steady    one event every `every_s`, without waiting for answers: bytes on the wire at a low rate
#     tell_all  one client sends to all: fan-out


FLOOR = 0.05  # this fraction of the round trips is faster; a busy machine disturbs these least
OPEN_S, RUN_S = 25.0, 25.0  # both are less than the parent's wait for an answer
SMALL_READ_BYTES = 16384  # of asyncio's TLS buffer, 256 KiB a connection: thousands of clients must fit in one process


def load() -> AbstractAsyncContextManager[Child]:
    """Start a load; it ends with the block. See `Load` for what the parent can ask."""
    return child(__name__)


class Load:
    """The requests that the parent can make."""

    def __init__(self) -> None:
        self.peers: defaultdict[str, list[Peer]] = defaultdict(list)  # by the server's address

    async def open(self, url: str, dialect: Made, until: int, trust_pem: str = "") -> int:
        """Open connections, and send the dialect's first messages, until there are `until`; return how many."""
        turn, kind = asyncio.Semaphore(OPENING), load_code(dialect)
        tls = ssl.create_default_context(cadata=trust_pem) if trust_pem else None

        async def one() -> Peer:
            async with turn:
                return await self._open(url, kind(**dialect["options"]), tls)

        async with asyncio.timeout(OPEN_S):
            self.peers[url] += await asyncio.gather(*(one() for _ in range(until - len(self.peers[url]))))
        return len(self.peers[url])

    async def closed(self, url: str, events: int, together: int = 1, over: int = 1, at_once: int = 1) -> dict[str, Any]:
        """Send `together` events on each of `at_once` connections, wait until all are acknowledged, and repeat.

        End after `events` events. The turns go through the first `over` connections in order.
        """
        peers = self.peers[url][:over]
        turns = max(1, events // (together * at_once))
        return await self._counted(peers, ClosedLoop(peers, turns, together, at_once))

    async def lone(
        self, url: str, dialect: Made, turns: int, together: int = 1, trust_pem: str = ""
    ) -> dict[str, float]:
        """Measure round trips on one more connection while the others are idle; return their median and their floor."""
        one = load_code(dialect)(**dialect["options"])
        took_s = await asyncio.to_thread(round_trips_s, url, one, trust_pem, turns, together)
        return {"p50_s": median(took_s), "floor_s": took_s[int(len(took_s) * FLOOR)]}

    async def steady(self, url: str, events: int, every_s: float, waits: bool) -> dict[str, Any]:
        """Send an event every `every_s` on the first connection; `waits`: the application waits for each answer."""
        return await self._counted(self.peers[url][:1], PacedLoop(self.peers[url][0], events, every_s, waits))

    async def tell_all(self, url: str, times: int) -> dict[str, Any]:
        """Have the server send a message to all clients, `times` times; each time wait until all have received it."""
        took_s: list[float] = []
        peers = self.peers[url]
        async with asyncio.timeout(RUN_S):
            for _ in range(times):
                told, began_s = FanOutWait(peers), time.perf_counter()
                peers[0].send(peers[0].dialect.fan_out_message())
                await told.done
                took_s.append(time.perf_counter() - began_s)
        return {"p50_s": median(took_s), "deliveries": times * len(peers)}

    async def close(self) -> None:
        """Close every connection."""
        for peer in [one for peers in self.peers.values() for one in peers]:
            peer.on_news = None
            peer.transport.abort()
        self.peers.clear()
        await asyncio.sleep(0)

    async def _counted(self, peers: list[Peer], run: ClosedLoop | PacedLoop) -> dict[str, Any]:
        """Do a run and count the bytes on these connections, without the wire's where the system does not tell."""
        frames, wire = _frames(peers), _wire(peers)
        async with asyncio.timeout(RUN_S):
            await run.all_said()
        counts: dict[str, Any] = {"events": run.said, "frame_bytes": _frames(peers) - frames}
        return counts | {what: count - wire[what] for what, count in _wire(peers).items()}

    async def _open(self, url: str, dialect: Any, tls: ssl.SSLContext | None) -> Peer:
        parts = urlsplit(url)
        host, port = str(parts.hostname), int(parts.port or 0)
        peer = Peer(dialect, f"{host}:{port}", path_of(url, dialect))
        await asyncio.get_running_loop().create_connection(lambda: peer, host, port, ssl=tls)
        await peer.upgraded
        if not dialect.ready:
            greeted = asyncio.Event()
            peer.on_news = lambda: greeted.set() if dialect.ready or peer.gone else None
            await greeted.wait()
            peer.on_news = None
        if peer.gone:
            raise Refusal("a server that greets", f"an end of the connection to {url}", "See what the server says")
        return peer


def _frames(peers: list[Peer]) -> int:
    return sum(peer.frame_bytes for peer in peers)


def _wire(peers: list[Peer]) -> dict[str, int]:
    """Return what the system's TCP has counted on these connections; empty where it does not tell."""
    counted = [wire for peer in peers if (wire := peer.wire()) is not None]
    names = ("wire_bytes", "payload_bytes", "segments")
    return {name: sum(getattr(wire, name) for wire in counted) for name in names} if counted else {}


async def main() -> None:
    """Answer the parent's requests until the parent ends."""
    sslproto.SSLProtocol.max_size = SMALL_READ_BYTES
    program = Load()
    await run_commands(
        program, "a server that acknowledges events", "See what the server says, and how its dialect goes"
    )
    await program.close()


if __name__ == "__main__":
    asyncio.run(main())
