"""Bytes in, records out: no clock, no socket, no asyncio. Only `midspan.errors` lies below.

Read `record` (with TLS) and `capture` first, then a protocol each: `http`, `websocket`, `engineio`, `socketio`.
`dissecting`
follows them on a connection and gives an `exchange`; `layering` and `ledgers` say which layer put which byte there.
"""
