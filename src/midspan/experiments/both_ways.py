"""Two ends of one connection send each other a large message: at the same time, or in turns."""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

from midspan.errors import checked
from midspan.net.servers import HOST, Authority, raw_server
from midspan.net.taps import tap
from midspan.protocols.capture import SIDES, Side
from midspan.protocols.dissecting import dissect
from midspan.protocols.exchange import Exchange, Sighting

SIZE_BYTES = 4 * 2**20  # of each message: far more than the buffers of a loopback connection hold at first
LIMIT_S = 30.0


@checked
async def large_both_ways(in_turns: bool = False) -> Exchange:
    """Open a connection, let each end send one message of 4 MiB, and return what a tap between them saw.

    Args:
        in_turns: the server sends only after it has received the client's message. Without it neither end waits.

    Raises:
        Refusal: `in_turns` is not a truth value.
        TimeoutError: still going on after thirty seconds.
    """

    async def serve_one(connection: ServerConnection) -> None:
        if in_turns:
            await connection.recv()
            await connection.send(bytes(SIZE_BYTES))
        else:
            await asyncio.gather(connection.send(bytes(SIZE_BYTES)), connection.recv())

    authority = Authority()
    async with (
        asyncio.timeout(LIMIT_S),
        raw_server(serve_one, authority.server, max_size=SIZE_BYTES, compression=None) as served,
        tap(served.port, authority) as seen,
    ):
        url = f"wss://{HOST}:{seen.port}"
        async with connect(url, ssl=authority.client, max_size=SIZE_BYTES, compression=None) as client:
            await asyncio.gather(client.send(bytes(SIZE_BYTES)), client.recv())
        return dissect(await seen.settled())


@checked
def order_of_senders(seen: Exchange, mib: float = 0.125) -> str:
    """The order in which the largest frames of both ends passed: a letter for each `mib` MiB, c or s for its sender.

    Raises:
        Refusal: not an exchange, or a size that is no number.
    """
    passed = [(chunk.at_s, side, len(chunk.data)) for side in SIDES for chunk in largest_frame(seen, side).carried]
    letters, sums = [], dict.fromkeys(SIDES, 0.0)
    for _, side, size in sorted(passed):
        before, sums[side] = sums[side], sums[side] + size / 2**20 / mib
        letters += [side[0]] * (int(sums[side]) - int(before))
    return "".join(letters)


def largest_frame(seen: Exchange, side: Side) -> Sighting:
    """The largest frame that one side sent."""
    return max(seen.sent_by(side).frames(), key=lambda sighting: len(sighting.record.raw))
