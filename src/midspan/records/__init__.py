"""Bytes in, records out: no clock, no sockets, no asyncio. The lowest layer but for the refusal."""
