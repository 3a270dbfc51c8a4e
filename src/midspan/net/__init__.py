"""Sockets, TLS and processes: servers, taps, the fault proxy, the broker, and nodes.

Read in this order:

1. `servers` (the two servers of chapter 00, and their certificates) and `taps` (a proxy that keeps what passes).
2. `fault_proxy` with `faults`: a proxy that delays, cuts or refuses real connections.
3. `background_loop`: an event loop in a thread, for servers that run longer than a cell; corrections of asyncio.
4. `child_process`, `balancers`, `tcp`, `brokers`: the parts of a cluster.
5. `receivers`: many WebSocket connections in one process, with a minimal client.

The import of this folder corrects methods of closed transports in some versions of asyncio (`background_loop`).
"""

from midspan.errors import imported_when_used
from midspan.net.background_loop import fix_closed_transports

fix_closed_transports()

HOMES = {  # what notebooks use
    "by_cookie": "balancers",
    "by_user": "balancers",
    "round_robin": "balancers",
    "plain_environment": "child_process",
    "DirectConnection": "servers",
    "asgi_server": "servers",
    "socketio_server": "servers",
    "tap": "taps",
}

__getattr__ = imported_when_used(__name__, HOMES)
