"""Bytes in, records out: no clock, no socket, no asyncio. Only `midspan.errors` lies below.

A record is a small frozen dataclass; its `str()` is one line, and `.raw` keeps its bytes. In this order:

1. `record` (what all records share) and `capture` (the chunks that a tap saw).
2. A module for each protocol: `tls`, `http`, `websocket`, `engineio`, `socketio`.
3. `dissecting` follows the protocols on a connection; the result is an `exchange`.
4. `layering` says which layer put which byte into a message, and `ledgers` adds the bytes up.

The folder `recorded` holds captures of real conversations, which `dissecting.sample` reads.
"""
