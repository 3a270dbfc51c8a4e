"""Lab 2's server against a bare WebSocket client: both protocols, a row a sentence, and the clock."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from midspan.net.servers import HOST
from tests.lab2 import QUERY, SOON_S, bare, heard, options, reference, say, served, until_closed
from tests.lab2_rows import CONNECTS, ENGINE, MALFORMED, MESSAGES, REQUESTS, Request, Row
from tests.loops import in_a_loop

ALL = {
    "connect": (CONNECTS, ""),
    "message": (MESSAGES, "40"),
    "malformed": (MALFORMED, "40"),
    "engine": (ENGINE, ""),
    "engine after CONNECT": (ENGINE, "40"),
}
ROWS = [pytest.param(row, join, id=f"{name}: {row.says}") for name, (rows, join) in ALL.items() for row in rows]


@pytest.mark.parametrize(("row", "join"), ROWS)
@in_a_loop
async def test_a_row(row: Row, join: str) -> None:
    async with served() as address:
        async with bare(address, join) as client:
            back = await say(client, row.sent)
            if row.closed:
                assert back + await until_closed(client) == list(row.back)
            else:
                assert back + await heard(client, len(row.back) - len(back)) == list(row.back)
                await (await client.ping())  # the server lives, and has said nothing more
                await client.close()
                assert await until_closed(client) == []
        async with bare(address, "40"):
            pass  # whatever happened, the server serves the next one


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.says)
@in_a_loop
async def test_a_request(request_: Request) -> None:
    async with served() as address:
        assert await status(address, request_) == request_.status


async def status(address: str, request: Request) -> int:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if request.upgrade else ""
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" if request.upgrade else ""
    head = f"{request.method} {request.target} HTTP/1.1\r\nHost: {HOST}\r\n{upgrade}{key}\r\n"
    reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        writer.write(head.encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.transport.abort()


@in_a_loop
async def test_a_refusal_says_why_in_json() -> None:
    async with served() as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/socket.io/?EIO=3&transport=websocket")
    assert json.loads(refused.value.response.body or b"") == {"code": 5, "message": "Unsupported protocol version"}


@in_a_loop
async def test_one_websocket_a_session() -> None:
    """Should a client open a second one, the server closes it; the first goes on. Afterwards the session is unknown."""
    async with served() as address:
        async with connect(f"ws://{address}{QUERY}") as client:
            sid = json.loads(str(await client.recv())[1:])["sid"]
            second = Request("", f"{QUERY}&sid={sid}", 400)
            assert await status(address, second) == 400
            await client.send("40")
            assert len(await heard(client, 2)) == 2
            await client.send("1")
            await until_closed(client)
        assert await status(address, second) == 400


@in_a_loop
async def test_the_opening_says_what_was_configured() -> None:
    named: dict[str, Any] = {"ping_interval_s": 0.3, "ping_timeout_s": 0.2, "max_payload": 12345}
    async with served(**named) as address, connect(f"ws://{address}{QUERY}") as client:
        opening = str(await client.recv())
    assert opening[0] == "0"
    said = json.loads(opening[1:])
    sid = said.pop("sid")
    assert isinstance(sid, str)
    assert said == {"upgrades": [], "pingInterval": 300, "pingTimeout": 200, "maxPayload": 12345}
    async with served() as address, connect(f"ws://{address}{QUERY}") as client:
        assert json.loads(str(await client.recv())[1:])["pingInterval"] == 25000


@in_a_loop
async def test_session_ids_are_different_for_connections_and_namespaces() -> None:
    async with served() as address:
        sids = set()
        for _ in range(2):
            async with connect(f"ws://{address}{QUERY}") as client:
                sids.add(json.loads(str(await client.recv())[1:])["sid"])
                for join in ("40", "40/custom,"):
                    await client.send(join)
                    sids.add(json.loads(str(await client.recv()).removeprefix(join))["sid"])
                    await client.recv()
    assert len(sids) == 6


# --- the clock


@in_a_loop
async def test_pings_after_each_interval_as_long_as_pongs_come() -> None:
    """Not sooner; later only as a busy machine makes it, not by the timeout, which is far away here."""
    clock = asyncio.get_running_loop().time
    last = clock()
    async with served(ping_interval_s=0.1, ping_timeout_s=60.0) as address, bare(address) as client:
        for _ in range(3):
            async with asyncio.timeout(SOON_S):
                assert await client.recv() == "2"
            assert clock() - last >= 0.09
            last = clock()
            await client.send("3")


@pytest.mark.parametrize("said", [[], ["40", '42["message","I talk"]']], ids=["silent", "talking"])
@in_a_loop
async def test_without_a_pong_the_connection_ends(said: list[str]) -> None:
    """Neither sooner than interval and timeout say, nor later because of messages that are no pong."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with served(ping_interval_s=0.1, ping_timeout_s=0.2) as address, bare(address) as client:
        await say(client, said)
        messages = await until_closed(client)
        assert clock() - began >= 0.28
        assert messages.count("2") == 1
        assert len(messages) == (4 if said else 1)


