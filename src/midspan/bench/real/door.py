"""A listening socket of the stage's own: whoever comes in is handed over, and belongs to no process of the run."""

from __future__ import annotations

import contextvars
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from midspan.wires.certs import HOST

if TYPE_CHECKING:
    from midspan.bench.real.clock import HastyLoop

UNREAD_BYTES = 2**16  # what the kernel may hold of a sender whose link carries nothing; megabytes if we do not say


class Door:
    """An open door on a free port of loopback.

    Args:
        loop: of the run.
        let_in: called in a task of its own with each socket that was accepted.
    """

    def __init__(self, loop: HastyLoop, let_in: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> None:
        self._loop, self._let_in = loop, let_in
        self._socket = socket.create_server((HOST, 0))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        self.address = f"{HOST}:{self._socket.getsockname()[1]}"
        self._keeping = loop.create_task(self._keep(), context=contextvars.Context())

    async def _keep(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._socket)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the kernel delays what we mean to pass on
            self._loop.create_task(self._let_in(sock))

    def close(self) -> None:
        """Refuse everybody from now on."""
        self._keeping.cancel()
        self._socket.close()
