"""The conclusions of chapter 00 are false where they should be."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import socketio
from socketio import AsyncSimpleClient
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from midspan import Bench, dissect, layers
from midspan.conclusions.two_layers import a_wrong_pairing_fails, events_are_payload, nothing_but_messages, reconnects
from midspan.experiments import raw_client, run_chat, socketio_client
from midspan.protocols.exchange import Exchange
from tests.controls import Evidence, control, false_in_its_control
from tests.loops import in_a_loop

EVENT, TEXT = ("typing_start", {"room": "a"}), '["typing_start",{"room":"a"}]'


@control(reconnects)
def a_client_that_connects_once() -> Evidence:
    return run_chat("websockets", cut=2), run_chat("raw", cut=2)


async def said(transport: str) -> tuple[Exchange, Exchange]:
    """One event over this transport of Socket.IO, and the same text over a raw connection: what each tap saw."""
    async with Bench() as bench:
        async with raw_client(bench) as ana:
            await ana.send(TEXT)
            await ana.recv()
        seen, framework = await bench.raw.exchange(), bench.socketio
        async with bench.http_session() as http, AsyncSimpleClient(http_session=http, reconnection=False) as client:
            await client.connect(framework.url, transports=[transport])
            await client.call(*EVENT)
            await bench.close()  # first: the client's last poll would keep it for half a minute
    return dissect(framework.capture), seen


async def in_layers(transport: str) -> Evidence:
    """The event and the text, cut into layers."""
    return tuple(layers(seen.sent_by("client").find("typing_start")) for seen in await said(transport))


@in_a_loop
async def test_over_a_websocket_the_event_is_the_payload() -> None:
    """Beside the control: what holds in the notebook holds here."""
    assert events_are_payload(*await in_layers("websocket")).holds


@control(events_are_payload)
async def the_same_event_over_polling() -> Evidence:
    return await in_layers("polling")


@control(nothing_but_messages)
async def a_connection_of_socketio() -> Evidence:
    seen, _ = await said("websocket")
    return seen, [TEXT.encode()]


@control(a_wrong_pairing_fails)
async def each_client_at_a_server_of_its_kind() -> Evidence:
    """A raw client at the raw server, a Socket.IO client at the Socket.IO server: the same calls as in the chapter."""
    async with Bench() as bench:
        visits = {
            "a raw client": await outcome(connect(bench.raw.url, ssl=bench.trust)),
            "a Socket.IO client": await outcome(socketio_client(bench)),
        }
    return (visits,)


async def outcome(client: AbstractAsyncContextManager[object]) -> BaseException | None:
    """The error of a client that connects and leaves; None if there was none."""
    try:
        async with client:
            return None
    except (WebSocketException, socketio.exceptions.ConnectionError) as error:
        return error


test_false_in_its_control = false_in_its_control(__name__)
