"""Steps 4 and 5: what a client sends waits in a bounded outbox, and is sent until it is acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.doubles import Line, Waiting, spoken
from midspan.checks.lab3_failure.hints import HINTS
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.lab3_failure.searching import holds
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.sim import Cast, Disk, Store

LIMIT = 3  # of the outbox in the checks


@lab.step("An outbox with a bound", minutes=25, lines=14, points=3, hints=HINTS["outbox"], limit_s=8.0)
def outbox(t: Transcript, Outbox: Any, OutboxFull: Any, ours: Cast) -> None:  # noqa: N803
    _queue(t, Outbox)
    _bound(t, Outbox, OutboxFull)
    _restart(t, Outbox)
    holds(t, ours, "outbox")


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
    t.say("up to 1 all is acknowledged")
    safe = list(box.acknowledge(1))
    t.equal("what was acknowledged", safe, ["one"], id="outbox-forgets" if len(safe) > 1 else "")
    t.equal("what still waits", list(box.after(0)), [(2, "two")], id="outbox-forgets")
    t.equal("base, the first number that is not acknowledged", box.base, 2)
    t.equal("the same acknowledgement again", list(box.acknowledge(1)), [])
    box.acknowledge(2)
    t.equal("when all is acknowledged, base is the number to come: len, base", (len(box), box.base), (0, 3))
    box.put("three")
    box.put("four")
    t.say("three and four are put; up to 4 all is acknowledged, at once")
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
    t.equal("all is acknowledged, and another restart", list(box.after(0)), [], id="outbox-keeps")
    box.put("next")
    t.equal("the next number is new", list(box.after(0)), [(13, "next")], id="number-in-memory")


def _lost(box: Any) -> str:
    waiting = list(box.after(0))
    numbers = [number for number, _ in waiting]
    if 1 in numbers:
        return "outbox-keeps"
    return "outbox-out-of-order" if sorted(numbers) == list(range(2, 13)) else "outbox-in-memory"


# step 5


@lab.step("Again, until it is acknowledged", minutes=15, lines=8, points=2, hints=HINTS["retry"], limit_s=8.0)
def retry(t: Transcript, Sender: Any, ours: Cast) -> None:  # noqa: N803
    in_virtual_time(_retries(t, Sender))
    holds(t, ours, "retry")


async def _retries(t: Transcript, make: Any) -> None:
    t.say("two messages are sent, the connection is cut, nothing was acknowledged; another connection opens")
    outbox, line = Waiting(), Line()
    outbox.put("one", "two")
    sender = make(outbox)
    running = await spoken(sender, line)
    line.cut()
    sender.more.set()
    await asyncio.wait([running], timeout=1.0)
    running.cancel()
    line = Line()
    running = await spoken(sender, line)
    await asyncio.sleep(1.0)
    both = [["say", 1, "one"], ["say", 2, "two"]]
    missing = [message for message in both if message not in line.said]
    numbers = [message[1] for message in line.said]
    id = "retry-with-new-number" if numbers and numbers[0] > 2 else "sent-is-acknowledged"
    t.equal("both are sent again: what is missing", missing, [], id=id)
    t.equal("in order", [m for m in line.said if m in both][:2], both, id="newest-first")
    running.cancel()
    t.say("once more; as soon as the connection is there the application says a third")
    line = Line()
    running = asyncio.ensure_future(sender.run(line))
    await asyncio.sleep(0)
    outbox.put("three")
    sender.more.set()
    await asyncio.sleep(1.0)
    t.equal("what goes out first", line.said[:1], both[:1], id="newest-first")
    running.cancel()
