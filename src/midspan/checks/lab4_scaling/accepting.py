"""Step 5: a message is acknowledged when the broker has it. Judged in virtual time, then on three nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.exceptions

from midspan.checks import Transcript
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import MISCONCEPTIONS, lab
from midspan.checks.lab4_scaling.searching import holds
from midspan.checks.transcript import Wrong
from midspan.sim import Cast

MESSAGE = ("red", "e1", "a", 3, "three")
WRITE_S = 0.2
PATIENCE_S = 3.0
MANY = 10_000  # in no time
MOST_ASKED = 100  # in PATIENCE_S, at ten a second and more


class Broken:
    """A log whose broker is away for the first `away` calls, and takes `WRITE_S` for each.

    Args:
        says: what it returns when the broker is there.
        error: what a call without the broker raises.
    """

    def __init__(self, away: int = 0, says: int | None = 3, error: type[Exception] = ConnectionResetError) -> None:
        self.away, self.says, self.error = away, says, error
        self.asked: list[tuple[Any, ...]] = []
        self.taken = False

    async def take(self, *message: Any) -> int | None:
        self.asked.append(message)
        if len(self.asked) > MANY:
            raise Wrong(MISCONCEPTIONS["asks-without-pause"], "asks-without-pause")
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
    hints=HINTS["accept"],
    limit_s=30.0,
    processes=True,
)
def accept(t: Transcript, accept: Any, ours: Cast) -> None:
    in_virtual_time(_waits(t, accept))
    in_virtual_time(_asks_again(t, accept))
    in_virtual_time(_lets_go(t, accept))
    holds(t, ours, "accept")


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


async def _lets_go(t: Transcript, accept: Any) -> None:
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
