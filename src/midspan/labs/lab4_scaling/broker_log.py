"""Steps 4 and 5: a log in the broker, and a message that is acknowledged when the broker has it."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.exceptions

from midspan.grading import Transcript
from midspan.grading.transcript import Wrong
from midspan.labs.lab3_failure.searching import in_virtual_time
from midspan.labs.lab4_scaling.doubles import Brokered, Follower, brokered
from midspan.labs.lab4_scaling.searching import lab, search_holds
from midspan.simulation import Implementation
from midspan.simulation.nodes import NodeContext, bus
from midspan.simulation.run import run_in_thread

AT_ONCE = 8
KEEP, MANY = 100, 600  # entries that are kept, and entries that are written
SLACK = 200  # trimming by whole blocks is right too; a block of Valkey has 100 entries


@lab.step(
    "A log that nodes share",
    minutes=60,
    lines=22,
    points=5,
    hints=(
        "The script is lab 3's Inbox and Desk in one: is it new, is it here again, is one missing? follow is lab 3's "
        "feed: from where we stand.",
        "In Lua: tonumber(redis.call('HGET', ...) or 0), `if ... then return -1 end`, and .. joins texts. "
        '`await link.xread({stream: f"{offset}-0"}, PAGE, block=0)` gives [(stream, entries)]; offsets(entries) '
        "turns them into pairs.",
        "take_script: read safe and the epoch; return -1 if the epoch differs or number > safe + 1; return safe if "
        "number <= safe; else HINCRBY end, XADD, HSET safe, return number. follow: while True, inside suppress, async "
        "with linked(...) as link: return if the epoch differs, then XREAD for ever, yield each pair and move offset.",
    ),
    words={
        "lost-while-away": (
            "Pub/sub reaches who listens at that moment. What is said while a link is down is in the log: "
            "read on from where you stand."
        ),
        "dedupe-in-the-node": (
            "The copy comes to another node than the first: what was taken is known to all nodes, or to "
            "none. Its number stands in the broker."
        ),
        "not-atomic": (
            "Between asking the broker and telling it, another node asks too. Question, decision and append are "
            "one script."
        ),
        "gap-taken": "A message that is not the sender's next is not taken: the ones before it come first.",
        "ids-with-holes": "Entry 1, 2, 3, ... have the ids 1-0, 2-0, 3-0: then a cursor sees that none is missing.",
        "epoch-ignored": (
            "An offset is a place in one log. When the log is another one, and the epoch says so, it means nothing."
        ),
        "epoch-forgotten": (
            "A broker can come back empty. Whoever follows a log asks on each new link whether it still is "
            "that one; else it waits for an offset that does not come."
        ),
        "follows-from-now": (
            "`$` is the end of the stream at this moment. Follow from where you stand: what was added "
            "meanwhile comes too."
        ),
        "starts-over": "After a new link we go on behind the last entry that we gave, not at the first.",
        "log-unbounded": (
            "A log that is never trimmed grows for ever: the broker keeps the last `KEEP` entries of a room."
        ),
        "resumes-anywhere": "Who stands outside of what is kept, or in another log, goes on at its start.",
    },
    limit_s=30.0,
    processes=True,
)
async def streams(t: Transcript, Log: Any, resume: Any, ours: Implementation) -> None:  # noqa: N803
    with bus():  # one broker for all parts of this check
        async with brokered() as broker:
            contexts = [broker.context(name) for name in ("n1", "n2")]
            first, second = (Log(broker.link(context.name), context) for context in contexts)
            await _misses_nothing(t, broker, first, second)
        _resumes(t, Log, resume)
        async with brokered() as broker:
            contexts = [broker.context(name) for name in ("n1", "n2")]
            first, second = (Log(broker.link(context.name), context) for context in contexts)
            epoch = await _takes(t, broker, contexts[0], first, second)
            await _takes_at_once(t, broker, contexts[0], epoch, first, second)
            await _follows(t, second, epoch)
            await _notices_another_log(t, broker, first, second, epoch)
        async with brokered() as broker:
            await _is_bounded(t, broker, Log)
        run_in_thread(search_holds, t, ours, "streams")


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


async def _entries(broker: Brokered, context: NodeContext) -> list[tuple[str, str]]:
    """Return the entries of the stream of room "red"."""
    entries: Any = await broker.admin.xrange(context.stream("red"))
    return [(id, fields.get("body", "")) for id, fields in entries]


async def _takes(t: Transcript, broker: Brokered, context: NodeContext, first: Any, second: Any) -> str:
    t.say("a says one on n1; the answer is lost, and a says it again on n2")
    epoch = (await _opened(first)).epoch
    t.equal("up to this number a is safe, n1 says", await _taken(first, epoch, 1, "one"), 1)
    t.equal("n2 says", await _taken(second, epoch, 1, "one"), 1, id="dedupe-in-the-node")
    bodies = [body for _, body in await _entries(broker, context)]
    t.equal("in the stream", bodies, ["one"], id="dedupe-in-the-node")
    t.equal("a's message 3 on n2, when 2 is missing", await _taken(second, epoch, 3, "three"), None, id="gap-taken")
    t.equal("a's message 2 of another log", await _taken(second, "another", 2, "two"), None, id="epoch-ignored")
    t.equal("a's message 2 on n2", await _taken(second, epoch, 2, "two"), 2)
    t.equal("b's message 1 on n1", await first.take("red", epoch, "b", 1, "and b"), 1)
    want = [("1-0", "one"), ("2-0", "two"), ("3-0", "and b")]
    t.equal("in the stream", await _entries(broker, context), want, id="ids-with-holes")
    return str(epoch)


async def _taken(log: Any, epoch: str, number: int, body: str) -> Any:
    return await log.take("red", epoch, "a", number, body)


async def _takes_at_once(
    t: Transcript, broker: Brokered, context: NodeContext, epoch: str, first: Any, second: Any
) -> None:
    t.say(f"a's message 3 comes {AT_ONCE} times at once, on both nodes; an old link is still at work")
    asking = [_taken([first, second][turn % 2], epoch, 3, "three") for turn in range(AT_ONCE)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    bodies = [body for _, body in await _entries(broker, context)]
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
    context = broker.context("n1")
    log = make(broker.link("n1"), context)
    names = log.take.__func__.__globals__
    kept = names["KEEP"]
    try:
        names["KEEP"] = KEEP
        epoch = (await _opened(log)).epoch
        for number in range(1, MANY + 1):
            await _taken(log, epoch, number, "again")
    finally:
        names["KEEP"] = kept
    entries = await broker.admin.xlen(context.stream("red"))
    t.true("entries in the stream", entries <= KEEP + SLACK, got=entries, expected=f"about {KEEP}", id="log-unbounded")
    place = await _opened(log)
    if place.end - place.start != entries:
        raise Wrong(MISSING)


MISSING = "The entries of a room are 1-0, 2-0, 3-0, ... without a hole: `start` is the last offset less the length."


# Step 5: a message is acknowledged when the broker has it. Judged in virtual time, then on three nodes.


MESSAGE = ("red", "e1", "a", 3, "three")
WRITE_S = 0.2
PATIENCE_S = 3.0
ACCEPTING_MANY = 10_000  # calls without a wait
MOST_ASKED = 100  # calls in PATIENCE_S, at ten a second or more


class Broken:
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
    minutes=20,
    lines=9,
    points=3,
    hints=(
        "Three ends: an answer, which is passed on whatever it is; patience that is over; or a pause and another try.",
        "`return await log.take(*message)` in a try. asyncio.get_running_loop().time() is the clock.",
        "until_s = now() + patience_s. In a while True: try to return what take says; except BROKER_AWAY: raise if "
        "now() >= until_s, else sleep AGAIN_S.",
    ),
    words={
        "ack-before-durable": (
            "An acknowledgement is a promise. It is given when the broker has the message, not before."
        ),
        "gives-up-at-once": (
            "A broker that is away for a moment comes back. Its clients are held meanwhile: nothing is "
            "lost, as nothing was acknowledged."
        ),
        "waits-for-ever": (
            "A broker can stay away. After the stated time let go of the client: it may reach a node that does better."
        ),
        "asks-without-pause": "Who asks a broker without a pause keeps it from getting up again.",
        "gap-acknowledged": "None means that the message cannot be taken: it is passed on, not turned into a number.",
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
    log = Broken()
    t.equal("accept says", await accept(log, *MESSAGE), 3)
    t.true("by then the broker has it", log.taken, got="not yet", expected="it is durable", id="ack-before-durable")
    t.equal("log.take was asked for", log.asked, [MESSAGE])
    t.say("a message that cannot be taken")
    t.equal("accept says", await accept(Broken(says=None), *MESSAGE), None, id="gap-acknowledged")


async def _asks_again(t: Transcript, accept: Any) -> None:
    errors = (ConnectionResetError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
    for error in errors:
        t.say(f"the first three times log.take raises {error.__name__}")
        log = Broken(away=3, error=error)
        try:
            safe = await accept(log, *MESSAGE)
        except error as raised:
            t.fail("accept says", got=raised, expected="3", id="gives-up-at-once")
        id = "ack-before-durable" if not log.taken else "gives-up-at-once"
        t.equal("accept says, once it is taken", (safe, log.taken), (3, True), id=id)
        t.equal("each time it asked for the same", set(log.asked), {MESSAGE})


async def _gives_up(t: Transcript, accept: Any) -> None:
    t.say(f"the broker stays away; patience_s={PATIENCE_S:g}")
    log = Broken(away=10**6)
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
