"""Sockets, TLS, processes: what carries bytes. Importing it makes this Python keep asyncio's promises."""

from midspan.wires.promises import keep

keep()
