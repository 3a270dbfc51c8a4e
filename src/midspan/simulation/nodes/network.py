"""The links of a run of nodes: from clients to the balancer, and from nodes to the broker; contexts and recorder."""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as BrokerGone
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as BrokerSilent
from websockets.exceptions import ConnectionClosed

from midspan.net.servers import HOST
from midspan.net.tcp import by_way_of, reset
from midspan.simulation.end import Pipe, SimFrame
from midspan.simulation.faults import NODES
from midspan.simulation.history import Bounds, History, Recorder
from midspan.simulation.implementation import ClientContext
from midspan.simulation.nodes.broker import RunBroker
from midspan.simulation.schedule import Join
from midspan.simulation.tls.link import RealNetwork
from midspan.simulation.tls.loop import Listener, VirtualTimeSelectorLoop

ROOMS = ("red", "blue")
BODY = "body"  # the field of a stream entry that holds the message


class Node(Protocol):
    """The node under test. It may also have `sizes()`, and `async start()`, awaited before the first connection.

    An error that it raises because it cannot reach the broker does not count as a crash. A connection that it serves is
    then closed with 1011, and a node that cannot start is started again.
    """

    async def handle(self, connection: Any, /) -> None:
        """Serve one connection, from its opening to its end: the handler of `websockets.serve`."""

    async def drain(self) -> None:
        """Stop without loss. The node gets no new connections; when this returns, its process is killed."""


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What a node is given. It has no store: durable data goes to the broker.

    Args:
        name: its name, the same after a restart.
        broker: the URL of its link to the broker, for `redis.asyncio.Redis.from_url`.
        prefix: all its keys and channels must begin with it.
        authorise: `authorise(client, token)`: whether this client has the right to connect now.
        rng: random numbers, seeded.
        now: the run's clock, in seconds. The broker uses the real clock: no EX, EXPIRE or timed BLOCK.
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
        """The key of the stream that is the room's log. The field `body` of an entry is the message as it was sent.

        Entries of the stream are durable.
        """
        return stream(self.prefix, room)


@dataclass(frozen=True, slots=True)
class MemberContext(ClientContext):
    """As `ClientContext`; `connect` leads to a node that the balancer chooses.

    Args:
        room: the room of this client.
    """

    room: str = ROOMS[0]


def stream(prefix: str, room: str) -> str:
    """The key of a room's stream."""
    return f"{prefix}stream:{room}"


# The logs of the rooms, read from the broker and not from the nodes: a message is durable if a stream holds it.


START = "0"  # before the first entry of a stream


class RoomsRecorder(Recorder):
    """As `Recorder`, with a log for each room."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.rooms: dict[str, list[str]] = {}  # by room: its clients
        self.room_of: dict[str, str] = {}

    def take_contexts(self, joins: tuple[Join, ...]) -> None:
        """Set the room of each client. A client without a room is in the first one."""
        for join in joins:
            room = self.room_of[join.who] = join.room or ROOMS[0]
            members = self.rooms.setdefault(room, [])
            self.logs[join.who] = self.logs[members[0]] if members else []
            members.append(join.who)

    def stored(self, room: str, body: str) -> None:
        """Note that a room's stream has this entry."""
        self.note("broker", "durable", body, room)
        self.logs[self.rooms[room][0]].append(body)
        self.on_durable()
        self.on_progress()

    def wiped(self) -> None:
        self.note("broker", "wiped")
        for log in self.logs.values():
            log.clear()

    def history(self, bounds: Bounds) -> History:
        rooms = tuple((room, tuple(members)) for room, members in self.rooms.items())
        return History(tuple(self.records), bounds, rooms)


class Observer:
    """Reads the streams of all rooms, and gives each new entry to the recorder.

    Args:
        loop: of the run.
        broker: the broker's own URL, not through a link that a fault can cut.
        prefix: of the run's keys.
        recorder: notes each entry.
    """

    def __init__(self, loop: VirtualTimeSelectorLoop, broker: str, prefix: str, recorder: RoomsRecorder) -> None:
        self._loop, self._broker, self._recorder = loop, broker, recorder
        self._rooms = {stream(prefix, room).encode(): room for room in recorder.rooms}
        self._seen: dict[bytes, str] = {}
        self._following: asyncio.Task[None] | None = None

    def start(self, anew: bool = False) -> None:
        """Read on after the last entry seen; from the first entry if `anew`."""
        self.stop()
        if anew or not self._seen:
            self._seen = dict.fromkeys(self._rooms, START)
        self._following = self._loop.create_task(self._follow(), context=contextvars.Context())

    def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()

    async def _follow(self) -> None:
        client: Any
        async with Redis.from_url(self._broker, socket_timeout=None, protocol=2) as client:
            with suppress(RedisError, OSError):  # the broker is killed; `start` is called later
                while True:
                    for key, entries in await client.xread(dict(self._seen), block=0):
                        for number, fields in entries:
                            self._take(key, number.decode(), fields)

    def _take(self, key: bytes, number: str, fields: dict[bytes, bytes]) -> None:
        self._seen[key] = number
        body = fields.get(BODY.encode())
        if body is None:
            found = b", ".join(fields).decode(errors="replace")
            detail = f"entry {number} of the stream {key.decode()} has no field {BODY}, only {found}"
            self._recorder.note("broker", "crashed", detail=detail)
        else:
            self._recorder.stored(self._rooms[key], body.decode(errors="replace"))


# The link of one node to the broker, through a listener of the run: it has a latency, and faults can cut it.


