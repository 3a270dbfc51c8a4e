"""Chapter 01: the stream without a WebSocket library, frames written on it by hand, and what a server makes of them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from midspan.errors import Refusal
from midspan.experiments import bomb, close_with, large_both_ways, order_of_senders, send_to_server, upgraded_stream
from midspan.experiments.bench import echo
from midspan.net.servers import Authority, raw_server
from midspan.protocols.websocket import read_frames
from tests.loops import in_a_loop

MIB = 2**20


async def first_answer(data: bytes) -> str:
    """What the server says first to these bytes."""
    authority = Authority()
    async with (
        asyncio.timeout(5),
        raw_server(echo, authority.server) as served,
        upgraded_stream(served.url, authority.client) as (reader, writer),
    ):
        writer.write(data)
        [frame], rest = read_frames(await reader.read(2**16))
        assert rest == b""
        return str(frame)


@in_a_loop
async def test_a_frame_written_by_hand_is_answered() -> None:
    """The server has upgraded the stream, and echoes what a client without a library sends."""
    assert await first_answer(Frame(Opcode.TEXT, b"Hello").serialize(mask=True)) == 'TEXT fin 5 bytes "Hello"'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x80mask", "unexpected continuation frame"),
        (b"\x89\xfe\x00\x7emask" + bytes(126), "control frame too long"),
    ],
)
@in_a_loop
async def test_what_the_learner_tries_is_refused_with_1002(data: bytes, reason: str) -> None:
    """The key to the chapter's second try: a continuation of nothing, and a ping that is too long."""
    assert await first_answer(data) == f'CLOSE 1002 "{reason}"'


@in_a_loop
async def test_a_limit_counts_inflated_bytes() -> None:
    """A message of exactly the limit is accepted; with one byte more it is refused, after as much memory."""
    accepted, refused = await send_to_server(bomb(MIB)), await send_to_server(bomb(MIB + 1))
    assert accepted.answer.startswith("BINARY")
    assert refused.answer.startswith("CLOSE 1009")
    assert (await send_to_server(bomb(MIB + 1, fragments=4))).answer.startswith("CLOSE 1009"), "of the whole message"
    assert refused.peak_mib >= 1 > (await send_to_server(b"\x82\xff" + (2**40).to_bytes(8, "big"))).peak_mib


def test_a_bomb_inflates_to_what_it_says() -> None:
    """Zeros shrink about a thousand times."""
    assert len(bomb(16 * MIB)) * 900 < 16 * MIB


@in_a_loop
async def test_an_empty_close_is_read_as_1005() -> None:
    """1005 is reported, and refused as a code."""
    empty, as_code = await close_with(None), await close_with(1005)
    assert (empty.answer, empty.application_reads) == ("CLOSE", 1005)
    assert as_code.answer.startswith("CLOSE 1002")


@in_a_loop
async def test_the_order_has_a_letter_for_each_part() -> None:
    """All of the client's message, then all of the server's."""
    in_turns = await large_both_ways(in_turns=True)
    assert order_of_senders(in_turns, 1.0) == "ccccssss"


def opened(url: Any, trust: Any, extensions: Any = "") -> Callable[[], Awaitable[object]]:
    async def enter() -> None:
        async with upgraded_stream(url, trust, extensions):
            raise AssertionError("it was opened")

    return enter


async def ordered() -> str:
    return str(order_of_senders("a capture"))


TRUST = ssl.create_default_context()


@pytest.mark.parametrize(
    "call",
    [
        opened("https://127.0.0.1", TRUST),
        opened(None, None),
        opened("wss://127.0.0.1", "trust"),
        opened("wss://127.0.0.1", TRUST, "permessage-deflate\r\nX: y"),
        lambda: send_to_server("text"),
        lambda: send_to_server(b"", limit=1),
        lambda: large_both_ways("yes"),
        lambda: close_with(2**16),
        lambda: close_with("1000"),
        ordered,
    ],
)
@in_a_loop
async def test_bad_input_is_refused_in_a_sentence(call: Callable[[], Awaitable[object]]) -> None:
    """What was expected, what came, what to do; before anything is opened."""
    with pytest.raises(Refusal, match=r"Expected .+, but got .+"):
        await call()


@pytest.mark.parametrize("size", [0, 2**30 + 1, "large"])
def test_a_bomb_has_a_size(size: Any) -> None:
    """And no fragment without a byte."""
    for arguments in ((size,), (1, 2), (MIB, size)):
        with pytest.raises(Refusal, match=r"Expected .+, but got .+"):
            bomb(*arguments)
