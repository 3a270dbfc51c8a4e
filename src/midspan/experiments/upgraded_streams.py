"""A TLS stream to a WebSocket server, past the upgrade, without a WebSocket library: bytes go out as written."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from midspan.errors import need
from midspan.protocols.websocket import Frame, read_frames

# The key is the example of RFC 6455 section 1.3: this client does not look at Sec-WebSocket-Accept.
REQUEST = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


@asynccontextmanager
async def upgraded_stream(
    url: str, trust: ssl.SSLContext, extensions: str = ""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a TLS stream, ask for the upgrade, and read the answer's head. At the end the stream closes, without a close
    frame.

    Args:
        url: of a WebSocket server, "wss://...", such as `bench.raw.url`.
        trust: the client's TLS context, such as `bench.trust`.
        extensions: the extensions that the client offers, "permessage-deflate"; "" for none.

    Raises:
        Refusal: no such address, no TLS context, or extensions that are not one line of text.
        ConnectionError, IncompleteReadError: the server ends the connection before its answer is complete.
    """
    need(isinstance(url, str) and url.startswith("wss://"), "an address that begins with wss://", url, "Pass its url")
    need(isinstance(trust, ssl.SSLContext), "a TLS context", trust, "Pass bench.trust")
    in_a_line = isinstance(extensions, str) and (extensions == "" or extensions.isprintable())
    need(in_a_line, "extensions in one line", extensions, 'Pass "permessage-deflate", or ""')
    more = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=trust)
    try:
        writer.write(REQUEST.format(host=where.netloc, more=more).encode())
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def first_frame(reader: asyncio.StreamReader) -> Frame:
    """Read until the first frame of the server is complete.

    Raises:
        EOFError: the server ended the connection before.
    """
    data = b""
    while not (frames := read_frames(data)[0]):
        if not (more := await reader.read(2**16)):
            raise EOFError("the server ended the connection before it sent a frame")
        data += more
    return frames[0]
