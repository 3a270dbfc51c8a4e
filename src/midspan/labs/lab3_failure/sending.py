"""Steps 4 to 7: a bounded outbox, sending until acknowledged, duplicates, and acknowledging what is durable."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import (
    ListeningConnection,
    MemoryOutbox,
    in_virtual_time,
    lab,
    search_holds,
    start_sender,
)
from midspan.simulation import Disk, Implementation, Store

LIMIT = 3  # the limit of the outbox in the checks


@lab.step(
    "An outbox with a bound",
    minutes=25,
    lines=14,
    points=3,
    hints=(
        "Two things must survive: each waiting message with its number, and the last number that was ever given.",
        'A store is a mapping of small facts: store[f"out {number}"] = body is durable when the statement is done. '
        "Iterating over it gives the keys in the order in which they were written.",
        'In __init__ read them back: {int(key[4:]): store[key] for key in store if key.startswith("out ")}, and '
        'store.get("last", 0). put raises first, when the limit is reached; acknowledge deletes from the store as '
        "well.",
    ),
    words={
        "outbox-unbounded": (
            "A link can be down for a day. An outbox without a bound then fills the memory. With a "
            "bound, the application learns that it is full."
        ),
        "outbox-in-memory": (
            "A message that waits for an acknowledgement must survive a restart of its process: put stores it before "
            "it returns."
        ),
        "number-in-memory": (
            "If two messages get one number, the server drops the second as a copy. The last number "
            "must survive a restart too."
        ),
        "outbox-out-of-order": "The outbox is a queue: return the oldest message first.",
        "outbox-keeps": ("Delete an acknowledged message from the store too: otherwise it comes back after a restart."),
        "outbox-forgets": "Delete only acknowledged messages: the later numbers still wait.",
        "one-is-acknowledged": (
            "An acknowledgement covers its number and all numbers before it. So a lost acknowledgement does no harm."
        ),
    },
    limit_s=8.0,
)
def outbox(t: Transcript, Outbox: Any, OutboxFull: Any, ours: Implementation) -> None:  # noqa: N803
    _queue(t, Outbox)
    _bound(t, Outbox, OutboxFull)
    _restart(t, Outbox)
    search_holds(t, ours, "outbox")


def _disk() -> tuple[Disk, Store]:
    disk = Disk()
    return disk, Store(disk, 0.0)


def _queue(t: Transcript, make: Any) -> None:
    t.say(f"an outbox of at most {LIMIT} messages; one and two are put")
    _, store = _disk()
    box = make(store, LIMIT)
    t.equal("at first nothing waits: len, base, after(0)", (len(box), box.base, list(box.after(0))), (0, 1, []))
    box.put("one")
    box.put("two")
    t.equal("after(0)", list(box.after(0)), [(1, "one"), (2, "two")], id="outbox-out-of-order")
    t.equal("after(1)", list(box.after(1)), [(2, "two")])
    t.equal("how many wait", len(box), 2)
    t.say("all messages up to 1 are acknowledged")
    safe = list(box.acknowledge(1))
    t.equal("what was acknowledged", safe, ["one"], id="outbox-forgets" if len(safe) > 1 else "")
    t.equal("what still waits", list(box.after(0)), [(2, "two")], id="outbox-forgets")
    t.equal("base, the first number that is not acknowledged", box.base, 2)
    t.equal("the same acknowledgement again", list(box.acknowledge(1)), [])
    box.acknowledge(2)
    t.equal("when all messages are acknowledged, base is the next number: len, base", (len(box), box.base), (0, 3))
    box.put("three")
    box.put("four")
    t.say("three and four are put; all messages up to 4 are acknowledged at once")
    t.equal("what was acknowledged", list(box.acknowledge(4)), ["three", "four"], id="one-is-acknowledged")


def _bound(t: Transcript, make: Any, full: Any) -> None:
    _, store = _disk()
    box = make(store, LIMIT)
    for n in range(LIMIT):
        box.put(f"m{n}")
    t.raises(f"message {LIMIT + 1} is refused", lambda: box.put("more"), full, id="outbox-unbounded")
    t.equal("and not kept", len(box), LIMIT)
    box.acknowledge(1)
    box.put("again")
    t.equal("after an acknowledgement there is room", list(box.after(3)), [(4, "again")])


def _restart(t: Transcript, make: Any) -> None:
    t.say("the process is killed; a new one starts on what is in the store")
    disk, store = _disk()
    box = make(store, 20)
    for n in range(1, 13):
        box.put(f"m{n}")
    box.acknowledge(1)
    store.kill()
    box = make(Store(disk, 0.0), 20)
    t.equal(
        "what waited still waits, in order", list(box.after(0)), [(n, f"m{n}") for n in range(2, 13)], id=_lost(box)
    )
    for number in range(2, 13):
        box.acknowledge(number)
    box = make(Store(disk, 0.0), 20)
    t.equal("all messages are acknowledged, and the process restarts again", list(box.after(0)), [], id="outbox-keeps")
    box.put("next")
    t.equal("the next number is new", list(box.after(0)), [(13, "next")], id="number-in-memory")


def _lost(box: Any) -> str:
    waiting = list(box.after(0))
    numbers = [number for number, _ in waiting]
    if 1 in numbers:
        return "outbox-keeps"
    return "outbox-out-of-order" if sorted(numbers) == list(range(2, 13)) else "outbox-in-memory"


@lab.step(
    "Again, until it is acknowledged",
    minutes=15,
    lines=8,
    points=2,
    hints=(
        "What does `self.sent` remember, and for how long is that true?",
        "On a new connection nothing was sent yet. Acknowledged messages are no longer in the outbox.",
        "Make `sent` a local variable of run: 0 at the start of each connection.",
    ),
    words={
        "sent-is-acknowledged": (
            "A sent message is not yet acknowledged: send() returns when the bytes are in a buffer. "
            "Until the server's ack arrives, the client must send the message again on each new "
            "connection."
        ),
        "retry-with-new-number": (
            "A copy must have the same number as the first message: the server recognises a copy by its number."
        ),
        "newest-first": "Send the oldest message first, on each connection, in the order of the numbers.",
    },
    limit_s=8.0,
)
def retry(t: Transcript, Sender: Any, ours: Implementation) -> None:  # noqa: N803
    in_virtual_time(_retries(t, Sender))
    search_holds(t, ours, "retry")


async def _retries(t: Transcript, make: Any) -> None:
    t.say("two messages are sent, the connection is cut, nothing was acknowledged; another connection opens")
    outbox, line = MemoryOutbox(), ListeningConnection()
    outbox.put("one", "two")
    sender = make(outbox)
    running = await start_sender(sender, line)
    line.cut()
    sender.more.set()
    await asyncio.wait([running], timeout=1.0)
    running.cancel()
    line = ListeningConnection()
    running = await start_sender(sender, line)
    await asyncio.sleep(1.0)
    both = [["say", 1, "one"], ["say", 2, "two"]]
    missing = [message for message in both if message not in line.said]
    numbers = [message[1] for message in line.said]
    id = "retry-with-new-number" if numbers and numbers[0] > 2 else "sent-is-acknowledged"
    t.equal("both are sent again: what is missing", missing, [], id=id)
    t.equal("in order", [m for m in line.said if m in both][:2], both, id="newest-first")
    running.cancel()
    t.say("again; as soon as the connection is open, the application sends a third")
    line = ListeningConnection()
    running = asyncio.ensure_future(sender.run(line))
    await asyncio.sleep(0)
    outbox.put("three")
    sender.more.set()
    await asyncio.sleep(1.0)
    t.equal("what goes out first", line.said[:1], both[:1], id="newest-first")
    running.cancel()


# Steps 6 and 7: the server takes each message once and in order, and acknowledges it only when it is durable.


MANY = 1000
WRITE_S = 0.2


@lab.step(
    "Copies are dropped, and the table stays small",
    minutes=20,
    lines=8,
    points=3,
    hints=(
        "A sender numbers its messages 1, 2, 3, ... without a gap. So one number says what was taken from it.",
        "A dict from sender to that number. The next one is new, the ones up to it are here again, and behind the "
        "next there is a gap.",
        "safe: self.taken.get(who, 0). judge compares number with safe(who) + 1. remember does what take does. "
        "adopt: the larger of safe(who) and base - 1.",
    ),
    words={
        "no-dedupe": "A client sends some messages twice: drop the copies.",
        "dedupe-by-maximum": (
            "A number above the largest so far may not be the next one: a message between may be missing."
        ),
        "dedupe-by-set": (
            "A set of all numbers recognises a copy, but not a gap: a late message is then taken after a newer one."
        ),
        "dedupe-in-memory": (
            "After a restart the log is still there. The table must be there too: build it from the numbers that "
            "stand beside the entries."
        ),
        "dedupe-never-collected": (
            "A table of all messages grows for ever. The numbers of a sender are taken in order, so "
            "its last number is enough."
        ),
        "base-ignored": (
            "A server that has lost its log expects number 1 for ever, unless it uses the client's `base`."
        ),
    },
    limit_s=8.0,
)
def dedupe(t: Transcript, Inbox: Any, ours: Implementation) -> None:  # noqa: N803
    _judges(t, Inbox)
    _remembers(t, Inbox)
    _adopts(t, Inbox)
    search_holds(t, ours, "dedupe")


def _taken(make: Any, *numbers: int) -> Any:
    inbox = make()
    for number in numbers:
        inbox.take("a", number)
    return inbox


def _judges(t: Transcript, make: Any) -> None:
    t.say("nothing was taken yet")
    inbox = make()
    t.equal("a's messages are safe up to", inbox.safe("a"), 0)
    t.equal("a's message 1", inbox.judge("a", 1), "new")
    t.say("1 and 2 of a are taken")
    inbox = _taken(make, 1, 2)
    t.equal("a's message 2 once more", inbox.judge("a", 2), "again", id="no-dedupe")
    t.equal("a's message 1 once more", inbox.judge("a", 1), "again", id="no-dedupe")
    t.equal("a's message 3", inbox.judge("a", 3), "new")
    t.equal("a's message 5", inbox.judge("a", 5), "gap", id=_sort(make))
    t.equal("b's message 1", inbox.judge("b", 1), "new")
    t.equal("a's messages are safe up to", inbox.safe("a"), 2)
    t.say(f"{MANY} messages of a are taken")
    size = len(_taken(make, *range(1, MANY + 1)))
    t.true(
        "entries in the table", size <= 1, got=size, expected="one: there is one sender", id="dedupe-never-collected"
    )


def _sort(make: Any) -> str:
    """Find out whether an inbox keeps the largest number, or a set of numbers."""
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
    t.say("a server that has taken 1 to 6; a knows of 3 only")
    inbox = _taken(make, *range(1, 7))
    inbox.adopt("a", 4)
    taken = "A message that this server has taken stays taken, even if the client missed its acknowledgement."
    t.equal("a's messages are safe up to", inbox.safe("a"), 6, because=taken)


@lab.step(
    "In order, and durable first",
    minutes=20,
    lines=9,
    points=3,
    hints=(
        "Three questions in this order: is the message new? is it durable? up to which number may the sender forget?",
        "asyncio.Lock in __init__, `async with self.lock:` around all of take. `await self.log.append(...)` returns "
        "when the entry is durable.",
        'Inside the lock: verdict = judge; return None for "gap"; for "new" append, then inbox.take; return '
        "inbox.safe(who) in both other cases.",
    ),
    words={
        "ack-before-durable": ("Acknowledge a message only when it is durable: then a crash cannot lose it any more."),
        "no-lock": (
            "Two connections of one client can be served at once. Between the check (is it new?) and "
            "`inbox.take` no other call may check the same message."
        ),
        "gap-taken": (
            "Do not take a message that is not the next one: the messages before it must come first, "
            "or the order is lost."
        ),
    },
    limit_s=8.0,
)
def desk(t: Transcript, Desk: Any, ours: Implementation) -> None:  # noqa: N803
    in_virtual_time(_takes(t, Desk))
    in_virtual_time(_takes_two(t, Desk))
    search_holds(t, ours, "desk")


class Numbers:
    """A correct inbox that keeps one number."""

    def __init__(self) -> None:
        self.last = 0

    def judge(self, _: str, number: int) -> str:
        return "new" if number == self.last + 1 else "again" if number <= self.last else "gap"

    def take(self, _: str, number: int) -> None:
        self.last = number

    def safe(self, _: str) -> int:
        return self.last


class SlowLog:
    """A log in which an entry is durable after `WRITE_S` seconds."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    async def append(self, body: str, who: str, number: int) -> None:  # noqa: ARG002 - as `Log.append` takes them
        await asyncio.sleep(WRITE_S)
        self.bodies.append(body)


