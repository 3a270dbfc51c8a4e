"""Sockets, TLS and processes: servers, taps, the fault proxy, the broker, and nodes.

In this order:

1. `servers` (the two servers of chapter 00, and their certificates) and `taps` (a proxy that keeps what passes).
2. `fault_proxy` with `faults`: a proxy that delays, cuts or refuses connections of a real link.
3. `background_loop`: an event loop in a thread, for servers that live longer than a cell.
4. `child_process`, `balancers`, `tcp`, `brokers`: what a cluster consists of.
5. `receivers`: many WebSocket connections in one process, with the smallest possible client.

Importing this folder repairs what some versions of asyncio do with closed transports (`asyncio_fixes`).
"""

from midspan.net.asyncio_fixes import keep

keep()
