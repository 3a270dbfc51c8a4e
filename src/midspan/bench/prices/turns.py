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
    """Turns of events: on so many connections at once, then wait until all are acknowledged, then on the next ones.

    The server finds the events of a turn one behind the other, and has not to be woken for each of them: what it
    takes is its own work, for a light server as for a heavy one.
    """

    def __init__(self, peers: list[Peer], turns: int, together: int, at_once: int) -> None:
        self._peers, self._turns, self._together = peers, turns, together
        self._at_once = min(at_once, len(peers))
        self._turn = self._missing = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def said(self) -> int:
        """How many events it has said."""
        return self._turn * self._at_once * self._together

    async def all_said(self) -> None:
        """Say them all."""
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
