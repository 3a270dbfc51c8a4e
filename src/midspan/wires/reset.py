"""How a TCP connection is reset, which is not how it is closed: the other end gets RST and learns of it at once."""

from __future__ import annotations

import asyncio
import socket
import struct

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST


def reset(connection: socket.socket | asyncio.BaseTransport) -> None:
    """Close a connection with RST; what is unsent is lost. Does nothing to one that is closed already."""
    if isinstance(connection, socket.socket):
        _set(connection)
        connection.close()
        return
    sock = connection.get_extra_info("socket")
    if sock is not None:
        _set(sock)
    connection.abort()  # type: ignore[attr-defined]


def _set(sock: socket.socket) -> None:
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
