"""The faults of the fault proxy, one class each: they act on bytes, on connections or on the upgrade to WebSocket.

TCP may delay, split or hold back bytes, and end or reset a connection. It never loses a byte in the middle of a stream
and never swaps two. So no fault may do this: `carry` yields its bytes whole and in order, or the connection ends.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from midspan.errors import Fitting, need

Way = Literal["up", "down"]  # from the client to the server; from the server to the client
Ways = Literal["up", "down", "both"]


class Piece(NamedTuple):
    """Bytes that one side sent.

    Args:
        data: the bytes; b"" at the end of the stream.
        at_s: when they came, by the loop's clock.
        way: their direction.
        error: the error that ended the stream; None for a FIN.
    """

    data: bytes
    at_s: float
    way: Way
    error: Exception | None = None


class ConnectionUnderFault(Protocol):
    """The part of a connection that a fault may use."""

    @property
    def inspected(self) -> bool:
        """Whether the proxy ends TLS on both sides, so that it sees the plaintext."""

    def reset(self) -> None:
        """Reset both ends, now."""

    async def answer(self, data: bytes) -> None:
        """Send bytes to the client in place of the server."""


@dataclass(eq=False)
class Fault(Fitting):
    """Base class: a fault that changes nothing.

    A fault lasts as long as its `with` block. It acts on open connections and on new ones.
    """

    plaintext = False  # whether it needs the plaintext; then it acts only on connections that are opened in its block

    def concerns(self, way: Way) -> bool:
        """Whether it acts on bytes in this direction."""
        return getattr(self, "way", way) in (way, "both")

    def begin(self, connections: Iterable[ConnectionUnderFault]) -> None:
        """The block begins. `connections`: those that are open."""

    def end(self) -> None:
        """The block ends."""

    def admit(self) -> None:
        """A client connects. Raises `ConnectionError` to refuse it."""

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        """Yield the bytes of the piece when they may pass, in one or several parts; or raise `ConnectionError`."""
        yield piece.data

    async def clear(self) -> None:
        """Return when bytes may pass."""


@dataclass(eq=False)
class Latency(Fault):
    """Each byte comes `delay_s` later, plus or minus `jitter_s`, in order.

    It is like a long cable: throughput does not change, up to the link's window (a mebibyte on its way). The handshake
    of TCP is not delayed, because the kernel accepts a connection before the proxy gets it.
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


PART_S = 0.05  # bytes pass in bursts of so many seconds, as TCP does on a slow link


