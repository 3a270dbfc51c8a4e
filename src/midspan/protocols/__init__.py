"""Parsers: they read bytes and give records. They use no clock, no socket and no asyncio.

A record is a small frozen dataclass. Its `str()` is one line, and `.raw` is its bytes. Read in this order:

1. `capture`: what all records have in common, the records of TLS, and the chunks that a tap saw.
2. A module for each other protocol: `http`, `websocket`, `engineio`, `socketio`.
3. `dissecting` follows the protocols on a connection; the result is an `exchange`.
4. `layering` tells which layer each byte of a message belongs to, and `ledgers` counts the bytes of each layer.

The folder `recorded` holds captures of real conversations, which `dissecting.sample` reads.
"""

from midspan.errors import imported_when_used

HOMES = {  # what notebooks use
    "byte_ledger": "ledgers",
    "round_trips": "ledgers",
}

__getattr__ = imported_when_used(__name__, HOMES)
