"""What a proxy can do to bytes that cross it and to a WebSocket's upgrade; a class a fault."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from midspan.errors import Fitting, need

# What every fault of a link has in common.
#
# TCP may delay, split, hold back, cut off or reset. It never loses a byte in the middle of a stream and never swaps
# two, so no fault can: what `carry` is given it yields, whole and in order, or the connection ends.


Way = Literal["up", "down"]  # from the client to the server; from the server to the client
Ways = Literal["up", "down", "both"]


class Piece(NamedTuple):
    """Bytes that one side sent.

    Args:
        data: b"" at the end of its stream.
        at_s: when they came, by the loop's clock.
        way: where they go.
        error: how the stream ended, if not by FIN.
    """

    data: bytes
    at_s: float
    way: Way
    error: Exception | None = None


class ConnectionUnderFault(Protocol):
    """What a fault may use of the connection that it acts on."""

    @property
    def inspected(self) -> bool:
        """Does the proxy end TLS on both sides, so that it sees the plaintext?"""

    def reset(self) -> None:
        """Reset both ends, now."""

    async def answer(self, data: bytes) -> None:
        """Send bytes to the client in the server's place."""


@dataclass(eq=False)
class Fault(Fitting):
    """A fault that changes nothing. A subclass overrides what it changes.

    It lasts as long as its `with` block, on connections that are open already and on new ones.
    """

    plaintext = False  # must it see what TLS hides? Then only connections that are opened within its block meet it.

    def concerns(self, way: Way) -> bool:
        """Does it act on bytes that go this way?"""
        return getattr(self, "way", way) in (way, "both")

    def begin(self, connections: Iterable[ConnectionUnderFault]) -> None:
        """The block begins; these connections are open."""

    def end(self) -> None:
        """The block is over."""

    def admit(self) -> None:
        """A client wants to connect. Raise `ConnectionError` to turn it away."""

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        """Yield the piece's bytes when their time has come, in one or several parts; or raise `ConnectionError`."""
        yield piece.data

    async def clear(self) -> None:
        """Return as soon as bytes may pass at all."""


@dataclass(eq=False)
class Latency(Fault):
    """Each byte comes `delay_s` later, give or take `jitter_s`; none overtakes another.

    As real as a long cable: throughput stays, as long as no more than the link's window (a mebibyte) is on its way.
    TCP's own handshake is not delayed: this machine's kernel has accepted before we are asked.
    """

    delay_s: float
    way: Ways = "both"
    jitter_s: float = 0.0
    seed: int = 0
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rng = random.Random(self.seed)

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        delay_s = self.delay_s + self.jitter_s * self._rng.uniform(-1, 1)
        await asyncio.sleep(piece.at_s + delay_s - asyncio.get_running_loop().time())
        yield piece.data

    def __str__(self) -> str:
        jitter = f" ± {self.jitter_s:g} s" if self.jitter_s else ""
        return f"latency {self.delay_s:g} s{jitter}"


PART_S = 0.05  # how much time's worth of bytes passes at once: TCP on a narrow link comes in bursts too


@dataclass(eq=False)
class Throttle(Fault):
    """No more than `bytes_per_s` bytes pass in a second, on each connection and in each direction.

    As real as a bandwidth limit at a router that holds a mebibyte: past that the sender feels it (backpressure).
    """

    bytes_per_s: float
    way: Ways = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.bytes_per_s > 0, "more than 0 bytes a second", self.bytes_per_s, "Use blackhole() for none at all")

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        size = max(1, int(self.bytes_per_s * PART_S))
        for start in range(0, len(piece.data), size):
            part = piece.data[start : start + size]
            await asyncio.sleep(len(part) / self.bytes_per_s)
            yield part

    def __str__(self) -> str:
        return f"throttle {self.bytes_per_s:g} bytes/s"


@dataclass(eq=False)
class Slice(Fault):
    """Bytes pass in pieces of 1 to `size_bytes` bytes, `pause_s` apart.

    As real as a path with a tiny packet size: a TCP stream has no message boundaries, and readers that rely on one
    `recv` a message break. Under TLS it is the records that are cut, so a record waits for its last piece.
    """

    size_bytes: int
    way: Ways = "both"
    pause_s: float = 0.0
    seed: int = 0
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.size_bytes >= 1, "pieces of 1 byte or more", self.size_bytes, "slice(1) is the smallest")
        self._rng = random.Random(self.seed)

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        rest = piece.data
        while rest:
            size = self._rng.randint(1, self.size_bytes)
            yield rest[:size]
            rest = rest[size:]
            await asyncio.sleep(self.pause_s)

    def __str__(self) -> str:
        return f"slice into {self.size_bytes} bytes at most"


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