async def _takes(t: Transcript, make: Any) -> None:
    t.say(f"a's messages 1 and 2; an entry is durable after {WRITE_S:g} s")
    log = SlowLog()
    desk = make(Numbers(), log)
    t.equal("take(1) says that a may forget up to", await desk.take("a", 1, "one"), 1)
    t.equal("by then the log holds", list(log.bodies), ["one"], id="ack-before-durable")
    await desk.take("a", 2, "two")
    t.equal("1 once more", await desk.take("a", 1, "one"), 2, because="All messages up to 2 are safe, so return 2.")
    t.equal("the log", log.bodies, ["one", "two"])
    t.equal("4, when 3 is missing", await desk.take("a", 4, "four"), None, id="gap-taken")
    await asyncio.sleep(1.0)
    t.equal("the log", log.bodies, ["one", "two"], id="gap-taken")


async def _takes_two(t: Transcript, make: Any) -> None:
    t.say("message 1 comes twice at once: an old connection of a is still at work")
    log = SlowLog()
    desk = make(Numbers(), log)
    answers = await asyncio.gather(desk.take("a", 1, "one"), desk.take("a", 1, "one"))
    await asyncio.sleep(1.0)
    t.equal("the log holds it once", log.bodies, ["one"], id="no-lock")
    t.equal("both are answered", answers, [1, 1])
