"""The clients of chapter 02: each speaks to its server through the tap, and a handshake that is refused is a status."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from midspan.errors import Refusal
from midspan.experiments.bench import Bench
from midspan.experiments.bench_clients import packet_client, raw_client, socketio_client, try_handshake
from midspan.net.servers import raw_server
from tests.loops import in_a_loop


@in_a_loop
async def test_the_three_clients_speak_through_the_tap() -> None:
    """An echo on raw WSS, an event and its packet through Socket.IO, and the same packet written by hand."""
    async with Bench() as bench:
        async with raw_client(bench) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
        async with socketio_client(bench, transports=["websocket"]) as ana:
            await ana.emit("fly", 1)
            assert await ana.receive() == ["fly", 1]
        spoken = [frame.what for frame in (await bench.socketio.exchange()).frames()]
        assert any('2 EVENT ["fly",1]' in what for what in spoken)
        async with packet_client(bench) as ws:
            assert str(await ws.recv()).startswith("0{")
            await ws.send("40")
            assert str(await ws.recv()).startswith("40{")
            await ws.send('42["fly",1]')
            assert await ws.recv() == '42["fly",1]'
        assert "hello" in str((await bench.raw.exchange()).frames())


@in_a_loop
async def test_a_handshake_ends_in_a_subprotocol_a_first_message_or_a_status() -> None:
    async def greet(connection: ServerConnection) -> None:
        await connection.send("welcome here")

    async with Bench(raw=greet) as bench, raw_server(greet, bench.authority.server, subprotocols=["v1"]) as own:
        agreed: Any = ["v1"]
        assert await try_handshake(own.url, bench.trust, subprotocols=agreed) == "v1"
        assert await try_handshake(own.url, bench.trust) == 400
        assert await try_handshake(bench.raw.url, bench.trust) == "welcome"
        assert await try_handshake(bench.socketio.url, bench.trust) == '0{"sid"'
        assert await try_handshake(bench.socketio.url, bench.trust, origin="https://evil.example") == 400


@pytest.mark.parametrize("client", [raw_client, socketio_client, packet_client])
@in_a_loop
async def test_no_bench_and_a_closed_one_are_refused_in_a_sentence(client: Any) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal, match=r"Expected .*Bench.* for `bench`.*, but got None"):
        client(None)
    async with Bench() as bench:
        pass
    with pytest.raises(Refusal, match="Expected an open bench, but got one that is closed"):
        async with client(bench):
            pass


@in_a_loop
async def test_an_address_that_is_none_is_refused() -> None:
    async with Bench() as bench:
        nothing: Any = None
        with pytest.raises(Refusal, match="for `url` of try_handshake"):
            await try_handshake(nothing, bench.trust)
