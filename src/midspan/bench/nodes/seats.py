"""What a node and a client of a room are given."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from midspan.sim.cast import ClientSeat
from midspan.sim.history import Bounds

ROOMS = ("red", "blue")
BODY = "body"  # the field of a stream's entry that holds the message as it was sent


class Node(Protocol):
    """The node under test. May also have `async start()`, awaited before the first connection, and `sizes()`.

    What it raises because the broker cannot be reached is no bug of its own: a connection that it was serving ends with
    1011, and a node that cannot start is started again.
    """

    async def handle(self, connection: Any, /) -> None:
        """Serve one connection, from its opening to its end: the handler of `websockets.serve`."""

    async def drain(self) -> None:
        """Leave without loss: no new connection comes any more; when this returns, the node is stopped."""


@dataclass(frozen=True, slots=True)
class NodeSeat:
    """What a node is given. It has no store: what is to survive it stands in the broker.

    Args:
        name: its name, the same in each of its lives.
        broker: the URL of its own way to the broker, for `redis.asyncio.Redis.from_url`.
        prefix: all its keys and channels begin with it.
        authorise: may this client, with this token, be here now?
        rng: chance, seeded.
        now: the clock, in seconds. The broker's own clock is another one: no EX, no EXPIRE, no BLOCK with a limit.
        bounds: what it promises, and how much it may hold.
    """

    name: str
    broker: str
    prefix: str
    authorise: Callable[[str, str], bool]
    rng: random.Random
    now: Callable[[], float]
    bounds: Bounds

    def stream(self, room: str) -> str:
        """The key of the stream that is the room's log: each entry has the message as it was sent in its field `body`.

        What stands there is durable.
        """
        return stream(self.prefix, room)


@dataclass(frozen=True, slots=True)
class MemberSeat(ClientSeat):
    """As `ClientSeat`; `connect` leads to a node that the balancer chooses.

    Args:
        room: the one that this client is a member of.
    """

    room: str = ROOMS[0]


def stream(prefix: str, room: str) -> str:
    """The key of a room's stream."""
    return f"{prefix}stream:{room}"
