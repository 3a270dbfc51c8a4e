"""One message in every way of saying it, through a tap, and where its bytes went.

Each cell is a conversation of its own, on real sockets: a connection, a greeting whose answer shows that both ends are
ready, and then one message, of which each byte is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from midspan.arguments import checked
from midspan.bench.conversations import conversation
from midspan.bench.said import HELLO, MESSAGES, WAYS, Said, Way
from midspan.records.byte_ledger import ByteLedger, byte_ledger
from midspan.records.capture import Capture, Side
from midspan.refusal import Refusal, need
from midspan.wires.certs import Authority
from midspan.wires.tcp_count import WireCount

PATIENCE_S = 20.0
Counts = Mapping[tuple[int, Side], WireCount]  # of a tap, by connection and sender


@dataclass(frozen=True)
class Weighed:
    """One cell: what was said how, its ledger, and the capture that it was made from.

    Attributes:
        received: what the kernel counted from each side, in bytes of TCP payload; empty where it does not tell.
        segments: in how many segments with something in them these came, on this machine's loopback.
    """

    said: Said
    way: Way
    tls: bool
    deflate: bool
    ledger: ByteLedger
    capture: Capture
    received: Mapping[Side, int]
    segments: Mapping[Side, int]

    def __str__(self) -> str:
        around = f"{'TLS' if self.tls else 'plain'}{', deflate' if self.deflate else ''}"
        return f"{self.said.name}: {self.way.name}, {around}\n{self.ledger}"

    __repr__ = __str__


@checked
async def weigh(
    said: Said, way: Way, authority: Authority, *, tls: bool = True, deflate: bool = False, told: int = 1
) -> Weighed:
    """Say one message one way, on a connection of its own, and count its bytes.

    Args:
        said, way: what, and how.
        authority: whom both ends trust (`bench.authority`).
        tls, deflate: whether the connection is encrypted, and whether compression is agreed on.
        told: how many times the message is said, on one connection: the last one is counted.

    Raises:
        Refusal: `told` is not 1 or more.
        TimeoutError: an end did not answer.
    """
    need(told > 0, "a message that is said once or more", told, "Pass told=1")
    async with asyncio.timeout(PATIENCE_S), conversation(way, authority, tls, deflate) as (seen, say):
        await say(HELLO, True)
        for _ in range(told - 1):
            await say(said, way.acknowledged)
        mark, before = len(seen.capture), seen.counts()
        await say(said, way.acknowledged)
        capture = seen.capture.since(mark)
        received, segments = _between(before, seen.counts())
    return Weighed(said, way, tls, deflate, byte_ledger(capture, said.payload, segments), capture, received, segments)


def _between(before: Counts, after: Counts) -> tuple[dict[Side, int], dict[Side, int]]:
    """What the kernel has counted from each side since: bytes, and segments with something in them."""
    received: dict[Side, int] = {}
    segments: dict[Side, int] = {}
    for (connection, side), count in after.items():
        earlier = before.get((connection, side))
        new = count if earlier is None else count - earlier
        received[side] = received.get(side, 0) + new.received_bytes
        segments[side] = segments.get(side, 0) + new.data_segments_received
    return received, segments


@checked
async def opening(way: Way, authority: Authority, *, tls: bool = True) -> Capture:
    """Open a connection and stop where the first message could be said: what has crossed the wire until then.

    Raises:
        TimeoutError: an end did not answer.
    """
    async with asyncio.timeout(PATIENCE_S), conversation(way, authority, tls, False) as (seen, _):
        return seen.capture


class Weighing(tuple[Weighed, ...]):
    """Many cells. `str()` is a table: what TCP carries, and what of it is payload."""

    def cell(self, said: str, way: str, *, tls: bool = True, deflate: bool = False) -> Weighed:
        """The cell of that message and that way, by their names.

        Raises:
            Refusal: there is none.
        """
        for cell in self:
            if (cell.said.name, cell.way.name, cell.tls, cell.deflate) == (said, way, tls, deflate):
                return cell
        names = ", ".join(dict.fromkeys(f"{cell.said.name!r}/{cell.way.name!r}" for cell in self))
        raise Refusal(f"a message and a way ({names})", (said, way, tls, deflate), "Choose among them")

    def __str__(self) -> str:
        head = f"{'bytes that TCP carries, both ways':<34}  {'plain':>7} {'TLS':>7} {'deflate':>7} {'both':>7}"
        kinds = ((False, False), (True, False), (False, True), (True, True))
        lines = [head]
        for said, way in dict.fromkeys((cell.said.name, cell.way.name) for cell in self):
            found = {(cell.tls, cell.deflate): cell for cell in self if (cell.said.name, cell.way.name) == (said, way)}
            sizes = [f"{found[kind].ledger.tcp_bytes:>7,}" if kind in found else f"{'':>7}" for kind in kinds]
            lines.append(f"{said + ': ' + way:<34}  {' '.join(sizes)}".rstrip())
        return "\n".join(lines)

    __repr__ = __str__


@checked
async def weigh_all(
    authority: Authority,
    messages: Iterable[Said] = MESSAGES,
    ways: Iterable[Way] = WAYS,
    tls: Iterable[bool] = (False, True),
    deflate: Iterable[bool] = (False, True),
) -> Weighing:
    """Every message in every way, one cell after the other."""
    kinds = [(encrypted, packed) for encrypted in tls for packed in deflate]
    cells = [
        await weigh(said, way, authority, tls=encrypted, deflate=packed)
        for said in messages
        for way in ways
        for encrypted, packed in kinds
    ]
    return Weighing(cells)
