"""A broker that speaks TLS. The embedded Valkey does not, so TLS ends in front of it, as behind stunnel."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from midspan.net.brokers import Broker
from midspan.net.tcp import carry, connect


@asynccontextmanager
async def tls_in_front(bus: Broker, tls: ssl.SSLContext, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Listen with `tls` at `host`, and give the port."""
    passing: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await connect(bus.url)
        try:
            await carry((reader, writer), far)
        except OSError:
            pass
        finally:
            for end in (writer, far[1]):
                end.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(pass_on(reader, writer))
        passing.add(task)
        task.add_done_callback(passing.discard)

    async with await asyncio.start_server(accept, host, 0, ssl=tls) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for task in list(passing):
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
