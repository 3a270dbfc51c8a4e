"""How the load says events: in turns that wait, at a pace that does not, one for all to hear.

Each goes on in the very call that brings the news: no task and no future between two events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from midspan.bench.prices.peer import Peer

DELAYED_ACK_S = 0.05  # Linux acknowledges a segment after 40 ms at the latest, if nothing goes its way before
GONE = "the server ended the connection"


class Run:
    """Turns of events over some connections, one after the other, each waiting for its acknowledgements."""

    def __init__(self, peers: list[Peer], turns: int, together: int) -> None:
        self._peers, self._turns, self._together = peers, turns, together
        self._turn = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def said(self) -> int:
        """How many events it has said."""
        return self._turn * self._together

    async def all_said(self) -> None:
        """Say them all."""
        self._next()
        await self._done

    def _next(self) -> None:
        self._peer = self._peers[self._turn % len(self._peers)]
        self._turn += 1
        self._until = self._peer.dialect.acked + self._together
        self._peer.on_news = self._news
        self._peer.say(self._together)

    def _news(self) -> None:
        if self._peer.gone:
            self._peer.on_news = None
            self._done.set_exception(ConnectionResetError(GONE))
        elif self._peer.dialect.acked >= self._until:
            self._peer.on_news = None
            if self._turn == self._turns:
                self._done.set_result(None)
            else:
                self._next()


class Pace:
    """An event every so often on one connection, until all are acknowledged.

    And a moment longer, so that what only acknowledges the last segment is counted: TCP waits with it.
    """

    def __init__(self, peer: Peer, events: int, every_s: float, waits: bool) -> None:
        self._peer, self.said, self._every_s = peer, events, every_s
        self._words = peer.dialect.events if waits else peer.dialect.quietly
        self._until = peer.dialect.acked + events
        self._all = asyncio.Event()

    async def all_said(self) -> None:
        """Say them all."""
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


class Told:
    """Waits until each connection was told once more."""

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
