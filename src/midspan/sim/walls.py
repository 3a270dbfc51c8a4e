"""The walls of virtual time: what a loop without sockets, threads and processes answers when it is asked for them."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from midspan.sim.errors import WallClock, outside

_CONNECT = "use the `connect` that was passed as an argument"
_COROUTINE = "do the work in the coroutine itself"
_HANDLER = "write the handler only: the link calls it for each connection"


def _wall(what: str, do: str) -> Any:
    def refuse(self: WalledLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
        self.refused = self.refused or outside(what, do)
        raise self.refused

    return refuse


def _lack(_self: asyncio.AbstractEventLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
    """As any loop without that ability: libraries try it, and do without."""
    raise NotImplementedError


_lacking: Any = _lack


class WalledLoop(asyncio.AbstractEventLoop):
    """A loop with nothing outside. `refused` is the first thing that it was asked for, or None."""

    refused: WallClock | None = None  # kept: the code under test may swallow what we raise

    run_in_executor = _wall("loop.run_in_executor or asyncio.to_thread", _COROUTINE)
    call_soon_threadsafe = set_default_executor = shutdown_default_executor = _wall("a thread", _COROUTINE)
    subprocess_exec = subprocess_shell = _wall("a process", _COROUTINE)
    connect_read_pipe = connect_write_pipe = _wall("a pipe", _CONNECT)
    create_connection = create_unix_connection = start_tls = _wall("a real connection", _CONNECT)
    create_server = create_unix_server = connect_accepted_socket = _wall("a real server", _HANDLER)
    getaddrinfo = getnameinfo = _wall("a name lookup", _CONNECT)
    create_datagram_endpoint = sendfile = _wall("a real socket", _CONNECT)
    add_reader = remove_reader = add_writer = remove_writer = create_datagram_endpoint
    sock_connect = sock_accept = sock_sendall = sock_sendto = sock_sendfile = create_datagram_endpoint
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = create_datagram_endpoint

    add_signal_handler = remove_signal_handler = _lacking
    set_task_factory = set_debug = set_exception_handler = default_exception_handler = _lacking
    get_task_factory = get_exception_handler = shutdown_asyncgens = _lacking
