"""Steps 6 and 7: what a server takes. Each message once, in order, and nothing acknowledged before it is durable."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.hints import HINTS
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.lab3_failure.searching import holds
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.sim import Cast

MANY = 1000
WRITE_S = 0.2


@lab.step(
    "Copies are dropped, and the table stays small", minutes=20, lines=8, points=3, hints=HINTS["dedupe"], limit_s=8.0
)
def dedupe(t: Transcript, Inbox: Any, ours: Cast) -> None:  # noqa: N803
    _judges(t, Inbox)
    _remembers(t, Inbox)
    _adopts(t, Inbox)
    holds(t, ours, "dedupe")


def _taken(make: Any, *numbers: int) -> Any:
    inbox = make()
    for number in numbers:
        inbox.take("a", number)
    return inbox


def _judges(t: Transcript, make: Any) -> None:
    t.say("nothing was taken yet")
    inbox = make()
    t.equal("up to this number all of a's is safe", inbox.safe("a"), 0)
    t.equal("a's message 1", inbox.judge("a", 1), "new")
    t.say("1 and 2 of a are taken")
    inbox = _taken(make, 1, 2)
    t.equal("a's message 2 once more", inbox.judge("a", 2), "again", id="no-dedupe")
    t.equal("a's message 1 once more", inbox.judge("a", 1), "again", id="no-dedupe")
    t.equal("a's message 3", inbox.judge("a", 3), "new")
    t.equal("a's message 5", inbox.judge("a", 5), "gap", id=_sort(make))
    t.equal("b's message 1", inbox.judge("b", 1), "new")
    t.equal("up to this number all of a's is safe", inbox.safe("a"), 2)
    t.say(f"{MANY} messages of a are taken")
    size = len(_taken(make, *range(1, MANY + 1)))
    t.true(
        "entries in the table", size <= 1, got=size, expected="one: there is one sender", id="dedupe-never-collected"
    )


def _sort(make: Any) -> str:
    """Does it think in the largest number, or in a set of numbers?"""
    return "dedupe-by-set" if _taken(make, 1, 2, 5).judge("a", 3) == "new" else "dedupe-by-maximum"


def _remembers(t: Transcript, make: Any) -> None:
    t.say("a server starts, and finds 1 and 2 of a in its log")
    inbox = make()
    for number in (1, 2):
        inbox.remember(who="a", number=number)
    t.equal("a's message 2", inbox.judge("a", 2), "again", id="dedupe-in-memory")
    t.equal("a's message 3", inbox.judge("a", 3), "new", id="dedupe-in-memory")


def _adopts(t: Transcript, make: Any) -> None:
    t.say("a server without a log; a's first number that is not acknowledged is 4")
    inbox = make()
    inbox.adopt("a", 4)
    t.equal("a's message 4", inbox.judge("a", 4), "new", id="base-ignored")
    t.equal("a's message 3", inbox.judge("a", 3), "again", id="base-ignored")
    t.say("a server that has taken 1 to 6; a has heard of 3 only")
    inbox = _taken(make, *range(1, 7))
    inbox.adopt("a", 4)
    taken = "What this server has taken stays taken, whatever the client has heard of."
    t.equal("up to this number all of a's is safe", inbox.safe("a"), 6, because=taken)


@lab.step("In order, and durable first", minutes=20, lines=9, points=3, hints=HINTS["desk"], limit_s=8.0)
def desk(t: Transcript, Desk: Any, ours: Cast) -> None:  # noqa: N803
    in_virtual_time(_takes(t, Desk))
    in_virtual_time(_takes_two(t, Desk))
    holds(t, ours, "desk")


class Numbers:
    """An inbox that keeps one number, and is right."""

    def __init__(self) -> None:
        self.last = 0

    def judge(self, _: str, number: int) -> str:
        return "new" if number == self.last + 1 else "again" if number <= self.last else "gap"

    def take(self, _: str, number: int) -> None:
        self.last = number

    def safe(self, _: str) -> int:
        return self.last


class Slow:
    """A log in which an entry is durable after `WRITE_S`."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    async def append(self, body: str, *_: object, **__: object) -> None:
        await asyncio.sleep(WRITE_S)
        self.bodies.append(body)


async def _takes(t: Transcript, make: Any) -> None:
    t.say(f"a's messages 1 and 2; an entry is durable after {WRITE_S:g} s")
    log = Slow()
    desk = make(Numbers(), log)
    t.equal("take(1) says that a may forget up to", await desk.take("a", 1, "one"), 1)
    t.equal("by then the log holds", list(log.bodies), ["one"], id="ack-before-durable")
    await desk.take("a", 2, "two")
    t.equal("1 once more", await desk.take("a", 1, "one"), 2, because="All up to 2 is safe, so say 2: it says more.")
    t.equal("the log", log.bodies, ["one", "two"])
    t.equal("4, when 3 is missing", await desk.take("a", 4, "four"), None, id="gap-taken")
    await asyncio.sleep(1.0)
    t.equal("the log", log.bodies, ["one", "two"], id="gap-taken")


async def _takes_two(t: Transcript, make: Any) -> None:
    t.say("message 1 comes twice at once: an old connection of a is still at work")
    log = Slow()
    desk = make(Numbers(), log)
    answers = await asyncio.gather(desk.take("a", 1, "one"), desk.take("a", 1, "one"))
    await asyncio.sleep(1.0)
    t.equal("the log holds it once", log.bodies, ["one"], id="no-lock")
    t.equal("both are answered", answers, [1, 1])
