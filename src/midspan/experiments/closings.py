"""Close frames of all kinds: what a server of `websockets` answers, and which code its application reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

from midspan.errors import checked, need
from midspan.experiments.upgraded_streams import first_frame, upgraded_stream
from midspan.net.servers import Authority, raw_server

CODES = range(2**16)  # a code has two bytes
LIMIT_S = 10.0


@dataclass(frozen=True)
class Closing:
    """What a close frame led to.

    Attributes:
        sent: the code in the client's close frame; None for an empty frame.
        answer: the server's close frame.
        application_reads: the code that the library gives to the server's application.
    """

    sent: int | None
    answer: str
    application_reads: int | None


@checked
async def close_with(code: int | None) -> Closing:
    """Connect to a server, and send it a close frame with this code; None for a close frame without one.

    Raises:
        Refusal: not a number that fits into two bytes.
        TimeoutError: still open after ten seconds.
    """
    fits = code is None or code in CODES
    need(fits, "a number of two bytes, or None", code, "Change the code")
    read: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def wait_for_the_end(connection: ServerConnection) -> None:
        await connection.wait_closed()
        read.set_result(None if connection.close_code is None else int(connection.close_code))

    authority = Authority()
    payload = b"" if code is None else code.to_bytes(2, "big")
    async with asyncio.timeout(LIMIT_S), raw_server(wait_for_the_end, authority.server) as served:
        async with upgraded_stream(served.url, authority.client) as (reader, writer):
            writer.write(Frame(Opcode.CLOSE, payload).serialize(mask=True))
            answer = await first_frame(reader)
        return Closing(code, str(answer), await read)
