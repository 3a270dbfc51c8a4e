"""What `send` takes: a message, or its parts."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping

Data = str | bytes
DataLike = str | bytes | bytearray | memoryview
PLAIN = (str, bytes)  # what needs no conversion; a tuple, since `str | bytes` would be built anew on each send


async def whole(message: object) -> Data:
    """The fragments of a message, put together; a message as it is otherwise."""
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    if isinstance(message, Mapping):
        raise TypeError("data is a dict-like object")
    if isinstance(message, AsyncIterable):
        parts = [part async for part in message]
    elif isinstance(message, Iterable):
        parts = list(message)
    else:
        raise TypeError("data must be str, bytes, iterable, or async iterable")
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    return b"".join(as_bytes(part) for part in parts)


def as_bytes(data: object) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError("data must be str or bytes-like")
