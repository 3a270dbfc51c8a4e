"""The tap sees what passes, both ways, as ciphertext and as plaintext, and is on neither end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidMessage

from midspan.net.servers import HOST, Authority, raw_server
from midspan.net.taps import KEPT_BYTES, Tap, tap
from midspan.protocols.capture import Capture
from tests.loops import in_a_loop

TLS_RECORD_BYTES = 5 + 1 + 16  # header, content type, authentication tag (RFC 8446 section 5.2)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def talk(messages: list[str | bytes]) -> tuple[list[str | bytes], Capture]:
    """Send each message through a tap to an echo server; give the answers and what the tap saw."""
    authority = Authority()
    async with raw_server(echo, authority.server) as served, tap(served.port, authority) as seen:
        async with connect(f"wss://{HOST}:{seen.port}", ssl=authority.client, max_size=None) as client:
            answers = []
            for message in messages:
                await client.send(message)
                answers.append(await client.recv())
        return answers, await seen.settled()


@in_a_loop
async def test_bytes_pass_unchanged_in_both_directions() -> None:
    messages: list[str | bytes] = ["hello", b"\x00\xff", "x" * 100_000]
    answers, capture = await talk(messages)
    assert answers == messages
    assert capture.sent_by("client").startswith(b"GET / HTTP/1.1\r\n")
    assert capture.sent_by("server").startswith(b"HTTP/1.1 101 Switching Protocols\r\n")


@in_a_loop
async def test_each_record_is_kept_as_ciphertext_and_as_plaintext() -> None:
    _, capture = await talk(["hello"])
    carrying = [chunk for chunk in capture if chunk.data]
    assert {len(chunk.tls) - len(chunk.data) for chunk in carrying} == {TLS_RECORD_BYTES}
    assert all(chunk.data not in chunk.tls for chunk in carrying)


@in_a_loop
async def test_the_handshake_is_seen_before_any_plaintext() -> None:
    _, capture = await talk(["hello"])
    first = capture[1]
    assert (first.sender, first.data, first.tls[0]) == ("client", b"", 22), "a ClientHello: content type 22"


@in_a_loop
async def test_both_ends_of_a_closed_connection_are_seen() -> None:
    _, capture = await talk(["hello"])
    assert [(chunk.sender, chunk.kind) for chunk in capture if chunk.kind != "data"] == [
        ("client", "opened"),
        ("server", "ended"),
        ("client", "ended"),
    ]


@in_a_loop
async def test_a_client_without_our_authority_refuses_the_tap() -> None:
    authority = Authority()
    async with raw_server(echo, authority.server) as served, tap(served.port, authority) as seen:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"wss://{HOST}:{seen.port}", ssl=Authority().client)


@in_a_loop
async def test_a_server_with_another_authority_is_refused_by_the_tap() -> None:
    authority = Authority()
    async with raw_server(echo, Authority().server) as served, tap(served.port, authority) as seen:
        with pytest.raises((OSError, EOFError, InvalidMessage)):
            await connect(f"wss://{HOST}:{seen.port}", ssl=authority.client)


@in_a_loop
async def test_a_reset_reaches_the_other_end_as_a_reset() -> None:
    authority = Authority()
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def note_the_end(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ended.set_result(connection.close_code)

    async with raw_server(note_the_end, authority.server) as served, tap(served.port, authority) as seen:
        client = await connect(f"wss://{HOST}:{seen.port}", ssl=authority.client)
        sock = client.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()
        assert await ended == 1006
        assert [chunk.kind for chunk in await seen.settled()][-1] == "reset"


@in_a_loop
async def test_nobody_behind_the_tap_ends_the_connection() -> None:
    authority = Authority()
    async with raw_server(echo, authority.server) as served:
        port = served.port
    async with tap(port, authority) as seen:
        with pytest.raises((OSError, EOFError, InvalidMessage)):
            await connect(f"wss://{HOST}:{seen.port}", ssl=authority.client)


def test_past_its_bound_the_tap_keeps_nothing_and_says_how_much() -> None:
    seen = Tap(lambda: 0.0)
    seen.keep_chunk(1, "client", "data", bytes(KEPT_BYTES))
    seen.keep_chunk(1, "client", "data", b"one more")
    assert (len(seen.capture), seen.not_kept_bytes) == (1, 8)
    seen.clear()
    assert (len(seen.capture), seen.not_kept_bytes) == (0, 0)
