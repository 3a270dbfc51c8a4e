"""The conclusions of chapter 02 are false where they should be."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from socketio.packet import ACK, EVENT, Packet
from websockets.asyncio.server import ServerConnection, broadcast

from midspan.conclusions.event_wrapping import (
    each_part_has_its_place,
    finds_handlers_by_name,
    greets_before_events,
    needs_no_websocket,
    our_code_decides,
    pings_in_text_frames,
    refuse_each_others_events,
    returns_the_handlers_value,
    shares_one_connection,
    takes_fewer_lines,
)
from midspan.errors import Refusal
from midspan.experiments.bench import Bench
from midspan.experiments.bench_clients import packet_client, raw_client, socketio_client
from midspan.experiments.byte_ledgers import code_lines
from midspan.experiments.conversations import ENVELOPE, FRAMEWORK, reaction
from midspan.experiments.event_trials import around_a_cut, say_packets
from midspan.protocols.exchange import Exchange
from tests.controls import Evidence, control, false_in_its_control
from tests.loops import in_a_loop

# The application of the chapter: handlers by name, and the same envelope.


async def typing_start(data: Any) -> Any:
    return {"told": data["room"]}


async def wait(seconds: Any) -> Any:
    await asyncio.sleep(seconds)
    return seconds


EVENTS: dict[str, Callable[[Any], Any]] = {"typing_start": typing_start, "wait": wait}
DATA: dict[str, Any] = {"typing_start": {"room": "a"}, "wait": 0}


async def reply(connection: ServerConnection, message: str | bytes) -> None:
    name, data, *id = json.loads(message)
    answer = await EVENTS[name](data)
    if id:
        await connection.send(json.dumps(["ack", answer, *id], separators=(",", ":")))


async def in_turn(connection: ServerConnection) -> None:
    async for message in connection:
        await reply(connection, message)


async def at_once(connection: ServerConnection) -> None:
    async with asyncio.TaskGroup() as tasks:
        async for message in connection:
            tasks.create_task(reply(connection, message))


def socketio_app(sio: socketio.AsyncServer) -> None:
    for name, function in EVENTS.items():

        async def handle(_sid: str, data: Any, function: Callable[[Any], Any] = function) -> Any:
            return await function(data)

        sio.on(name, handle)


# M1

SAID = '["typing_start",{"room":"a"}]', '["typing_start",{"room":"lost"}]', '["typing_start", {"room": "b"}]'


async def answers_of(loop: Any) -> list[str]:
    """A slow question, then a quick one: the answers of a raw server with this loop, in their order."""
    async with Bench(raw=loop) as bench, raw_client(bench) as ws:
        await ws.send('["wait",0.2,1]')
        await ws.send('["wait",0,2]')
        return [str(await ws.recv()), str(await ws.recv())]


async def decided(server: Any = in_turn, second: Any = at_once, repeats: bool = False) -> Evidence:
    async with Bench(raw=server, links=True) as bench:
        wire = await around_a_cut(bench, *SAID, repeats=repeats)
    return SAID, wire, [await answers_of(in_turn), await answers_of(second)]


@in_a_loop
async def test_it_holds_with_the_library_alone() -> None:
    assert our_code_decides(*await decided()).holds


@control(our_code_decides)
async def client_code_that_sends_again() -> Evidence:
    return await decided(repeats=True)


@control(our_code_decides)
async def a_server_that_passes_messages_on() -> Evidence:
    async def to_all(connection: ServerConnection) -> None:
        async for message in connection:
            broadcast(connection.server.connections, message)

    return await decided(server=to_all)


@control(our_code_decides)
async def the_same_loop_twice() -> Evidence:
    return await decided(second=in_turn)


# M2

EVENT_DATA = ["typing_start", {"room": "a"}]


def changed(encode: Callable[..., str]) -> dict[str, str]:
    """The same changes as in the chapter."""
    return {
        "as it is": encode(),
        "packet type": encode(type=ACK),
        "namespace": encode(namespace="/b"),
        "event name": encode(data=["typing_stop", {"room": "a"}]),
        "ack id": encode(id=8),
        "no ack id": encode(id=None),
    }


def packet(type: int = EVENT, data: Any = EVENT_DATA, namespace: str = "/chat", id: int | None = 7) -> str:
    return str(Packet(type, data, namespace, id).encode())


def envelope(data: Any = EVENT_DATA, id: int | None = 7, **_no_place: Any) -> str:
    """It has no type and no namespace."""
    return json.dumps([*data, *([] if id is None else [id])], separators=(",", ":"))


def test_a_packet_has_the_places() -> None:
    assert each_part_has_its_place(changed(packet)).holds


@control(each_part_has_its_place)
def the_same_changes_to_our_envelope() -> Evidence:
    return (changed(envelope),)


# L3

ITS_OWN = {"python-socketio": '42["typing_start",{"room":"a"}]', "our server": '["typing_start",{"room":"a"}]'}


async def given(python_socketio: str, ours: str) -> Evidence:
    """What each server does with an event."""
    async with Bench(raw=in_turn, socketio=socketio_app) as bench:
        return (
            {
                "python-socketio": await reaction(bench.socketio, bench.trust, FRAMEWORK, python_socketio),
                "our server": await reaction(bench.raw, bench.trust, ENVELOPE, ours),
            },
        )


@in_a_loop
async def test_each_closes_on_the_others_event() -> None:
    assert refuse_each_others_events(*await given(*reversed(ITS_OWN.values()))).holds


@control(refuse_each_others_events)
async def an_event_of_its_own_kind() -> Evidence:
    return await given(*ITS_OWN.values())


# L4

TEXT = '["typing_start",{"room":"a"}]'


@asynccontextmanager
async def a_bench(**options: Any) -> AsyncIterator[Bench]:
    async with Bench(**{"raw": in_turn, "socketio": socketio_app} | options) as bench:
        yield bench


async def asked(asks: bool = True) -> Exchange:
    """One event over a WebSocket, from a client that may ask for an acknowledgement."""
    async with a_bench() as bench:
        async with socketio_client(bench, transports=["websocket"]) as ana:
            if asks:
                await ana.call("typing_start", {"room": "a"}, timeout=5)
            else:
                await ana.emit("typing_start", {"room": "a"})
        return await bench.socketio.exchange()


async def said_on_raw() -> Exchange:
    async with a_bench() as bench:
        async with raw_client(bench) as ws:
            await ws.send(TEXT)
            await (await ws.ping())
        return await bench.raw.exchange()


@in_a_loop
async def test_what_the_framework_adds_is_seen_over_a_websocket() -> None:
    connection = await asked()
    assert greets_before_events(connection, "typing_start").holds
    assert returns_the_handlers_value(connection, {"told": "a"}).holds


@control(greets_before_events)
async def the_message_on_raw_wss() -> Evidence:
    return await said_on_raw(), "typing_start"


@control(finds_handlers_by_name)
async def one_handler_gets_each_message() -> Evidence:
    """The bench's own raw server: its handler sends back what it gets."""
    answers = {}
    async with Bench() as bench, raw_client(bench) as ws:
        for name, data in DATA.items():
            await ws.send(json.dumps([name, data]))
            answers[name] = await EVENTS[name](data), json.loads(await ws.recv())
    return (answers,)


