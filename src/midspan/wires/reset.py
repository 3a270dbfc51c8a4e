"""How a TCP connection is reset, which is not how it is closed: the other end gets RST and learns of it at once."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST


def reset(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Close a connection with RST; what is unsent is lost. Does nothing to one that is closed already."""
    reset_on_close(connection)
    if isinstance(connection, socket.socket):
        connection.close()
    else:
        connection.abort()  # type: ignore[attr-defined]


def reset_on_close(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Make the coming close an RST. A Unix socket knows no such thing, and one that is closed needs none."""
    sock = connection if isinstance(connection, socket.socket) else connection.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0 and sock.family != getattr(socket, "AF_UNIX", None):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


async def close(writers: Iterable[asyncio.StreamWriter]) -> None:
    """Close them all, and wait until it is done, whatever the other ends make of it."""
    writers = list(writers)
    for writer in writers:
        writer.close()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()
