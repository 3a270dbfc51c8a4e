"""What chapter 02 does to its two servers: a message lost in a cut, and Socket.IO packets written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from midspan.errors import checked
from midspan.experiments.bench import Bench
from midspan.experiments.bench_clients import packet_client, raw_client
from midspan.protocols.exchange import Exchange


@checked
async def around_a_cut(bench: Bench, first: str, lost: str, last: str, *, repeats: bool = False) -> tuple[str, ...]:
    """Ana's client sends three messages, and its connection is cut under the second; Ben's client sends nothing.

    `websockets` connects again by itself: Ana's client is its loop, `async for connection in connect(...)`.

    Args:
        bench: an open bench with links.
        first, lost, last: the texts of the messages. No byte of `lost` passes the cut.
        repeats: whether Ana's code sends `lost` again on the second connection.

    Returns:
        All messages that the tap saw, from both ends and on all connections, in order.

    Raises:
        Refusal: an argument does not fit, or the bench has no links.
        TimeoutError: not done within thirty seconds.
    """
    link, cut = bench.raw.link, False
    bench.raw.clear()
    async with raw_client(bench) as ben:
        async for ana in connect(bench.raw.url, ssl=bench.trust, compression=None):
            with suppress(ConnectionClosed):
                if cut:
                    for text in (lost, last) if repeats else (last,):
                        await ana.send(text)
                    break
                await ana.send(first)
                await (await ana.ping())  # the server has read the first message
                with link.cut_after(0, "up"):
                    await ana.send(lost)
                    await ana.wait_closed()
            cut = True
        for connection in (ana, ben):
            await (await connection.ping())
        await ana.close()
    return tuple(message.data.decode() for message in (await bench.raw.exchange()).messages())


@checked
async def say_packets(bench: Bench, packets: Mapping[str, int]) -> Exchange:
    """Write packets to the Socket.IO server by hand, on one WebSocket; wait for its messages after each.

    Args:
        bench: an open bench.
        packets: the text of each packet, and how many messages of the server to wait for after it.

    Returns:
        The frames on that connection, as the tap saw them.

    Raises:
        Refusal: an argument does not fit.
        TimeoutError: not done within thirty seconds.
    """
    bench.socketio.clear()
    async with packet_client(bench) as ws:
        await ws.recv()
        for packet, answers in packets.items():
            await ws.send(packet)
            for _ in range(answers):
                await ws.recv()
    return (await bench.socketio.exchange()).frames()
