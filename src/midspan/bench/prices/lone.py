"""A lone client for round trips: a blocking socket, no event loop, so that next to nothing of its own is in them."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from midspan.bench.prices.dialects import Dialect, written
from midspan.wires.thin import Message, Reader, upgrade

WITHIN_S = 20.0
READ_BYTES = 65536
WARM_UP = 4  # the first of so many parts of the round trips does not count


def round_trips_s(url: str, dialect: Dialect, trust_pem: str, turns: int, together: int) -> list[float]:
    """How long each turn took, from saying `together` events until all are acknowledged; sorted.

    Raises:
        OSError: the server does not answer, or ends the connection.
    """
    took_s = []
    with _connected(url, dialect, trust_pem) as client:
        for _ in range(turns + turns // WARM_UP):
            until, began_s = dialect.acked + together, time.perf_counter()
            for message in dialect.events(together):
                client.send(message)
            while dialect.acked < until:
                client.hear()
            took_s.append(time.perf_counter() - began_s)
    return sorted(took_s[-turns:])


class Client:
    """One connection, and the thread that waits for it."""

    def __init__(self, sock: socket.socket, dialect: Dialect) -> None:
        self._sock, self._dialect, self._reader = sock, dialect, Reader()

    def send(self, message: Message) -> None:
        """One message, in a write of its own."""
        self._sock.sendall(written(self._dialect, message))

    def hear(self) -> None:
        """Wait for what comes, and let the dialect hear it."""
        self.heard(self._read())

    def heard(self, data: bytes) -> None:
        """Let the dialect hear what came, and answer what it says."""
        for message in self._reader.feed(data) if self._dialect.websocket else (data,):
            for answer in self._dialect.hear(message):
                self.send(answer)

    def open(self, host: str, path: str) -> None:
        """Upgrade and greet."""
        if self._dialect.websocket:
            self._sock.sendall(upgrade(host, path))
            head = b""
            while b"\r\n\r\n" not in head:
                head += self._read()
            for message in self._dialect.first():
                self.send(message)
            self.heard(head.partition(b"\r\n\r\n")[2])
        while not self._dialect.ready:
            self.hear()

    def _read(self) -> bytes:
        data = self._sock.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the server ended the connection")
        return data


@contextmanager
def _connected(url: str, dialect: Any, trust_pem: str) -> Iterator[Client]:
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 0)
    with socket.create_connection((host, port), WITHIN_S) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with _wrapped(plain, host, trust_pem) as sock:
            client = Client(sock, dialect)
            client.open(f"{host}:{port}", path_of(url, dialect))
            yield client


def _wrapped(plain: socket.socket, host: str, trust_pem: str) -> socket.socket:
    if not trust_pem:
        return plain
    return ssl.create_default_context(cadata=trust_pem).wrap_socket(plain, server_hostname=host)


def path_of(url: str, dialect: Dialect) -> str:
    """What the upgrade asks for: the path of the address, or the dialect's where it has none."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return parts.path + query if parts.path.strip("/") else dialect.path
