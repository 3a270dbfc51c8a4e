"""What lab 1 gives: its notebook imports these names, and shows the source of each one where it is used.

First the records and errors that all steps share. Then `simple_server`, with which a connection without a socket meets
its first real client. The last part belongs to the sockets of part two.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, NamedTuple

from websockets.http11 import Request
from websockets.server import ServerProtocol

from midspan.net.servers import HOST

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10  # opcodes, RFC 6455, section 5.2
MAX_SIZE = 16 * 2**20  # bytes of the longest message that we accept


class Header(NamedTuple):
    """The header of a frame (section 5.2)."""

    opcode: int
    fin: bool  # the last frame of its message
    length: int  # bytes of the payload
    key: bytes  # the four bytes of the mask; b"" when the frame is not masked
    size: int  # bytes of the header itself: the payload begins behind them


class Frame(NamedTuple):
    """What a parser hands on: a whole frame, or as much of a data frame as has arrived."""

    opcode: int
    payload: bytes  # unmasked
    fin: bool = True  # the message ends with this payload
    rest: int = 0  # bytes of this frame that have not arrived yet


class Violation(Exception):
    """The peer broke a rule: the connection fails with this close code (section 7.4.1)."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why


class Closed(Exception):
    """The connection is closed, or closing: `code` is 1005 without a code, 1006 without a close (section 7.1.5)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


# The end of the core: a connection without a socket meets a real client.


@asynccontextmanager
async def simple_server(
    make: Callable[[str], Any], answer: Callable[[Any, str | bytes], None], tls: ssl.SSLContext
) -> AsyncIterator[int]:
    """Serve on a free port of this machine; gives the port, and stops listening when the block ends.

    Args:
        make: called as `make("server")` for each client; returns a connection without a socket.
        answer: called as `answer(connection, message)` for each message.
        tls: the server's context.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await library_handshake(reader, writer)
            await carry_bytes(make("server"), answer, reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async with await asyncio.start_server(converse, HOST, 0, ssl=tls) as listening:
        yield listening.sockets[0].getsockname()[1]


async def library_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the opening handshake with the code of `websockets`; it reads no byte behind the request's head."""
    library = ServerProtocol()
    library.receive_data(await reader.readuntil(b"\r\n\r\n"))
    (request,) = library.events_received()
    assert isinstance(request, Request)
    library.send_response(library.accept(request))
    writer.writelines(library.data_to_send())


async def carry_bytes(
    connection: Any,
    answer: Callable[[Any, str | bytes], None],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes between a connection and a stream until the connection is done, or the stream ends."""
    while not connection.done and (data := await reader.read(65536)):
        for message in connection.receive(data):
            answer(connection, message)
        while part := connection.take():
            writer.write(part)
            await asyncio.sleep(0)  # other code of this event loop runs between two parts
    connection.eof()


# Part two: the opening handshake, and how a server and its connections end.


class Refused(Exception):
    """The opening handshake fails, with this HTTP status (section 4)."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] = {}) -> None:
        super().__init__(status, why)
        self.status, self.why, self.headers = status, why, dict(headers)

    def to_bytes(self) -> bytes:
        """The HTTP response that says so."""
        body = self.why.encode()
        headers = {"Connection": "close", **self.headers, "Content-Type": "text/plain; charset=utf-8"}
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in {**headers, "Content-Length": len(body)}.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


async def hang_up(role: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float) -> None:
    """End TCP (section 7.1.1). The server ends its half first, and the client waits for that, at most `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            if role == "server" and writer.can_write_eof():  # TLS cannot end one half
                writer.write_eof()
            if role == "client" or writer.can_write_eof():  # to close with bytes unread would reset the connection
                while await reader.read(65536):
                    pass
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


class ListeningServer:
    """What `serve` returns: used as an `asyncio.Server` is, and it also ends its connections."""

    def __init__(self, listening: asyncio.Server, tasks: set[asyncio.Task[None]]) -> None:
        """`tasks`: one for each connection; a task leaves the set when it ends."""
        self.listening, self.tasks, self.sockets = listening, tasks, listening.sockets
        self.port: int = self.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening, and cancel the task of each connection."""
        self.listening.close()
        for task in self.tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until all connections have ended."""
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.listening.wait_closed()

    async def __aenter__(self) -> ListeningServer:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()
        await self.wait_closed()
