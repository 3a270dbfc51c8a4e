"""What a speaker says on one node a listener hears on another; what customers leave in doubt is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, broadcast

from midspan.errors import Refusal
from midspan.experiments import cluster_clients as module
from midspan.experiments.cluster_clients import OrderReport, across, busiest, order_clients
from midspan.net.servers import Authority, RawHandler, raw_server, socketio_server
from tests.loops import in_a_loop

AUTHORITY = Authority()


def room(keeps: Any = lambda _words: True, closes_at: str = "") -> RawHandler:
    """Everybody hears what `keeps` lets through; at some words the speaker is thrown out."""
    here: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        here.add(connection)
        async for words in connection:
            if closes_at and closes_at in str(words):
                return
            if keeps(words):
                broadcast(here, words)

    return handler


@in_a_loop
async def test_all_is_heard_on_a_good_day() -> None:
    async with raw_server(room(), None) as served, across(served.url, served.url) as pair:
        heard = await pair.speak(20, every_s=0)
        assert str(heard) == "0 of 20 lost, 0 refused"
        assert (heard.in_order, heard.twice, heard.silently_lost) == (True, 0, 0)
        assert 0 < await pair.latency_s(5) < 10


@in_a_loop
async def test_two_pairs_in_one_room_do_not_count_each_other() -> None:
    async with raw_server(room(), None) as served:
        async with across(served.url, served.url) as one, across(served.url, served.url) as other:
            both = await asyncio.gather(one.speak(10, every_s=0), other.speak(5, every_s=0))
        assert [(heard.sent, heard.lost, heard.twice) for heard in both] == [(10, (), 0), (5, (), 0)]


@in_a_loop
async def test_socketio_is_spoken_too() -> None:
    def register(sio: Any) -> None:
        async def say(_sid: str, number: int) -> None:
            await sio.emit("said", number)

        sio.on("say", say)

    async with socketio_server(register, None) as served:
        url = served.url.replace("http", "ws")
        async with across(url, url, socketio=True) as pair:
            assert (await pair.speak(5, every_s=0)).lost == ()


@in_a_loop
async def test_what_is_swallowed_is_lost_in_silence() -> None:
    async with raw_server(room(keeps=lambda words: not words.endswith("7]")), None) as served:
        async with across(served.url, served.url) as pair:
            heard = await pair.speak(20, every_s=0)
        assert len(heard.lost) == heard.silently_lost > 0


@in_a_loop
async def test_who_is_thrown_out_is_told() -> None:
    async with raw_server(room(closes_at="9]"), None) as served, across(served.url, served.url) as pair:
        heard = await pair.speak(40, every_s=0.001)
        assert heard.refused > 0
        assert heard.silently_lost == len(heard.lost) - heard.refused >= 1, "the one that threw it out"


@in_a_loop
async def test_a_deaf_listener_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_S", 0.2)
    async with raw_server(room(keeps=lambda _words: False), None) as served:
        with pytest.raises(Refusal, match="that the listener hears the speaker"):
            async with across(served.url, served.url):
                pass


@in_a_loop
async def test_every_order_is_answered_where_nothing_fails() -> None:
    answered = asyncio.Event()

    async def shop(connection: ServerConnection) -> None:
        async for order in connection:
            await connection.send(order)
            answered.set()

    async with raw_server(shop, AUTHORITY.server) as served:
        async with order_clients(served.url, AUTHORITY.client, count=3) as people:
            await answered.wait()
        assert people.report.answered >= 1
        assert (people.report.in_doubt, people.report.came_back_s) == (0, ())


@in_a_loop
async def test_a_cut_leaves_doubt_and_a_word_does_not() -> None:
    """Each customer is cut off once amid an order, or asked once to go; then the shop is calm."""
    cut, asked = await met(cuts=True), await met(cuts=False)
    assert (cut.in_doubt, len(cut.came_back_s)) == (4, 4)
    assert (asked.in_doubt, len(asked.came_back_s)) == (0, 4)
    assert cut.peak >= 1


async def met(cuts: bool) -> OrderReport:
    """Four customers; the first four orders are cut off, or answered with a word to go."""
    left, came, calm = 4, 0, asyncio.Event()

    async def troubled(connection: ServerConnection) -> None:
        nonlocal left, came
        came += 1
        async for order in connection:
            if left:
                left -= 1
                if cuts:
                    connection.transport.abort()
                    return
                await connection.send("please go")
            elif came == 8:
                calm.set()
            await connection.send(order)

    async with raw_server(troubled, AUTHORITY.server) as served:
        async with order_clients(served.url, AUTHORITY.client, count=4) as people:
            await calm.wait()
        return people.report


def test_the_busiest_moment() -> None:
    assert busiest([], 0.1) == 0
    assert busiest([0.0, 0.05, 0.09, 0.11, 0.3], 0.1) == 3
    assert str(OrderReport(5, 1, (0.0, 0.05))) == "5 orders answered, 1 in doubt; 2 came back, at most 2 within 0.25 s"