class BrokerLink:
    """The link of one node process to the broker, with all its connections.

    Args:
        loop: of the run.
        broker: URL of the broker.
        latencies_s: gives the latency of each new connection, one way.
        passable: whether a new connection is accepted now.
    """

    def __init__(
        self, loop: VirtualTimeSelectorLoop, broker: str, latencies_s: Iterator[float], passable: Callable[[], bool]
    ) -> None:
        self._loop, self._broker, self._latencies_s, self._passable = loop, urlsplit(broker), latencies_s, passable
        self._ends: dict[_End, None] = {}
        self._listener = Listener(loop, self._accept)
        self.url = by_way_of(broker, self._listener.address)

    def cut(self) -> None:
        """Reset all connections. Bytes on their way are lost."""
        for end in list(self._ends):
            end.lose()

    def close(self) -> None:
        """The node process is killed: reset all connections, and accept no new ones."""
        self._listener.close()
        self.cut()

    async def _accept(self, sock: socket.socket) -> None:
        latency_s = next(self._latencies_s)
        near, far = (_End(self._ends, Pipe(self._loop, latency_s)) for _ in range(2))
        near.into.to, far.into.to = far, near
        try:
            if not self._passable():
                raise ConnectionRefusedError
            await self._connect(far)
            await self._loop.connect_accepted_socket(lambda: near, sock)
        except OSError:
            reset(sock)
            far.lose()

    async def _connect(self, far: _End) -> None:
        at = self._broker
        if at.scheme == "unix":
            await self._loop.create_unix_connection(lambda: far, at.path)
        else:
            await self._loop.create_connection(lambda: far, at.hostname or HOST, at.port or 6379)


class _End(asyncio.Protocol):
    """One side of a connection. It reads bytes into its pipe, and writes the bytes from the other pipe.

    Args:
        open_ends: holds this end while it is open.
        into: the pipe to the other side.
    """

    paused = False

    def __init__(self, open_ends: dict[_End, None], into: Pipe) -> None:
        self._open_ends, self.into = open_ends, into
        self._transport: asyncio.Transport | None = None
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open_ends[self] = None
        if self._over:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self.into.write(SimFrame("http", data, 0, data))

    def connection_lost(self, _error: Exception | None) -> None:
        self._open_ends.pop(self, None)
        if not self._over:
            self._over = True
            self.into.write(SimFrame("end", b""))

    def receive(self, frame: SimFrame) -> None:
        """Write bytes that have arrived at this side."""
        if self._transport is None or self._over:
            return
        if frame.opcode == "end":
            self._over = True
            self._transport.close()
        else:
            self._transport.write(frame.raw)

    def lose(self) -> None:
        """The connection is gone."""
        self._over = True
        self.into.break_()
        if self._transport is not None:
            reset(self._transport)


# The balancer is no process of its own: the relay of each client (`midspan.simulation.tls.link`) asks `next_server`
# to which node the next connection goes. `next_server` takes the nodes that listen in turn.


HARMLESS_ERRORS = (ConnectionClosed, BrokerGone, BrokerSilent, OSError)  # a client or the broker is gone


class NodesNetwork(RealNetwork):
    """As `RealNetwork`, with a balancer and nodes in place of one server.

    Args:
        bus: the broker.
        left: the redis clients that the nodes have made; they are closed at the end.
    """

    def __init__(self, *args: Any, bus: RunBroker, left: list[Redis], **options: Any) -> None:
        super().__init__(*args, **options)
        self.broker, self._left = bus, left
        self.behind = None, None  # the balancer ends TLS
        self.prefix = bus.new_prefix()
        self.closing = False  # the run has ended: start no node
        self.broker_links: list[BrokerLink] = []  # of all node processes of the run
        self.ports: dict[str, int] = {}  # by node: the ports to which the balancer sends connections
        self.cuts = 0  # how many faults make the balancer unavailable now
        self._latest = len(NODES) - 1

    @property
    def up(self) -> bool:
        return bool(self.ports) and not self.cuts

    def next_server(self) -> tuple[str, int]:
        """The name and port of the next node in turn.

        Raises:
            ConnectionRefusedError: no node listens.
        """
        for i in range(len(NODES)):
            turn = (self._latest + 1 + i) % len(NODES)
            if NODES[turn] in self.ports and not self.cuts:
                self._latest = turn
                return NODES[turn], self.ports[NODES[turn]]
        raise ConnectionRefusedError(111, "no node listens")

    async def run_node(self, name: str, node: Node) -> None:
        """Let a node listen, until its process is killed."""
        async with self._serving(node, name) as port:
            self.ports[name] = port
            await self.loop.create_future()

    async def _handle(self, handler: Any, connection: Any, who: str = "server") -> None:
        async def excused(connection: Any) -> None:
            try:
                await handler(connection)
            except HARMLESS_ERRORS:
                await connection.close(1011)

        await super()._handle(excused, connection, who)

    def serves(self, client: str) -> str:
        """The node to which this client is connected; the first node if it is not connected."""
        ends = (end for end in reversed(self.link(client).ends) if end.side == "server")
        return next((getattr(end, "served_by", "") for end in ends), "") or NODES[0]

    def cut_node(self, name: str) -> None:
        """The process of this node is killed: reset its connections."""
        self.ports.pop(name, None)
        for link in self.links.values():
            for end in list(link.ends):
                if getattr(end, "served_by", "") == name:
                    link.cut(end)

    def cut_clients(self) -> None:
        """Reset all connections of all clients."""
        for link in self.links.values():
            link.cut_all()

    async def close(self) -> None:
        self.closing = True
        for way in self.broker_links:
            way.close()
        await super().close()
        for client in self._left:
            await client.aclose()
