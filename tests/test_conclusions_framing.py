"""The conclusions of chapter 01 are false where they should be."""

from __future__ import annotations

import socketio
from websockets.asyncio.client import connect

from midspan import Bench, dissect
from midspan.conclusions.framing import both_ends_send_at_once, one_connection_carries_all, only_frames_inside_tls
from midspan.experiments import large_both_ways, raw_client
from midspan.experiments.bench import echo
from midspan.net.servers import HOST, raw_server
from midspan.net.taps import tap
from midspan.protocols.capture import Capture
from tests.controls import Evidence, control, false_in_its_control
from tests.loops import in_a_loop

SAID = ("some text", b"some bytes")
CARRIED = [b"some text"] * 2 + [b"some bytes"] * 2  # each, and its echo


async def said_raw() -> Capture:
    """The chapter's talk on a raw connection: two messages and their echoes."""
    async with Bench() as bench:
        async with raw_client(bench) as ws:
            for message in SAID:
                await ws.send(message)
                await ws.recv()
        await bench.raw.exchange()
        return bench.raw.capture


async def said_over_polling() -> Capture:
    """The same messages as events over HTTP polling; the server acknowledges each with its data."""
    async with Bench() as bench, bench.http_session() as session:
        served = bench.socketio
        async with socketio.AsyncSimpleClient(http_session=session, reconnection=False) as client:
            await client.connect(served.url, transports=["polling"])
            for message in SAID:
                await client.call("said", message)
            await bench.close()  # first: the client's last poll would keep it for half a minute
    return served.capture


async def said_in_the_clear() -> Capture:
    """The chapter's talk on a connection without TLS."""
    async with raw_server(echo, None) as served, tap(served.port, None) as seen:
        async with connect(f"ws://{HOST}:{seen.port}", compression=None) as ws:
            for message in SAID:
                await ws.send(message)
                await ws.recv()
        return await seen.settled()


@in_a_loop
async def test_a_raw_connection_is_all_that_the_claim_says() -> None:
    """Beside the controls: what holds in the notebook holds here."""
    capture = await said_raw()
    assert one_connection_carries_all(dissect(capture), CARRIED).holds
    assert only_frames_inside_tls(dissect(capture), capture).holds
    assert not one_connection_carries_all(dissect(capture), CARRIED[:-1]).holds, "one message less"


@in_a_loop
async def test_neither_end_waits() -> None:
    """Both directions are used at the same time, on each run."""
    assert both_ends_send_at_once(await large_both_ways()).holds


@control(one_connection_carries_all)
async def the_same_over_polling() -> Evidence:
    return dissect(await said_over_polling()), CARRIED


@control(only_frames_inside_tls)
async def packets_in_http_bodies() -> Evidence:
    capture = await said_over_polling()
    return dissect(capture), capture


@control(only_frames_inside_tls)
async def the_same_without_tls() -> Evidence:
    capture = await said_in_the_clear()
    return dissect(capture), capture


@control(both_ends_send_at_once)
async def the_server_sends_after_it_has_received() -> Evidence:
    return (await large_both_ways(in_turns=True),)


test_false_in_its_control = false_in_its_control(__name__)
