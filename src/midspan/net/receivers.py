"""Receivers: many WebSocket connections in one child process, which only count the messages that arrive.

    async with open_receivers() as receivers:
        await receivers.ask("open", url="ws://127.0.0.1:...", count=1000)
        await receivers.ask("until", messages=1000)
        await receivers.ask("heard")        # {"messages": ..., "p50_ms": ..., "p99_ms": ..., "gone": ...}

They are in another process so that they take no time of the sender's process. A receiver uses only a small part of RFC
6455: it requests the upgrade, answers pings, and counts each `"at":SECONDS` in the bytes. So every message must hold
one: `time.monotonic()` at the moment of sending, which is the same clock in all processes of a machine. A slow receiver
reads nothing, and has the smallest buffer that the system allows.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias
from urllib.parse import urlsplit

from midspan.net.child_process import Child, child, run_commands

# The part of RFC 6455 that a minimal client needs, without a socket: send masked frames, read unmasked frames.


MessageData: TypeAlias = str | bytes  # a text or a binary message

OPENING = 50  # connections that a process opens at once; a listening socket queues at least so many
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # any 16 bytes are valid; these are from RFC 6455 section 1.3
MASK = bytes(4)  # with four zeros the client has no work; the server unmasks as always
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A  # FIN and the opcode (section 5.2)


def upgrade_request(host: str, path: str) -> bytes:
    """The request that opens a WebSocket (section 4.1)."""
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()


def masked_frame(message: MessageData, kind: int = 0) -> bytes:
    """One message in one frame, as a client sends it (section 5.2)."""
    payload = message.encode() if isinstance(message, str) else message
    kind, size = kind or (TEXT if isinstance(message, str) else BINARY), len(payload)
    if size < 126:
        return bytes((kind, 0x80 | size)) + MASK + payload
    if size < 1 << 16:
        return bytes((kind, 0xFE)) + size.to_bytes(2, "big") + MASK + payload
    return bytes((kind, 0xFF)) + size.to_bytes(8, "big") + MASK + payload


class Reader:
    """Reads the frames of a server after the upgrade.

    Attributes:
        pings: payloads of pings that the caller must answer.
        closed: whether the server has sent a close frame.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.pings: list[bytes] = []
        self.closed = False

    def feed(self, data: bytes) -> Iterator[MessageData]:
        """The messages that are complete now. A fragment counts as a message: no contender sends fragments."""
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
    """Begin and end of the payload of the frame at `at`; None if the frame is not complete yet."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < start + wide:
            return None
        size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
    return (start, start + size) if len(data) >= start + size else None


# The receivers' process.


SLOW_BYTES = 4096  # the receive buffer of a slow receiver
STAMP = re.compile(rb'"at\\?": ?([0-9]+\.[0-9]+)\b.')  # with the next byte, which shows that the number is complete
STAMP_BYTES = 40
# As `websockets` sends it; the text of a message has no such bytes.
PING_IN_STREAM = re.compile(rb"\x89\x04(.{4})", re.DOTALL)
ENGINEIO_PING = b"\x81\x012"
PATH = "/socket.io/?EIO=4&transport=websocket"  # a raw WebSocket server accepts it too


def open_receivers() -> AbstractAsyncContextManager[Child]:
    """Start a process of receivers, which ends with the block. The methods of `Receivers` are its commands."""
    return child(__name__)


class Receivers:
    """The commands of the process."""

    def __init__(self) -> None:
        self._receivers: list[Receiver] = []
        self.latencies_s: list[float] = []
        self.more = asyncio.Event()

    async def open(self, url: str, count: int, slow: int = 0, says: str = "") -> int:
        """Open `count` more connections to a `ws://` address. Returns how many there are now.

        The last `slow` of them read nothing. `says`: the text that each sends first ("40" for a Socket.IO server);
        `{n}` in it is replaced with the number of the connection.
        """
        turn = asyncio.Semaphore(OPENING)

        before = len(self._receivers)

        async def one(number: int) -> Receiver:
            async with turn:
                return await self._open(url, number >= count - slow, says.replace("{n}", str(before + number)))

        self._receivers += await asyncio.gather(*map(one, range(count)))
        return len(self._receivers)

    async def until(self, messages: int, within_s: float = 20.0) -> bool:
        """Wait until so many messages have arrived. Returns False if they have not after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                while len(self.latencies_s) < messages:
                    self.more.clear()
                    await self.more.wait()
        except TimeoutError:
            return False
        return True

    async def heard(self) -> dict[str, float]:
        """Since the last call: number of messages, median and 99th percentile of their age; and lost connections."""
        ages_s, self.latencies_s = sorted(self.latencies_s), []
        part = {"p50_ms": 0.5, "p99_ms": 0.99}
        ages = {name: 1000 * ages_s[int(len(ages_s) * q)] if ages_s else 0.0 for name, q in part.items()}
        return {"messages": len(ages_s), **ages, "gone": sum(one.gone for one in self._receivers)}

    async def close(self) -> None:
        """Close every connection."""
        for receiver in self._receivers:
            receiver.transport.abort()
        self._receivers.clear()

    async def _open(self, url: str, slow: bool, says: str) -> Receiver:
        parts, sock = urlsplit(url), socket.socket()
        sock.setblocking(False)
        if slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)  # before connecting: it limits the window
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (str(parts.hostname), parts.port))
        _, receiver = await loop.create_connection(lambda: Receiver(self, slow, says), sock=sock)
        async with asyncio.timeout(20):
            await receiver.upgraded
        return receiver


class Receiver(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, people: Receivers, slow: bool, says: str) -> None:
        self._receivers, self._slow, self._says = people, slow, says
        self._rest = b""
        self.gone = False
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the upgrade (RFC 6455 section 4.1)."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        host = "{}:{}".format(*transport.get_extra_info("peername"))
        transport.write(upgrade_request(host, PATH))

    def data_received(self, data: bytes) -> None:
        """Count the times in the data. Keep the last bytes, which may be the beginning of one."""
        now_s, data = time.monotonic(), self._rest + data
        if not self.upgraded.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._begin()
        if b"\x89\x04" in data:
            for ping in PING_IN_STREAM.finditer(data):
                self.transport.write(masked_frame(ping[1], PONG))
        if ENGINEIO_PING in data:
            self.transport.write(masked_frame("3"))
        counted = 0
        for stamp in STAMP.finditer(data):
            self._receivers.latencies_s.append(now_s - float(stamp[1]))
            counted = stamp.end()
        self._rest = data[max(counted, len(data) - STAMP_BYTES) :]
        if counted:
            self._receivers.more.set()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        self.gone = True
        if not self.upgraded.done():
            self.upgraded.set_exception(error or ConnectionResetError("ended before the upgrade"))

    def _begin(self) -> None:
        if self._says:
            self.transport.write(masked_frame(self._says))
        if self._slow:
            self.transport.pause_reading()
        self.upgraded.set_result(None)


async def main() -> None:
    """Run until the parent has ended."""
    people = Receivers()
    await run_commands(people, "an address where a server takes connections", "Pass what nodes.direct_url(name) gives")
    await people.close()


if __name__ == "__main__":
    asyncio.run(main())
