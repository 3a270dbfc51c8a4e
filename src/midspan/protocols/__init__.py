"""Bytes in, records out: no clock, no socket, no asyncio. Only `midspan.errors` lies below.

A record is a small frozen dataclass; its `str()` is one line, and `.raw` keeps its bytes. In this order:

1. `capture`: what all records share, the records of TLS, and the chunks that a tap saw.
2. A module for each other protocol: `http`, `websocket`, `engineio`, `socketio`.
3. `dissecting` follows the protocols on a connection; the result is an `exchange`.
4. `layering` says which layer put which byte into a message, and `ledgers` adds the bytes up.

The folder `recorded` holds captures of real conversations, which `dissecting.sample` reads.
"""

from midspan.errors import imported_when_used

HOMES = {  # what notebooks use
    "byte_ledger": "ledgers",
    "round_trips": "ledgers",
}

__getattr__ = imported_when_used(__name__, HOMES)