@dataclass(eq=False)
class CutAfter(Fault):
    """Each connection is reset when `size_bytes` more bytes have passed in one direction.

    As real as a process that dies in mid-sentence: what passed was delivered, the rest is lost, and both ends get RST.
    """

    size_bytes: int
    way: Ways = "both"
    _passed: Counter[tuple[object, Way]] = field(init=False, repr=False, default_factory=Counter)

    async def carry(self, piece: Piece, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        left = self.size_bytes - self._passed[connection, piece.way]
        self._passed[connection, piece.way] += len(piece.data)
        yield piece.data[:left]
        if len(piece.data) > left:
            raise ConnectionResetError(f"the link was cut after {self.size_bytes} bytes")

    def __str__(self) -> str:
        return f"cut after {self.size_bytes} bytes"


@dataclass(eq=False)
class Reset(Fault):
    """All open connections are reset at once, new ones as soon as they say something.

    As real as it gets: both ends receive RST. What was on its way is lost.
    """

    def begin(self, connections: Iterable[ConnectionUnderFault]) -> None:
        for connection in connections:
            connection.reset()

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        raise ConnectionResetError("the link resets every connection")
        yield piece.data  # what makes this a generator

    def __str__(self) -> str:
        return "reset"


@dataclass(eq=False)
class Refuse(Fault):
    """New connections are reset before their first byte; open ones go on.

    As real as a balancer with nothing behind it: TCP is accepted (the kernel does it before we are asked), then RST
    comes in place of TLS. A port on which nobody listens answers the SYN itself with RST; to an application both are
    an `OSError` from connecting.
    """

    def admit(self) -> None:
        raise ConnectionRefusedError("the link refuses new connections")

    def __str__(self) -> str:
        return "refuse"


# Where in a stream a WebSocket connection is asked for: what a proxy that meddles with upgrades looks for.


END_OF_HEAD = b"\r\n\r\n"
HEAD_BYTES = 2**14  # a longer head is passed on unread


@dataclass(eq=False)
class UpgradeFault(Fault):
    """Ends TLS on both sides, as an inspecting proxy does, and meets each request to upgrade (RFC 6455 section 4.1).

    Only connections that are opened within the block are inspected; what is no such request passes as it came.
    """

    plaintext = True
    _heads: dict[object, bytes] = field(init=False, repr=False, default_factory=dict)

    async def carry(self, piece: Piece, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        if piece.way == "down" or not connection.inspected:
            yield piece.data
            return
        data = self._heads.pop(connection, b"") + piece.data
        if piece.data and _may_be_a_head(data):
            self._heads[connection] = data  # the rest is still to come
        elif asks_to_upgrade(data):
            async for part in self.meet(data, connection):
                yield part
        else:
            yield data

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        """What becomes of a request to upgrade; `request` is its head, and what was sent behind it."""
        yield request


def asks_to_upgrade(data: bytes) -> bool:
    """Does `data` begin with the whole head of a request for a WebSocket connection?"""
    head, end, _ = data.partition(END_OF_HEAD)
    fields = [line.strip().lower() for line in head.split(b"\r\n")[1:]]
    names = dict(line.split(b":", 1) for line in fields if b":" in line)
    return data.startswith(b"GET ") and bool(end) and names.get(b"upgrade", b"").strip() == b"websocket"


def _may_be_a_head(data: bytes) -> bool:
    return b"GET ".startswith(data[:4]) and END_OF_HEAD not in data and len(data) < HEAD_BYTES


FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class RefuseUpgrade(UpgradeFault):
    """A request to upgrade is answered with 403 by the link; the server never hears of it.

    As real as a company's proxy: it ends TLS with a certificate that the client trusts. Everything else passes.
    """

    async def meet(self, _request: bytes, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        await connection.answer(FORBIDDEN)
        yield b""

    def __str__(self) -> str:
        return "refuse upgrade"


@dataclass(eq=False)
class ResetUpgrade(UpgradeFault):
    """A connection that asks to upgrade is reset. As real as a firewall that knows the word and says nothing."""

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        raise ConnectionResetError("the link resets whoever asks for an upgrade")
        yield request  # what makes this a generator

    def __str__(self) -> str:
        return "reset upgrade"


HOP_BY_HOP = (b"upgrade:", b"connection:")  # a proxy must not forward these (RFC 9110 section 7.6.1)


@dataclass(eq=False)
class StripUpgrade(UpgradeFault):
    """A request to upgrade reaches the server as an ordinary GET.

    As real as an HTTP proxy that forwards what it understands: hop-by-hop fields end with it. The server answers what
    it answers to a GET; long polling passes.
    """

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        head, _, rest = request.partition(END_OF_HEAD)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(HOP_BY_HOP)]
        yield b"\r\n".join(lines) + END_OF_HEAD + rest

    def __str__(self) -> str:
        return "strip upgrade"


@dataclass(eq=False)
class SwallowUpgrade(UpgradeFault):
    """A connection that asks to upgrade hears nothing more, until the block ends: then it is reset.

    As real as a proxy that waits for the rest of a request it does not understand. The worst of the three for a
    client without a timeout.
    """

    _over: asyncio.Event = field(init=False, repr=False, default_factory=asyncio.Event)

    def end(self) -> None:
        self._over.set()

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        await self._over.wait()
        raise ConnectionResetError("the link had swallowed the upgrade")
        yield request  # what makes this a generator

    def __str__(self) -> str:
        return "swallow upgrade"
