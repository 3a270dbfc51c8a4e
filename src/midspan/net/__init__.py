"""Sockets, TLS and processes: servers, taps, the fault proxy, the broker, and nodes.

In this order:

1. `servers` (the two servers of chapter 00, and their certificates) and `taps` (a proxy that keeps what passes).
2. `fault_proxy` with `faults`: a proxy that delays, cuts or refuses connections of a real link.
3. `background_loop`: an event loop in a thread, for servers that live longer than a cell; repairs of asyncio.
4. `child_process`, `balancers`, `tcp`, `brokers`: what a cluster consists of.
5. `receivers`: many WebSocket connections in one process, with the smallest possible client.

Importing this folder repairs what some versions of asyncio do with closed transports (`background_loop`).
"""

from midspan.errors import imported_when_used
from midspan.net.background_loop import fix_closed_transports

fix_closed_transports()

HOMES = {  # what notebooks use
    "by_cookie": "balancers",
    "by_user": "balancers",
    "round_robin": "balancers",
    "plain_environment": "child_process",
    "Direct": "servers",
    "asgi_server": "servers",
    "socketio_server": "servers",
    "tap": "taps",
}

__getattr__ = imported_when_used(__name__, HOMES)
