"""What asyncio promises of a transport that is closed, kept on every Python that we support.

Two methods break in some versions, and a right program fails there:

- `abort()` of a TLS transport that is closed already raises AttributeError in 3.11.2, which is Debian 12's Python.
  Later versions do nothing.
- `writelines()` does what `write()` does, says the documentation. 3.12 gave TCP transports one of their own. On a
  closed transport it raises TypeError or AttributeError, where `write` drops the data (CPython issue 136234; redis
  writes in this way). In 3.12.1 and 3.13.0 it also never pauses the writer, so `drain()` waits for nothing (127655).

`midspan.net` calls `keep()` when it is imported: once a process, for our own code, for libraries and for learners.
A version's number says little, because distributions take single corrections over. So we ask the method itself.
"""

from __future__ import annotations

from asyncio import selector_events, sslproto, transports
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

Method = Callable[..., Any]


TLS: type = sslproto._SSLProtocolTransport
TCP: type = cast(Any, selector_events)._SelectorSocketTransport


def keep(tls: type = TLS, tcp: type = TCP) -> list[str]:
    """Replace those of the two methods that break their promise; returns the names of the methods replaced.

    Args:
        tls: the class of TLS transports, which has `abort`.
        tcp: the class of TCP transports, which has `writelines`.
    """
    broken = []
    if _breaks(tls, "abort"):
        broken.append(_replace(tls, "abort", _abort_if_open(tls)))
    if _breaks(tcp, "writelines", [b"x"]):
        broken.append(_replace(tcp, "writelines", transports.WriteTransport.writelines))
    return broken


def _breaks(transport: type, method: str, *arguments: object) -> bool:
    """Whether the method raises on a transport that is closed. A stand-in has what such a transport has."""
    closed = SimpleNamespace(
        _ssl_protocol=None,
        _closed=True,
        _force_close=lambda _: None,
        write=lambda _: None,
        _conn_lost=1,
        _eof=False,
        _empty_waiter=None,
        _buffer=deque(),
        _write_ready=None,
        _loop=None,
        _sock_fd=-1,
    )
    try:
        getattr(transport, method)(closed, *arguments)
    except (AttributeError, TypeError):
        return True
    return False


def _abort_if_open(tls: type) -> Method:
    abort: Method = vars(tls)["abort"]

    def abort_if_open(self: Any) -> None:
        """Close the transport immediately; do nothing to one that is closed."""
        self._closed = True
        if self._ssl_protocol is not None:
            abort(self)

    return abort_if_open


def _replace(transport: type, method: str, by: Method) -> str:
    setattr(transport, method, by)
    return method
