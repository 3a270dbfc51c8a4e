"""Just enough of RFC 6455 for a thin client: one masked frame out, unmasked frames in. No socket here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Message: TypeAlias = str | bytes  # a text or a binary message

OPENING = 50  # connections that a process opens at once: a listening socket queues no more than that everywhere
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # any 16 bytes will do; these are those of RFC 6455 section 1.3
MASK = bytes(4)  # four zeros: the server unmasks all the same, and we save ourselves the work
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A  # FIN and the opcode (section 5.2)


def upgrade(host: str, path: str) -> bytes:
    """The request that opens a WebSocket (section 4.1)."""
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()


def frame(message: Message, kind: int = 0) -> bytes:
    """One message in one frame, as a client sends it (section 5.2)."""
    payload = message.encode() if isinstance(message, str) else message
    kind, size = kind or (TEXT if isinstance(message, str) else BINARY), len(payload)
    if size < 126:
        return bytes((kind, 0x80 | size)) + MASK + payload
    if size < 1 << 16:
        return bytes((kind, 0xFE)) + size.to_bytes(2, "big") + MASK + payload
    return bytes((kind, 0xFF)) + size.to_bytes(8, "big") + MASK + payload


class Reader:
    """What a server sends after the upgrade, frame by frame.

    Attributes:
        pings: payloads of pings that nobody has answered yet.
        closed: whether the server has said goodbye.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.pings: list[bytes] = []
        self.closed = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """Messages that are whole by now. A fragment counts as a message: no contender sends any."""
        data, at = self._rest + data, 0
        while (span := _span(data, at)) is not None:
            kind, (start, at) = data[at], span
            if kind == TEXT:
                yield data[start:at].decode()
            elif kind == BINARY:
                yield data[start:at]
            elif kind == PING:
                self.pings.append(data[start:at])
            elif kind == CLOSE:
                self.closed = True
        self._rest = data[at:]


def _span(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the server's frame at `at` begins and ends; None if it is not all there yet."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < start + wide:
            return None
        size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
    return (start, start + size) if len(data) >= start + size else None
