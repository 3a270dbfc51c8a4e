"""Step 4: a log in the broker that several nodes write to, and follow from where they stand."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.bench.nodes import NodeSeat, bus
from midspan.checks import Transcript
from midspan.checks.lab4_scaling.doubles import Brokered, Follower, brokered
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab
from midspan.checks.lab4_scaling.searching import holds
from midspan.checks.transcript import Wrong
from midspan.sim import Cast
from midspan.sim.beside import beside

AT_ONCE = 8
KEEP, MANY = 100, 600  # entries that are kept, and said
SLACK = 200  # a trimming that goes by whole blocks is a trimming too: Valkey's blocks hold 100 entries


@lab.step(
    "A log that nodes share", minutes=60, lines=22, points=5, hints=HINTS["streams"], limit_s=30.0, processes=True
)
async def streams(t: Transcript, Log: Any, resume: Any, ours: Cast) -> None:  # noqa: N803
    with bus():  # one for all parts of this check
        async with brokered() as broker:
            seats = [broker.seat(name) for name in ("n1", "n2")]
            first, second = (Log(broker.link(seat.name), seat) for seat in seats)
            await _misses_nothing(t, broker, first, second)
        _resumes(t, Log, resume)
        async with brokered() as broker:
            seats = [broker.seat(name) for name in ("n1", "n2")]
            first, second = (Log(broker.link(seat.name), seat) for seat in seats)
            epoch = await _takes(t, broker, seats[0], first, second)
            await _takes_at_once(t, broker, seats[0], epoch, first, second)
            await _follows(t, second, epoch)
            await _notices_another_log(t, broker, first, second, epoch)
        async with brokered() as broker:
            await _is_bounded(t, broker, Log)
        beside(holds, t, ours, "streams")


async def _opened(log: Any, who: str = "a", base: int = 1) -> Any:
    return await log.open("red", who, base)


async def _misses_nothing(t: Transcript, broker: Brokered, first: Any, second: Any) -> None:
    t.say("red is followed on n2; a says one on n1; then n2's link to the broker breaks, and a says two and three")
    place = await _opened(first)
    await _opened(second, "b")
    follower = Follower(second, "red", place.epoch, 0)
    await first.take("red", place.epoch, "a", 1, "one")
    heard = await follower.bodies(1)
    await broker.cut("n2")
    for number, body in ((2, "two"), (3, "three")):
        await first.take("red", place.epoch, "a", number, body)
    heard = await follower.bodies(3)
    id = "follows-from-now" if "one" not in heard else "starts-over" if heard[1:2] == ["one"] else "lost-while-away"
    await follower.stop()
    t.equal("heard on n2", heard, ["one", "two", "three"], id=id)


def _resumes(t: Transcript, log: Any, resume: Any) -> None:
    place = log.open.__globals__["Place"]("e1", 10, 20, 0)
    t.say("red's log e1 keeps its entries 11 to 20")
    for offset in (15, 10, 20):
        t.equal(f"who stood at {offset} of e1 goes on at", resume(place, "e1", offset), offset, id="resumes-anywhere")
    t.equal("who stood at 15 of another log goes on at", resume(place, "e0", 15), 10, id="epoch-ignored")
    t.equal("who stood at 4 of e1", resume(place, "e1", 4), 10, id="resumes-anywhere")
    t.equal("who says 25 of e1, beyond the end", resume(place, "e1", 25), 10, id="resumes-anywhere")


async def _entries(broker: Brokered, seat: NodeSeat) -> list[tuple[str, str]]:
    """What stands in red's stream."""
    entries: Any = await broker.admin.xrange(seat.stream("red"))
    return [(id, fields.get("body", "")) for id, fields in entries]