@in_a_loop
async def test_handlers_are_found_by_their_names() -> None:
    async with a_bench() as bench, socketio_client(bench, transports=["websocket"]) as ana:
        answers = {name: (await EVENTS[name](data), await ana.call(name, data)) for name, data in DATA.items()}
    assert finds_handlers_by_name(answers).holds


@control(returns_the_handlers_value)
async def an_event_that_asks_for_nothing() -> Evidence:
    return await asked(asks=False), {"told": "a"}


def two_namespaces(sio: socketio.AsyncServer) -> None:
    socketio_app(sio)

    async def handle(_sid: str, data: Any) -> Any:
        return await typing_start(data)

    sio.on("typing_start", handle, namespace="/chat")


TRIED = {"40/nowhere,": 1, "40/chat,": 1}


@in_a_loop
async def test_one_namespace_refuses_and_another_answers() -> None:
    async with a_bench(socketio=two_namespaces) as bench:
        seen = await say_packets(bench, TRIED | {'42/chat,7["typing_start",{"room":"a"}]': 1})
    assert shares_one_connection(seen).holds


@control(shares_one_connection)
async def no_handler_serves_a_second_namespace() -> Evidence:
    async with a_bench() as bench:
        return (await say_packets(bench, TRIED | {'42/chat,7["typing_start",{"room":"a"}]': 0}),)


@in_a_loop
async def test_the_frameworks_heartbeat_is_a_packet() -> None:
    async with a_bench(socketio_options={"ping_interval": 1}) as bench:
        async with packet_client(bench) as ws:
            while await ws.recv() != "2":
                pass
            await ws.send("3")
        assert pings_in_text_frames(await bench.socketio.exchange()).holds


@control(pings_in_text_frames)
async def the_heartbeat_of_websockets() -> Evidence:
    async with a_bench(raw_options={"ping_interval": 0.05}) as bench:
        async with raw_client(bench) as ws:
            while "server -> client  PING" not in str(await bench.raw.exchange()):
                await (await ws.ping())
        return (await bench.raw.exchange(),)


@in_a_loop
async def test_polling_needs_no_websocket() -> None:
    assert needs_no_websocket(await polled()).holds


async def polled() -> Exchange:
    """One acknowledged event over HTTP alone, by hand: a client's own end on polling takes half a minute."""
    async with a_bench() as bench, bench.http_session() as http:
        url = f"{bench.socketio.url}/socket.io/?EIO=4&transport=polling"
        async with http.get(url) as opened:
            url += "&sid=" + json.loads((await opened.text())[1:])["sid"]
        for body, answer in (("40", "40"), ('421["typing_start",{"room":"a"}]', "431")):
            async with http.post(url, data=body) as posted:
                assert await posted.text() == "OK"
            async with http.get(url) as heard:
                assert (await heard.text()).startswith(answer)
        return await bench.socketio.exchange()


@control(needs_no_websocket)
async def the_same_event_over_a_websocket() -> Evidence:
    return (await asked(),)


# M4


async def note_only(connection: ServerConnection) -> None:
    async for message in connection:
        await typing_start(message)


def note_handled(sio: socketio.AsyncServer) -> None:
    async def handle(_sid: str, data: Any) -> Any:
        return await typing_start(data)

    sio.on("note", handle)


def lines(*functions: Callable[..., Any]) -> int:
    return sum(code_lines(inspect.getsource(function)) for function in functions)


@control(takes_fewer_lines)
def one_kind_of_event_and_no_answers() -> Evidence:
    return lines(note_handled), lines(note_only)


# What the two experiments refuse.


@pytest.mark.parametrize("trial", [around_a_cut, say_packets])
def test_what_is_no_bench_is_refused(trial: Any) -> None:
    nothing: Any = None
    with pytest.raises(Refusal, match="bench"):
        trial(nothing, "", "", "") if trial == around_a_cut else trial(nothing, {})


@in_a_loop
async def test_a_bench_without_links_cannot_be_cut() -> None:
    async with Bench(raw=in_turn) as bench:
        with pytest.raises(Refusal, match="links"):
            await around_a_cut(bench, *SAID)


test_false_in_its_control = false_in_its_control(__name__)
