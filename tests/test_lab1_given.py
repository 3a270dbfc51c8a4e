"""What lab 1 gives: the first server puts a connection on a real socket, and `hang_up` ends TCP as it must."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from midspan.labs.lab1_framing import Refused, Violation, carry_bytes, hang_up, library_handshake, simple_server
from midspan.labs.lab1_framing.streams import stream_pair
from midspan.net.servers import HOST, Authority
from tests.lab1 import reference
from tests.lab1_handshakes import REQUESTS
from tests.loops import in_a_loop


def answer_back(connection: Any, message: str | bytes) -> None:
    connection.send(message)


@in_a_loop
async def test_a_real_client_meets_a_connection_without_a_socket() -> None:
    """Text, bytes, a message of 1 MiB, a ping and the close, over TLS."""
    authority = Authority()
    async with simple_server(reference().Connection, answer_back, authority.server) as port:
        async with connect(f"wss://{HOST}:{port}", ssl=authority.client) as client:
            for message in ("Hi", b"\0\xff", "", bytes(2**20)):
                await client.send(message)
                assert await client.recv() == message
            await (await client.ping(b"there?"))
        assert client.close_code == 1000


@in_a_loop
async def test_what_a_connection_refuses_is_told_to_the_client() -> None:
    authority = Authority()
    async with (
        simple_server(reference().Connection, answer_back, authority.server) as port,
        connect(f"wss://{HOST}:{port}", ssl=authority.client) as client,
    ):
        client.transport.write(b"\x83\x80")
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert client.close_code == 1002


@in_a_loop
async def test_a_connection_that_never_says_done_ends_with_its_stream() -> None:
    """As a half-written answer does: the loop must not go on for ever."""

    class NeverDone:
        done = ended = False

        def receive(self, _: bytes) -> list[str]:
            return []

        def take(self) -> bytes:
            return b""

        def eof(self) -> None:
            self.ended = True

    one = NeverDone()
    async with stream_pair() as (ours, (_, writer)):
        writer.write(b"\x81\x80")
        writer.write_eof()
        async with asyncio.timeout(2):
            await carry_bytes(one, answer_back, *ours)
    assert one.ended


@in_a_loop
async def test_the_handshake_leaves_the_bytes_behind_it() -> None:
    async with stream_pair() as (ours, (reader, writer)):
        writer.write(REQUESTS[0].head + b"frames")
        await library_handshake(*ours)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await ours[0].readexactly(6) == b"frames"


@pytest.mark.parametrize("role", ["server", "client"])
@in_a_loop
async def test_hang_up_waits_for_the_peer_and_no_longer_than_its_timeout(role: str) -> None:
    async with stream_pair() as (ours, (reader, writer)):
        ending = asyncio.ensure_future(hang_up(role, *ours, 60.0))
        if role == "server":
            assert await reader.read() == b""
        writer.write(b"late")
        writer.close()
        async with asyncio.timeout(2):
            await ending
    async with stream_pair() as (ours, _):
        async with asyncio.timeout(2):
            await hang_up(role, *ours, 0.01)


def test_an_error_says_what_it_carries() -> None:
    assert Refused(405, "the method is not GET", {"Allow": "GET"}).to_bytes() == (
        b"HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n\r\nthe method is not GET"
    )
    assert str(Violation(1002, "a reserved bit is set")) == "(1002, 'a reserved bit is set')"