@dataclass(eq=False)
class Throttle(Fault):
    """No more than `bytes_per_s` bytes pass in a second, on each connection and in each direction.

    It is like a bandwidth limit at a router with a buffer of a mebibyte. When it is full, the sender has to wait.
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

    It is like a path with very small packets. A TCP stream has no message boundaries, so a receiver that expects one
    message from each `recv` fails. With TLS the records are cut, so a record is complete with its last piece only.
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
    """No byte passes, and no FIN or RST. After it TCP delivers what both ends have sent meanwhile.

    It is like a pulled cable or a place without radio: to both ends the connection is open and silent, and only a
    timeout detects it. Two things differ from a real one. The kernel of this machine accepts a new connection, where a
    real one would lose the SYN. And bytes pass at once after the end, where TCP might wait for some more seconds.
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

    It is like a process that is killed while it sends: what passed is delivered, the rest is lost, both ends get RST.
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
    """All open connections are reset at once, and new ones at their first byte.

    Both ends receive a real RST. Bytes on their way are lost.
    """

    def begin(self, connections: Iterable[ConnectionUnderFault]) -> None:
        for connection in connections:
            connection.reset()

    async def carry(self, piece: Piece, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        raise ConnectionResetError("the link resets every connection")
        yield piece.data  # makes this a generator

    def __str__(self) -> str:
        return "reset"


@dataclass(eq=False)
class Refuse(Fault):
    """New connections are reset before their first byte; open ones go on.

    It is like a balancer without a server. The kernel accepts the TCP connection before the proxy gets it; then RST
    comes in place of TLS. A port without a listener answers the SYN with RST. For an application both are an `OSError`
    from connecting.
    """

    def admit(self) -> None:
        raise ConnectionRefusedError("the link refuses new connections")

    def __str__(self) -> str:
        return "refuse"


# Faults of the upgrade to WebSocket.


END_OF_HEAD = b"\r\n\r\n"
HEAD_BYTES = 2**14  # a longer head passes without a check


@dataclass(eq=False)
class UpgradeFault(Fault):
    """Base class: changes what happens to each request to upgrade (RFC 6455 section 4.1).

    The proxy ends TLS on both sides, as an inspecting proxy does, on connections that are opened in the block. All
    other bytes pass unchanged.
    """

    plaintext = True
    _heads: dict[object, bytes] = field(init=False, repr=False, default_factory=dict)

    async def carry(self, piece: Piece, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        if piece.way == "down" or not connection.inspected:
            yield piece.data
            return
        data = self._heads.pop(connection, b"") + piece.data
        if piece.data and _may_be_a_head(data):
            self._heads[connection] = data  # not complete yet
        elif asks_to_upgrade(data):
            async for part in self.meet(data, connection):
                yield part
        else:
            yield data

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        """Yield what reaches the server in place of `request`: the head of a request to upgrade, and bytes after it."""
        yield request


def asks_to_upgrade(data: bytes) -> bool:
    """Whether `data` begins with the whole head of a request to upgrade to WebSocket."""
    head, end, _ = data.partition(END_OF_HEAD)
    fields = [line.strip().lower() for line in head.split(b"\r\n")[1:]]
    names = dict(line.split(b":", 1) for line in fields if b":" in line)
    return data.startswith(b"GET ") and bool(end) and names.get(b"upgrade", b"").strip() == b"websocket"


def _may_be_a_head(data: bytes) -> bool:
    return b"GET ".startswith(data[:4]) and END_OF_HEAD not in data and len(data) < HEAD_BYTES


FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class RefuseUpgrade(UpgradeFault):
    """The link answers a request to upgrade with 403. The server does not receive it.

    It is like a company's proxy, which ends TLS with a certificate that the client trusts. All other requests pass.
    """

    async def meet(self, _request: bytes, connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        await connection.answer(FORBIDDEN)
        yield b""

    def __str__(self) -> str:
        return "refuse upgrade"


@dataclass(eq=False)
class ResetUpgrade(UpgradeFault):
    """A connection with a request to upgrade is reset, as by a firewall that looks for WebSocket."""

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        raise ConnectionResetError("the link resets whoever asks for an upgrade")
        yield request  # makes this a generator

    def __str__(self) -> str:
        return "reset upgrade"


HOP_BY_HOP = (b"upgrade:", b"connection:")  # a proxy must not forward these (RFC 9110 section 7.6.1)


@dataclass(eq=False)
class StripUpgrade(UpgradeFault):
    """A request to upgrade reaches the server as an ordinary GET.

    It is like an HTTP proxy that does not know WebSocket: it does not forward hop-by-hop fields. The server answers as
    to any GET. Long-polling passes.
    """

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        head, _, rest = request.partition(END_OF_HEAD)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(HOP_BY_HOP)]
        yield b"\r\n".join(lines) + END_OF_HEAD + rest

    def __str__(self) -> str:
        return "strip upgrade"


@dataclass(eq=False)
class SwallowUpgrade(UpgradeFault):
    """A connection with a request to upgrade gets no answer. When the block ends, it is reset.

    It is like a proxy that waits for the rest of a request that it does not understand. A client without a timeout
    would wait for ever.
    """

    _over: asyncio.Event = field(init=False, repr=False, default_factory=asyncio.Event)

    def end(self) -> None:
        self._over.set()

    async def meet(self, request: bytes, _connection: ConnectionUnderFault, /) -> AsyncIterator[bytes]:
        await self._over.wait()
        raise ConnectionResetError("the link had swallowed the upgrade")
        yield request  # makes this a generator

    def __str__(self) -> str:
        return "swallow upgrade"
