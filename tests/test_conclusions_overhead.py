"""The conclusions of chapter 05 are false where they should be: mostly where a server is measured against itself."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import socketio
from websockets.asyncio.server import ServerConnection, serve

from midspan.benchmark import contender, contenders, paired, servers
from midspan.benchmark.clients import Envelope, SocketIo
from midspan.benchmark.contenders import Contender
from midspan.benchmark.reporting import Growth
from midspan.benchmark.rounds import Events, Idle, ServerWork
from midspan.benchmark.servers import Tls
from midspan.benchmark.statistics import Paired
from midspan.conclusions import byte_costs, overhead
from midspan.experiments.byte_ledgers import code_lines, measure_all_bytes
from midspan.experiments.clusters import cluster
from midspan.experiments.conversations import CHANNELS, SHORT_ACK, TYPING_START, Channel
from midspan.experiments.fan_outs import fan_out, megaphone
from midspan.grading.finished_labs import lab5_bare_contender
from midspan.net.servers import HOST, Authority, serve_app
from midspan.protocols.ledgers import ByteLedger
from tests.controls import Evidence, control, false_in_its_control
from tests.loops import in_a_loop

ENVELOPE, FRAMEWORK, PACKETS = (
    contenders.WEBSOCKETS_ENVELOPE,
    contenders.WEBSOCKETS_SOCKETIO,
    contenders.WEBSOCKETS_CODEC,
)
ON_AIOHTTP = contenders.AIOHTTP_ENVELOPE
FRAMEWORKS = (contenders.WEBSOCKETS_SOCKETIO.name, contenders.AIOHTTP_SOCKETIO.name)
FEW = Events(events=100)


# --- bytes


async def ledgers(*ways: Channel) -> dict[str, ByteLedger]:
    """One `typing_start` in these ways, as in the chapter."""
    cells = await measure_all_bytes(Authority(), [TYPING_START], ways, tls=[True], deflate=[False])
    return {cell.way.name: cell.ledger for cell in cells}


@in_a_loop
async def test_of_the_bytes_all_three_hold() -> None:
    """Beside their controls: what holds in the notebook holds here."""
    found = await ledgers(*CHANNELS, SHORT_ACK)
    assert byte_costs.frames_less(found).holds
    assert byte_costs.takes_more_bytes(found).holds
    assert byte_costs.carries_types(found).holds


@control(byte_costs.frames_less)
async def the_acknowledgement_is_an_object() -> Evidence:
    return (await ledgers(*CHANNELS, replace(SHORT_ACK, ack=CHANNELS[0].ack)),)


@control(byte_costs.takes_more_bytes)
async def a_websocket_in_place_of_polling() -> Evidence:
    ways = (replace(way, transport="websocket") for way in CHANNELS)
    return (await ledgers(*ways, SHORT_ACK),)


@control(byte_costs.carries_types)
async def an_envelope_in_place_of_socketio() -> Evidence:
    return (await ledgers(*(replace(way, protocol="envelope", transport="websocket") for way in CHANNELS)),)


@control(byte_costs.saves_protocol_code)
def lab_2_is_no_longer_than_an_envelope() -> Evidence:
    def lines(*parts: object) -> int:
        return code_lines("\n".join(map(inspect.getsource, parts)))  # type: ignore[arg-type]

    envelope = lines(servers.aiohttp_envelope, servers.answered)
    framework = lines(servers.aiohttp_socketio, servers._register, servers._manager)
    return ({"with an envelope": envelope, "with python-socketio": framework, "lab 2's server": envelope},)


@control(byte_costs.delivery_costs)
async def a_broadcast_in_place_of_emit() -> Evidence:
    ways = {"broadcast": (megaphone, "broadcast"), "emit": (megaphone, "broadcast")}
    async with cluster("a", authority=Authority()) as nodes:
        return (await fan_out(nodes, ways, receivers=200, rounds=7),)


# --- time and work


def named(one: Contender, as_if: str) -> Contender:
    """The same server, measured once more under another name."""
    return replace(one, name=as_if)


def in_place_of_the_framework(run: Paired, name: str) -> Paired:
    """The run in which the server of this name stands where python-socketio stood."""
    return Paired({**run.rounds, FRAMEWORK.name: run.rounds[name]})


_kept: dict[str, Paired] = {}  # one run serves several controls


async def servers_against_themselves() -> Evidence:
    """Both servers of section 4 twice: under their own names, and under those of python-socketio on them."""
    if "run" not in _kept:
        twins = [named(one, framework) for framework, one in zip(FRAMEWORKS, (ENVELOPE, ON_AIOHTTP), strict=True)]
        _kept["run"] = await paired([ENVELOPE, *twins, ON_AIOHTTP], FEW, rounds=3, warm_up=100)
    return (_kept["run"],)


control(overhead.takes_less_cpu)(servers_against_themselves)
control(overhead.has_a_lower_floor)(servers_against_themselves)
control(overhead.answers_later)(servers_against_themselves)


@control(overhead.packets_take_less)
async def the_framework_in_place_of_its_packets() -> Evidence:
    three = [ENVELOPE, FRAMEWORK, named(FRAMEWORK, PACKETS.name)]
    return (await paired(three, FEW, rounds=1, warm_up=200),)


AGAIN = ", again"


async def inside() -> Paired:
    """Tasks, calls and blocks of five servers, two of which run twice."""
    if "inside" not in _kept:
        again = [named(one, one.name + AGAIN) for one in (ENVELOPE, PACKETS)]
        _kept["inside"] = await paired(
            [ENVELOPE, FRAMEWORK, PACKETS, *again], ServerWork(events=20), rounds=1, warm_up=50
        )
    return _kept["inside"]


@in_a_loop
async def test_of_the_work_inside_both_hold() -> None:
    run = await inside()
    assert overhead.allocates_more(run).holds
    assert overhead.makes_tasks(run).holds


@control(overhead.allocates_more)
async def blocks_of_an_envelope_against_itself() -> Evidence:
    return (in_place_of_the_framework(await inside(), ENVELOPE.name + AGAIN),)


@control(overhead.makes_tasks)
async def the_packets_in_place_of_the_framework() -> Evidence:
    return (in_place_of_the_framework(await inside(), PACKETS.name + AGAIN),)


async def attentive(tls: Tls) -> AsyncIterator[int]:
    """Our envelope's server; for each event it lists all connections that are open."""

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            json.dumps([str(one.id) for one in server.connections])
            await connection.send(servers.answered(message))  # type: ignore[arg-type]

    async with serve(handler, HOST, 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def grown(rival: str) -> Evidence:
    """Few open connections and many, as in the chapter."""
    for count in (16, 300):
        if f"{count}" not in _kept:
            three = [ENVELOPE, named(ENVELOPE, "again"), contender("attentive", attentive, Envelope)]
            probe = Events(events=160, connections=count)
            _kept[f"{count}"] = await paired(three, probe, rounds=1, tls=False, warm_up=50)
    rounds = {count: _kept[f"{count}"].rounds for count in (16, 300)}
    return (
        Growth(
            {n: Paired({ENVELOPE.name: row[ENVELOPE.name], FRAMEWORK.name: row[rival]}) for n, row in rounds.items()}
        ),
    )


@control(overhead.the_rate_decides)
async def a_server_that_lists_its_connections() -> Evidence:
    return await grown("attentive")


@control(overhead.the_rate_decides)
async def an_envelope_beside_itself() -> Evidence:
    return await grown("again")


@control(overhead.holds_less_memory)
async def large_buffers_in_place_of_small_ones() -> Evidence:
    two, idle = (ENVELOPE, FRAMEWORK), Idle(20, 120)
    large = [named(one, one.name + overhead.SMALL) for one in two]
    without_tls = await paired(two, idle, rounds=1, tls=False, warm_up=50)
    return without_tls, await paired([*two, *large], idle, rounds=1, warm_up=50)


async def hashing(tls: Tls) -> AsyncIterator[int]:
    """python-socketio on aiohttp; the handler hashes a password for each event."""
    from aiohttp import web

    async def typing_start(_sid: str, data: dict[str, str]) -> None:
        hashlib.pbkdf2_hmac("sha256", data["user"].encode(), b"salt", 100_000)

    sio = socketio.AsyncServer(async_mode="aiohttp", http_compression=False)
    sio.on("typing_start", typing_start)
    app = web.Application()
    sio.attach(app)
    async with serve_app(app, tls) as port:
        yield port


@control(overhead.serves_hundreds_a_second)
async def a_handler_that_hashes_a_password() -> Evidence:
    two = [FRAMEWORK, contender(contenders.AIOHTTP_SOCKETIO.name, hashing, SocketIo)]
    return (await paired(two, Events(events=16, connections=4, at_once=4), rounds=1, warm_up=4),)


@control(overhead.guarantees_take_less)
async def the_framework_in_place_of_lab_5() -> Evidence:
    four = [ENVELOPE, FRAMEWORK, named(FRAMEWORK, "lab 5"), lab5_bare_contender()]
    return (await paired(four, FEW, rounds=1, warm_up=200),)


test_false_in_its_control = false_in_its_control(__name__)