@in_a_loop
async def test_a_client_that_reads_nothing_is_let_go_of() -> None:
    """All buffers on the way are full, so that neither the ping nor a close gets through; the clock goes on."""
    async with served(ping_interval_s=0.2, ping_timeout_s=0.2) as address:
        client = await connect(f"ws://{address}{QUERY}", compression=None, max_queue=1, close_timeout=0.1)
        await client.send("40")
        with pytest.raises(ConnectionClosedError):
            await asyncio.wait_for(_send_for_ever(client, f'42["message","{"x" * 500_000}"]'), 2 * SOON_S)
        client.transport.abort()


async def _send_for_ever(client: ClientConnection, message: str) -> None:
    while True:
        await client.send(message)


@in_a_loop
async def test_who_joins_nothing_in_time_is_let_go_of() -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    async with served(connect_timeout_s=0.2) as address, bare(address) as client:
        await client.send("40/random,")
        assert await until_closed(client) == ['44/random,{"message":"Invalid namespace"}']
        assert clock() - began >= 0.18
    async with served(connect_timeout_s=1.0) as address, bare(address, "40/custom,") as client:
        await client.send("41/custom,")
        await asyncio.wait([asyncio.ensure_future(client.wait_closed())], timeout=1.2)
        await (await client.ping())  # it has joined in time: it may stay


@in_a_loop
async def test_a_message_longer_than_the_maximum_ends_the_connection() -> None:
    async with served(max_payload=1000) as address:
        for message, goes in ((f'42["message","{"x" * 900}"]', True), (f'42["message","{"x" * 1000}"]', False)):
            async with bare(address, "40") as client:
                await client.send(message)
                if goes:
                    assert len(await heard(client, 1)) == 1
                else:
                    assert await until_closed(client) == []
                    assert client.close_code == 1009


# --- what the protocols say of a server's own words


@in_a_loop
async def test_an_ack_goes_to_the_call_that_asked() -> None:
    """The server asks; acks come in the other order, twice, too late."""
    async with served() as address, bare(address, "40") as client:
        await client.send('421["call-me","a"]')
        await client.send('422["call-me",1,2]')
        assert await heard(client, 2) == ['421["question","a"]', '422["question",1,2]']
        for packet in ("432[2]", "431[1,2]", "431[3]"):
            await client.send(packet)
        assert await heard(client, 2) == ["432[2]", "431[1,2]"]
        await client.send('423["call-silence"]')
        assert await heard(client, 2) == ['423["silence"]', '433["timeout"]']
        await client.send("433[]")
        await client.send('42["message"]')
        assert await heard(client, 1) == ['42["message-back"]']


@in_a_loop
async def test_a_binary_ack_from_the_client() -> None:
    hole = '{"_placeholder":true,"num":0}'
    async with served() as address, bare(address, "40/custom,") as client:
        await client.send(f'451-/custom,7["call-me",{hole}]')
        await client.send(b"abc")
        assert await heard(client, 2) == [f'451-/custom,1["question",{hole}]', b"abc"]
        await client.send(f"461-/custom,1[{hole}]")
        await client.send(b"def")
        assert await heard(client, 2) == [f"461-/custom,7[{hole}]", b"def"]


@in_a_loop
async def test_a_permission_ends_while_the_client_is_connected() -> None:
    """DISCONNECT for one namespace; what was on its way is dropped; the other goes on; a new join is asked anew."""
    async with served() as address, bare(address, "40") as client:
        await client.send('40/vip,{"token":"sesame","lasts_s":0.1}')
        assert (await heard(client, 3))[2] == "41/vip,"
        await client.send('42/vip,9["message-with-ack"]')
        await client.send('42["message"]')
        assert await heard(client, 1) == ['42["message-back"]']
        await client.send('40/vip,{"token":"x"}')
        assert await heard(client, 1) == ['44/vip,{"message":"a wrong token"}']
        await client.send('40/vip,{"token":"sesame"}')
        assert (await heard(client, 2))[0] == '40/vip,{"sid":SID}'


# --- the engine below, as its own test suite tries it: an echo of messages


def test_the_engine_hands_text_and_bytes_on() -> None:
    engine = reference().Engine(options(), 0.0)
    assert engine.receive("4hello", 0.0) == "hello"
    assert engine.receive(b"\x01\x02\x03\x04", 0.0) == b"\x01\x02\x03\x04"
    with pytest.raises(reference().Violation):
        engine.receive("abc", 0.0)


def test_the_engine_counts_from_each_pong() -> None:
    engine = reference().Engine(options(ping_interval_s=0.3, ping_timeout_s=0.2), 100.0)
    now = 100.0
    for delay in (0.0, 0.1, 0.19):
        now = engine.deadline
        assert engine.due(now - 0.001) is None
        assert engine.due(now) == "2"
        assert engine.deadline == pytest.approx(now + 0.2)
        engine.receive("3", now + delay)
        assert engine.deadline == pytest.approx(now + delay + 0.3)
    engine.due(engine.deadline)
    with pytest.raises(reference().Violation, match="no pong"):
        engine.due(engine.deadline)
