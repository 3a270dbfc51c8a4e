"""A decompression bomb: a small compressed message, and what a server of `websockets` inflates before it refuses."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from midspan.errors import checked, need
from midspan.experiments.bench import echo
from midspan.experiments.upgraded_streams import first_frame, upgraded_stream
from midspan.net.servers import Authority, raw_server

LARGEST_BYTES = 2**30
LIMIT_S = 30.0
OFFER = "permessage-deflate"
MIB = 2**20


@dataclass(frozen=True)
class Refused:
    """What one message did to the server: its answer, and the memory that this cost.

    Attributes:
        answer: the first frame that the server sent.
        peak_mib: the most memory that Python held beyond that before the message, in MiB.
    """

    answer: str
    peak_mib: float


@checked
def bomb(size_bytes: int, fragments: int = 1) -> bytes:
    """Return a client's message that inflates to `size_bytes` zeros (RFC 7692), in one frame or in equal fragments.

    Raises:
        Refusal: not a size between 1 byte and 1 GiB, or fragments without a byte.
    """
    possible = 1 <= size_bytes <= LARGEST_BYTES
    need(possible, f"a size from 1 to {LARGEST_BYTES} bytes", size_bytes, "Choose a smaller one")
    need(1 <= fragments <= size_bytes, f"1 to {size_bytes} fragments", fragments, "Change fragments=")
    deflate = [PerMessageDeflate(True, True, 15, 15)]
    ends = [size_bytes * number // fragments for number in range(fragments + 1)]
    frames = [
        Frame(Opcode.CONT if start else Opcode.BINARY, bytes(end - start), fin=end == size_bytes)
        for start, end in pairwise(ends)
    ]
    return b"".join(frame.serialize(mask=True, extensions=deflate) for frame in frames)


@checked
async def send_to_server(data: bytes, **options: Any) -> Refused:
    """Send bytes to an echo server that has agreed on compression, and measure what they cost until it answers.

    Args:
        data: the bytes of a frame, such as `bomb(...)`.
        options: passed to the server of `websockets`; without them it has the library's defaults.

    Raises:
        Refusal: not bytes, or no such option.
        TimeoutError: no answer within thirty seconds.
    """
    authority = Authority()
    async with (
        asyncio.timeout(LIMIT_S),
        raw_server(echo, authority.server, **options) as served,
        upgraded_stream(served.url, authority.client, OFFER) as (reader, writer),
    ):
        tracemalloc.start()
        try:
            writer.write(data)
            answer = str(await first_frame(reader))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return Refused(answer, round(peak_bytes / MIB, 1))
