"""The labs' sessions on trial: they acknowledge in as many bytes as lab 5 says, and an unfinished one is refused."""

from __future__ import annotations

import pytest

from midspan.benchmark import contenders, paired
from midspan.benchmark.clients import Echo
from midspan.benchmark.rounds import Events, Steady
from midspan.errors import Refusal
from midspan.grading.finished_labs import Lab3, Lab5, finished, lab3_contender, lab5_bare_contender, lab5_contender
from tests.loops import in_a_loop

SIO = contenders.AIOHTTP_SOCKETIO.name


@in_a_loop
async def test_lab_5_needs_a_third_of_the_bytes_in_frames() -> None:
    three = [lab5_contender(), lab3_contender(), contenders.AIOHTTP_SOCKETIO]
    run = await paired(three, Events(events=32, connections=4, at_once=4), rounds=1, tls=False, warm_up=400)
    assert run.median("lab 5", "frame_bytes") <= 0.35 * run.median(SIO, "frame_bytes")
    assert run.median("lab 5", "frame_bytes") < run.median("lab 3", "frame_bytes")


@in_a_loop
async def test_lab_5_waits_with_its_acknowledgements_where_nobody_waits_for_them() -> None:
    """Twelve events in a quarter of a second share their acknowledgement; where somebody waits, each has its own."""
    run = await paired([lab5_contender()], Steady(12, 0.02), rounds=1, tls=False, warm_up=4)
    assert run.median("lab 5", "frame_bytes") <= 20  # 23 with an ask, and a frame down, for each


@in_a_loop
async def test_lab_5_without_its_guarantees_says_the_same_bytes() -> None:
    """What chapter 05 takes as their price is then no other frame."""
    two = [lab5_contender(), lab5_bare_contender()]
    run = await paired(two, Events(events=32, connections=4, at_once=4), rounds=1, tls=False, warm_up=400)
    assert run.median("lab 5", "frame_bytes") == run.median("lab 5, no guarantees", "frame_bytes")


def test_lab_5_says_once_what_comes_out_the_same_twice() -> None:
    one, names = Lab5("solutions"), finished("lab5_overhead", "solutions")
    hears = names.Wire()
    said = [message for _ in range(4) for message in one.events(2)]
    assert [hears.read(message) for message in said] == [[("body", Echo.text)] * 2 + [("ask", 0)]] * 4
    assert len({*said}) == 2  # the first teaches its shape
    assert hears.read(one.unawaited_events(1)[0]) == [("body", Echo.text)]
    one.receive('["welcome","e",0,0]')
    for _ in range(3):
        one.receive(hears.write([("mine", 2)]))
    one.receive(hears.write([("mine", 1), ("body", "somebody's")]))
    assert (one.ready, one.acked, one.delivered) == (True, 7, 1)


def test_lab_3_is_acknowledged_up_to_a_number() -> None:
    one = Lab3("all")
    one.events(3)
    one.receive('["welcome","e",0,0]')
    for words in ('["ack",2]', '["entry",1,"x"]', '["ack",1]', '["ack",3]'):
        one.receive(words)
    assert (one.path, one.ready, one.acked) == ("/all", True, 3)


@pytest.mark.parametrize("make", [lab3_contender, lab5_contender, lab5_bare_contender])
@in_a_loop
async def test_an_unfinished_lab_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(Refusal, match="still to do"):
        await paired([make("labs")], Events(events=8), rounds=1, tls=False)
