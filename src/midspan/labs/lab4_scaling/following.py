"""Steps 4c and 5: a node follows a log; a message is acknowledged when the broker has it."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.exceptions

from midspan.grading import Transcript
from midspan.grading.transcript import Wrong
from midspan.labs.lab3_failure.searching import in_virtual_time
from midspan.labs.lab4_scaling.doubles import CheckBroker, Follower, broker_for_check
from midspan.labs.lab4_scaling.searching import lab, search_holds
from midspan.simulation import Implementation
from midspan.simulation.nodes import shared_broker
from midspan.simulation.run import run_in_thread

# Step 4c: a log is followed from a place on, whatever becomes of the link and of the broker.


BROKER_AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)


@lab.step(
    "Follow the log",
    minutes=27,
    lines=11,
    points=3,
    hints=(
        "It works like lab 3's feed: read on from an offset. What can end meanwhile, and which "
        "of these ends is not the end of the log?",
        "`async with linked(log.context.broker, alone=True) as link` is one link. `await link.xread({stream: "
        'f"{offset}-0"}, PAGE, block=0)` gives [(stream, entries)]; offsets(entries) turns them into pairs.',
        "while True: with contextlib.suppress(*BROKER_AWAY): async with linked(...) as link: return if await link.hget("
        'facts, "epoch") != epoch; then XREAD for ever, `for offset, body in offsets(entries)`, yield both. Behind '
        "the suppress: await asyncio.sleep(AGAIN_S).",
    ),
    words={
        "lost-while-away": (
            "Pub/sub reaches only subscribers of that moment. A message that is sent while a link is "
            "down is in the log: read on from your offset."
        ),
        "stops-with-the-link": "A link to the broker can break and come back: connect again, and go on following.",
        "epoch-forgotten": (
            "A broker can restart without its data. On each new link compare the epoch: otherwise "
            "follow waits for an offset that never comes."
        ),
        "follows-from-now": (
            "`$` is the end of the stream at this moment. Read from your offset: then entries that "
            "were added meanwhile come too."
        ),
        "starts-over": "On a new link continue after the last entry that you gave, not at the first entry.",
    },
    limit_s=30.0,
    processes=True,
)
async def follow(t: Transcript, follow: Any, Log: Any, ours: Implementation) -> None:  # noqa: N803, ARG001 - the log finds it
    with shared_broker():  # one broker for all parts of this check
        async with broker_for_check() as broker:
            await _misses_nothing(t, broker, *_two(broker, Log))
        async with broker_for_check() as broker:
            first, second = _two(broker, Log)
            epoch = await _has_four(first)
            await _follows(t, second, epoch)
            await _notices_another_log(t, broker, first, second, epoch)
        run_in_thread(search_holds, t, ours, "follow")


def _two(broker: CheckBroker, make: Any) -> list[Any]:
    """Return the log as n1 and n2 have it."""
    return [make(broker.link(name), broker.context(name)) for name in ("n1", "n2")]


async def _opened(log: Any, who: str = "a", base: int = 1) -> Any:
    return await log.open("red", who, base)


async def _misses_nothing(t: Transcript, broker: CheckBroker, first: Any, second: Any) -> None:
    t.say("red is followed on n2; a says one on n1; then n2's link to the broker breaks, and a says two and three")
    place = await _opened(first)
    await _opened(second, "b")
    follower = Follower(second, "red", place.epoch, 0)
    await first.take("red", place.epoch, "a", 1, "one")
    await follower.bodies(1)
    await broker.cut("n2")
    for number, body in ((2, "two"), (3, "three")):
        await first.take("red", place.epoch, "a", number, body)
    try:
        heard = await follower.bodies(3)
    except BROKER_AWAY as error:
        t.fail("heard on n2", got=error, expected='["one", "two", "three"]', id="stops-with-the-link")
    id = "follows-from-now" if "one" not in heard else "starts-over" if heard[1:2] == ["one"] else "lost-while-away"
    if follower.task.done():
        id = "stops-with-the-link"
    await follower.stop()
    t.equal("heard on n2", heard, ["one", "two", "three"], id=id)


async def _has_four(log: Any) -> str:
    epoch = str((await _opened(log)).epoch)
    for who, number, body in (("a", 1, "one"), ("a", 2, "two"), ("b", 1, "and b"), ("a", 3, "three")):
        await log.take("red", epoch, who, number, body)
    return epoch


async def _follows(t: Transcript, log: Any, epoch: str) -> None:
    t.say("there are four entries; red is followed on n2 from 1 on")
    follower = Follower(log, "red", epoch, 1)
    heard = await follower.bodies(3)
    await log.take("red", epoch, "a", 4, "four")
    later = await follower.bodies(4)
    await follower.stop()
    t.equal("heard", heard, ["two", "and b", "three"], id="follows-from-now" if not heard else "starts-over")
    t.equal("a says four: it arrives", later[3:], ["four"])
    t.equal("their offsets", [offset for offset, _ in follower.heard], [2, 3, 4, 5])


async def _notices_another_log(t: Transcript, broker: CheckBroker, first: Any, second: Any, epoch: str) -> None:
    t.say("red is followed on n2; the broker restarts without its data")
    follower = Follower(second, "red", epoch, 5)
    await second.take("red", epoch, "a", 5, "five")
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


# Step 5: a message is acknowledged when the broker has it. Judged in virtual time, then on three nodes.


MESSAGE = ("red", "e1", "a", 3, "three")
WRITE_S = 0.2
PATIENCE_S = 3.0
ACCEPTING_MANY = 10_000  # calls without a wait
MOST_ASKED = 100  # calls in PATIENCE_S, at ten a second or more


class UnreachableLog:
    """A log whose broker cannot be reached in the first `away` calls; each call takes `WRITE_S` seconds.

    Args:
        says: what it returns when the broker can be reached.
        error: what a call without the broker raises.
    """

    def __init__(self, away: int = 0, says: int | None = 3, error: type[Exception] = ConnectionResetError) -> None:
        self.away, self.says, self.error = away, says, error
        self.asked: list[tuple[Any, ...]] = []
        self.taken = False

    async def take(self, *message: Any) -> int | None:
        self.asked.append(message)
        if len(self.asked) > ACCEPTING_MANY:
            raise Wrong(lab.misconceptions["asks-without-pause"], "asks-without-pause")
        if len(self.asked) <= self.away:
            await asyncio.sleep(0)
            raise self.error("the broker is away")
        await asyncio.sleep(WRITE_S)
        self.taken = True
        return self.says


@lab.step(
    "Acknowledged when it is durable",
    minutes=22,
    lines=9,
    points=3,
    hints=(
        "There are three cases: an answer, which accept returns unchanged; an error after "
        "patience_s, which it raises; an error before that, after which it waits and tries "
        "again.",
        "`return await log.take(*message)` in a try. asyncio.get_running_loop().time() is the clock.",
        "until_s = now() + patience_s. In a while True: try to return what take says; except BROKER_AWAY: raise if "
        "now() >= until_s, else sleep AGAIN_S.",
    ),
    words={
        "ack-before-durable": ("Acknowledge a message only when the broker has it."),
        "gives-up-at-once": (
            "A broker may be away for a moment only. Let the client wait meanwhile: nothing is lost, "
            "since nothing was acknowledged."
        ),
        "waits-for-ever": (
            "A broker can stay away. After patience_s raise the error: the node then closes the "
            "connection, and the client may reach another node."
        ),
        "asks-without-pause": "Nodes that ask without a pause overload a broker that is starting.",
        "gap-acknowledged": "None means that the message cannot be taken: return None, not a number.",
    },
    limit_s=30.0,
    processes=True,
)
def accept(t: Transcript, accept: Any, ours: Implementation) -> None:
    in_virtual_time(_waits(t, accept))
    in_virtual_time(_asks_again(t, accept))
    in_virtual_time(_gives_up(t, accept))
    search_holds(t, ours, "accept")


async def _waits(t: Transcript, accept: Any) -> None:
    t.say(f"a's message 3; the broker has it after {WRITE_S:g} s")
    log = UnreachableLog()
    t.equal("accept says", await accept(log, *MESSAGE), 3)
    t.true("by then the broker has it", log.taken, got="not yet", expected="it is durable", id="ack-before-durable")
    t.equal("log.take was asked for", log.asked, [MESSAGE])
    t.say("a message that cannot be taken")
    t.equal("accept says", await accept(UnreachableLog(says=None), *MESSAGE), None, id="gap-acknowledged")


async def _asks_again(t: Transcript, accept: Any) -> None:
    errors = (ConnectionResetError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
    for error in errors:
        t.say(f"the first three times log.take raises {error.__name__}")
        log = UnreachableLog(away=3, error=error)
        try:
            safe = await accept(log, *MESSAGE)
        except error as raised:
            t.fail("accept says", got=raised, expected="3", id="gives-up-at-once")
        id = "ack-before-durable" if not log.taken else "gives-up-at-once"
        t.equal("accept says, once it is taken", (safe, log.taken), (3, True), id=id)
        t.equal("each time it asked for the same", set(log.asked), {MESSAGE})


async def _gives_up(t: Transcript, accept: Any) -> None:
    t.say(f"the broker stays away; patience_s={PATIENCE_S:g}")
    log = UnreachableLog(away=10**6)
    asking = asyncio.ensure_future(accept(log, *MESSAGE, patience_s=PATIENCE_S))
    before = PATIENCE_S / 2
    await asyncio.wait([asking], timeout=before)
    if asking.done() and isinstance(asking.exception(), Wrong):
        asking.result()
    if asking.done() and asking.exception() is None:
        t.fail("nothing is acknowledged", got=asking.result(), expected="no answer yet", id="ack-before-durable")
    t.true(
        f"after {before:g} s it still asks",
        not asking.done(),
        got="an error",
        expected="patience",
        id="gives-up-at-once",
    )
    await asyncio.wait([asking], timeout=PATIENCE_S)
    over = f"after {before + PATIENCE_S:g} s it has raised the broker's error"
    t.true(over, asking.done(), got="it still asks", expected="an error", id="waits-for-ever")
    raised = asking.exception()
    t.true(
        over,
        isinstance(raised, ConnectionResetError),
        got=raised or asking.result(),
        expected="the error",
        id="ack-before-durable" if raised is None else "",
    )
    t.true(
        "times that it asked",
        len(log.asked) <= MOST_ASKED,
        got=len(log.asked),
        expected=f"at most {MOST_ASKED}",
        id="asks-without-pause",
    )
