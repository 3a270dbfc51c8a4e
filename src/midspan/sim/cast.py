"""Who plays: the server and the clients under test, and what each is given."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from midspan.arguments import Fitting
from midspan.sim.faults import Way
from midspan.sim.history import App, Bounds
from midspan.sim.limits import Limits
from midspan.sim.store import Store


class Server(Protocol):
    """The server under test. May also have `async start()`, awaited before the first connection, and `sizes()`.

    On a real link it may have `serving(tls)` in place of `handle`: an async context manager that listens on a free
    port of 127.0.0.1 with this `ssl.SSLContext`, and gives the port.
    """

    async def handle(self, connection: Any, /) -> None:
        """Serve one connection, from its opening to its end: the handler of `websockets.serve`."""


class Client(Protocol):
    """The client under test. May also have `sizes()`."""

    async def run(self) -> None:
        """Connect, and keep connected, until cancelled."""

    def send(self, body: str, /) -> object:
        """Take a message of the application. Raises when it cannot (a full outbox): the message is then not sent."""


@dataclass(frozen=True, slots=True)
class ServerSeat:
    """What a server is given.

    Args:
        store: its log and facts, those of its predecessor included.
        authorise: may this client, with this token, be here now?
        rng: chance, seeded.
        now: the clock, in seconds.
        bounds: what it promises, and how much it may hold.
    """

    store: Store
    authorise: Callable[[str, str], bool]
    rng: random.Random
    now: Callable[[], float]
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class ClientSeat:
    """What a client is given.

    Args:
        me: its name.
        token: what `authorise` wants to see.
        connect: opens a connection: `await connect()`, `async with connect() as ...`, `async for ... in connect()`.
        store: its facts, those of its predecessor included.
        app: to be told `delivered(body)`, `acknowledged(body)` and `reset()`.
        rng: chance, seeded.
        now: the clock, in seconds.
        bounds: what it promises, and how much it may hold.
        url, trust: on a real link, where `connect` leads ("wss://127.0.0.1:4711"), and the `ssl.SSLContext` that it
            takes, for a client that brings its own `connect`; "" and None on the simulated link.
    """

    me: str
    token: str
    connect: Callable[[], Any]
    store: Store
    app: App
    rng: random.Random
    now: Callable[[], float]
    bounds: Bounds
    url: str = ""
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Cast(Fitting):
    """The code under test.

    Args:
        server, client: how to make them; called anew after each restart.
        bounds: what they promise.
        limits: of their connections.
        around: entered for each run, with its seed: lends the run's clock and chance to a library that brings its own.
        counts: on a real link, whether a WebSocket message, as it stands on the wire, is one of those that a `Moment`
            counts; all are if None. A framework sends some of its own (heartbeats, greetings).
        patience: how many times the stated recovery a run goes on: what comes too late is seen to be late, not taken
            for lost.
    """

    server: Callable[[Any], Server]  # of a ServerSeat; on nodes, of a NodeSeat
    client: Callable[[Any], Client]  # of a ClientSeat
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    around: Callable[[int], AbstractContextManager[object]] = nullcontext
    counts: Callable[[Way, bytes], bool] | None = None
    patience: float = 2.0


def sizes_of(party: object) -> Mapping[str, int]:
    """The sizes of a party's buffers and tables by name, if it tells."""
    tell = getattr(party, "sizes", None)
    return tell() if tell is not None else {}
