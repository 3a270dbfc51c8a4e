"""What a client says so that a server acknowledges an event: one dialect for each kind of server. No sockets here.

The load (`load`) speaks TCP, TLS and RFC 6455 in the same few lines for every contender; what is in the messages is
told by an object of such a class, one for each connection. To point the bench at another protocol, write another:

    path        what the upgrade asks for
    ready       whether events may be said yet
    acked       how many events were acknowledged so far
    delivered   how many messages came that somebody else had said
    first()     -> what to say once the connection stands
    events(n)   -> what to say when the application says `typing_start` n times in one turn of its loop, and waits
    quietly(n)  -> the same when it does not wait: the acknowledgements may come when the protocol likes
    tell()      -> what asks the server to tell everybody (fan-out)
    hear(m)     -> what to answer; counts
"""

from __future__ import annotations

import json
from typing import ClassVar, Protocol

from midspan.wires.thin import Message, frame

EVENT, DATA = "typing_start", {"room": "general", "user": "ana"}


class Dialect(Protocol):
    """What the load asks for; see above."""

    websocket: ClassVar[bool]  # False: bytes on a bare TCP connection
    path: str  # of the upgrade request
    ready: bool
    acked: int
    delivered: int

    def first(self) -> list[Message]: ...
    def events(self, count: int) -> list[Message]: ...
    def quietly(self, count: int) -> list[Message]: ...
    def tell(self) -> Message: ...
    def hear(self, message: Message, /) -> list[Message]: ...


def written(dialect: Dialect, message: Message) -> bytes:
    """A message as it stands on the connection: in one frame, or its bare bytes where there are no frames."""
    if dialect.websocket:
        return frame(message)
    return message.encode() if isinstance(message, str) else message


class Echo:
    """The text of the event, which comes back as it is: what a WebSocket library costs with nothing on top."""

    websocket: ClassVar[bool] = True
    text: ClassVar[str] = json.dumps([EVENT, DATA], separators=(",", ":"))

    def __init__(self) -> None:
        self.path, self.ready, self.acked, self.delivered = "/", True, 0, 0

    def first(self) -> list[Message]:
        return []

    def events(self, count: int) -> list[Message]:
        return [self.text] * count

    def quietly(self, count: int) -> list[Message]:
        return self.events(count)

    def tell(self) -> Message:
        return self.text

    def hear(self, _message: Message) -> list[Message]:
        self.acked += 1
        return []


class TcpEcho(Echo):
    """The same bytes on a bare TCP connection: the limit. An echo may come in pieces, so bytes are counted."""

    websocket = False

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def events(self, count: int) -> list[Message]:
        return [self.text.encode()] * count

    def hear(self, message: Message) -> list[Message]:
        self._bytes += len(message)
        self.acked = self._bytes // len(self.text)
        return []


class Envelope(Echo):
    """An envelope of one's own in JSON, `["typing_start",{...},7]`, acknowledged by `{"ack":7}`."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def events(self, count: int) -> list[Message]:
        first, self._number = self._number, self._number + count
        return [f"{self.text[:-1]},{number}]" for number in range(first, self._number)]

    def tell(self) -> Message:
        return '["say",{"text":"hello, everybody"}]'

    def hear(self, message: Message) -> list[Message]:
        if message[:6] in ('{"ack"', b'{"ack"'):
            self.acked += 1
        else:
            self.delivered += 1
        return []


class SocketIo(Envelope):
    """Socket.IO v5 over Engine.IO v4, on WebSocket alone: `427["typing_start",{...}]`, acknowledged by `437[...]`."""

    def __init__(self) -> None:
        super().__init__()
        self.path, self.ready = "/socket.io/?EIO=4&transport=websocket", False

    def first(self) -> list[Message]:
        return ["40"]  # CONNECT to the main namespace

    def events(self, count: int) -> list[Message]:
        first, self._number = self._number, self._number + count
        return [f"42{number}{self.text}" for number in range(first, self._number)]

    def tell(self) -> Message:
        return '42["say",{"text":"hello, everybody"}]'

    def hear(self, message: Message) -> list[Message]:
        kind = message[:2]
        if kind == "43":
            self.acked += 1
        elif kind == "42":
            self.delivered += 1
        elif kind == "40":
            self.ready = True
        return ["3"] if message == "2" else []  # Engine.IO: ping and pong
