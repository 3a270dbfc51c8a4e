"""Chapter 01: the stream without a WebSocket library, and frames written on it by hand."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from midspan.errors import Refusal
from midspan.experiments import upgraded_stream
from midspan.experiments.bench import echo
from midspan.net.servers import Authority, raw_server
from midspan.protocols.websocket import read_frames


def test_a_frame_written_by_hand_is_answered() -> None:
    """The server has upgraded the stream, and echoes what a client without a library sends."""

    async def heard() -> str:
        authority = Authority()
        async with (
            asyncio.timeout(5),
            raw_server(echo, authority.server) as served,
            upgraded_stream(served.url, authority.client) as (reader, writer),
        ):
            writer.write(Frame(Opcode.TEXT, b"Hello").serialize(mask=True))
            [frame], rest = read_frames(await reader.readexactly(7))
            assert rest == b""
            return frame.payload.decode()

    assert asyncio.run(heard()) == "Hello"


@pytest.mark.parametrize(
    ("url", "trust"), [("https://127.0.0.1", ssl.create_default_context()), (None, None), ("wss://127.0.0.1", "trust")]
)
def test_bad_input_is_refused_in_a_sentence(url: Any, trust: Any) -> None:
    """What was expected, what came, what to do; before anything is opened."""

    async def opened() -> None:
        async with upgraded_stream(url, trust):
            raise AssertionError("it was opened")

    with pytest.raises(Refusal, match=r"Expected .+, but got .+"):
        asyncio.run(opened())