async def _takes(t: Transcript, broker: Brokered, seat: NodeSeat, first: Any, second: Any) -> str:
    t.say("a says one on n1; the answer is lost, and a says it again on n2")
    epoch = (await _opened(first)).epoch
    t.equal("up to this number a is safe, n1 says", await _taken(first, epoch, 1, "one"), 1)
    t.equal("n2 says", await _taken(second, epoch, 1, "one"), 1, id="dedupe-in-the-node")
    bodies = [body for _, body in await _entries(broker, seat)]
    t.equal("in the stream", bodies, ["one"], id="dedupe-in-the-node")
    t.equal("a's message 3 on n2, when 2 is missing", await _taken(second, epoch, 3, "three"), None, id="gap-taken")
    t.equal("a's message 2 of another log", await _taken(second, "another", 2, "two"), None, id="epoch-ignored")
    t.equal("a's message 2 on n2", await _taken(second, epoch, 2, "two"), 2)
    t.equal("b's message 1 on n1", await first.take("red", epoch, "b", 1, "and b"), 1)
    want = [("1-0", "one"), ("2-0", "two"), ("3-0", "and b")]
    t.equal("in the stream", await _entries(broker, seat), want, id="ids-with-holes")
    return str(epoch)


async def _taken(log: Any, epoch: str, number: int, body: str) -> Any:
    return await log.take("red", epoch, "a", number, body)


async def _takes_at_once(t: Transcript, broker: Brokered, seat: NodeSeat, epoch: str, first: Any, second: Any) -> None:
    t.say(f"a's message 3 comes {AT_ONCE} times at once, on both nodes; an old link is still at work")
    asking = [_taken([first, second][turn % 2], epoch, 3, "three") for turn in range(AT_ONCE)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    bodies = [body for _, body in await _entries(broker, seat)]
    t.equal("how often it is in the stream", bodies.count("three"), 1, id="not-atomic")
    t.equal("each is answered", answers, [3] * AT_ONCE, id="not-atomic")


async def _follows(t: Transcript, log: Any, epoch: str) -> None:
    t.say("there are four entries; red is followed on n2 from 1 on")
    follower = Follower(log, "red", epoch, 1)
    heard = await follower.bodies(3)
    await _taken(log, epoch, 4, "four")
    later = await follower.bodies(4)
    await follower.stop()
    t.equal("heard", heard, ["two", "and b", "three"], id="follows-from-now" if not heard else "starts-over")
    t.equal("a says four: heard", later[3:], ["four"])
    t.equal("their offsets", [offset for offset, _ in follower.heard], [2, 3, 4, 5])


async def _notices_another_log(t: Transcript, broker: Brokered, first: Any, second: Any, epoch: str) -> None:
    t.say("red is followed on n2; the broker comes back, and is empty")
    follower = Follower(second, "red", epoch, 5)
    await _taken(second, epoch, 5, "five")
    await follower.bodies(1)
    await broker.forget()
    await broker.cut("n2")
    await _opened(first)
    ended = await follower.ends()
    await follower.stop()
    t.true(
        "n2 stops following",
        ended,
        got="it waits for entry 7",
        expected="the end of follow",
        id="epoch-forgotten",
    )


async def _is_bounded(t: Transcript, broker: Brokered, make: Any) -> None:
    t.say(f"KEEP is {KEEP}, and a says {MANY} messages")
    seat = broker.seat("n1")
    log = make(broker.link("n1"), seat)
    names = log.take.__func__.__globals__
    kept = names["KEEP"]
    try:
        names["KEEP"] = KEEP
        epoch = (await _opened(log)).epoch
        for number in range(1, MANY + 1):
            await _taken(log, epoch, number, "again")
    finally:
        names["KEEP"] = kept
    entries = await broker.admin.xlen(seat.stream("red"))
    t.true("entries in the stream", entries <= KEEP + SLACK, got=entries, expected=f"about {KEEP}", id="log-unbounded")
    place = await _opened(log)
    if place.end - place.start != entries:
        raise Wrong(MISSING)


MISSING = "The entries of a room are 1-0, 2-0, 3-0, ... without a hole: `start` is the last offset less the length."
