"""Step 3: a bus over pub/sub. What is said on one node is heard on all that have somebody in the room."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.bench.nodes import bus
from midspan.checks import Transcript
from midspan.checks.lab4_scaling.doubles import Brokered, Follower, brokered
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab

BACK_S = 5.0  # for a link that broke
EVERY_S = 0.05  # how often something is said until it is heard


@lab.step(
    "A bus, so that every node hears",
    minutes=30,
    lines=12,
    points=3,
    hints=HINTS["pubsub"],
    limit_s=20.0,
    processes=True,
)
async def pubsub(t: Transcript, Log: Any) -> None:  # noqa: N803
    with bus():  # one for all parts of this check
        async with brokered() as broker:
            first, second = (Log(broker.link(name), broker.seat(name)) for name in ("n1", "n2"))
            await _subscribes_first(t, first, second)
            await _is_heard_everywhere(t, first, second)
            await _goes_on(t, broker, first, second)
        async with brokered() as broker:
            await _unsubscribes(t, broker, Log(broker.link("n1"), broker.seat("n1")))


async def _subscribes_first(t: Transcript, first: Any, second: Any) -> None:
    t.say("red is opened on n1 and n2; before anybody follows it there, a says one on n1")
    for log in (first, second):
        await t.soon("red is open", log.open("red", "a", 1), within_s=5.0)
    await first.take("red", "", "a", 1, "one")
    for name, log in (("n1", first), ("n2", second)):
        follower = Follower(log, "red", "", 0)
        id = "one-node" if name == "n2" and not await _publishes(log) else "subscribes-late"
        heard = await follower.bodies(1)
        await follower.stop()
        t.equal(f"heard on {name}", heard, ["one"], id=id)


async def _publishes(log: Any) -> bool:
    """Does the log hold a link to the broker's channels at all?"""
    channels = await log.broker.pubsub_channels("*")
    return bool(channels)


async def _is_heard_everywhere(t: Transcript, first: Any, second: Any) -> None:
    t.say("a says two and three on n1, b says four on n2; somebody says something in blue")
    followers = [Follower(log, "red", "", 0) for log in (first, second)]
    await first.open("blue", "c", 1)
    await first.take("blue", "", "c", 1, "not for red")
    for log, who, number, body in ((first, "a", 2, "two"), (first, "a", 3, "three"), (second, "b", 1, "four")):
        await log.take("red", "", who, number, body)
    heard = [await follower.bodies(3) for follower in followers]
    for name, follower, bodies in zip(("n1", "n2"), followers, heard, strict=True):
        await follower.stop()
        t.equal(f"heard in red on {name}", bodies, ["two", "three", "four"], id="one-node")


async def _goes_on(t: Transcript, broker: Brokered, first: Any, second: Any) -> None:
    t.say("n2's link to the broker breaks; a goes on saying things on n1")
    follower = Follower(second, "red", "", 0)
    await second.take("red", "", "b", 2, "five")
    await follower.bodies(1)
    await broker.cut("n2")
    for number in range(4, 4 + int(BACK_S / EVERY_S)):
        await first.take("red", "", "a", number, "are you there?")
        if len(await follower.bodies(2, EVERY_S)) > 1:
            break
    heard = follower.heard[-1][1] if follower.heard else "nothing"
    await follower.stop()
    t.equal(f"heard on n2 within {BACK_S:g} s", heard, "are you there?", id="stops-with-the-link")


async def _unsubscribes(t: Transcript, broker: Brokered, log: Any) -> None:
    t.say("red is opened on n1, followed, and closed with its last member")
    await log.open("red", "a", 1)
    follower = Follower(log, "red", "", 0)
    await log.take("red", "", "a", 1, "one")
    await follower.bodies(1)
    await follower.stop()
    await log.close("red")
    for _ in range(40):  # the broker notices a closed link in its own time
        left = await broker.admin.pubsub_channels(f"{broker.prefix}*")
        if not left:
            break
        await asyncio.sleep(EVERY_S)
    t.equal(
        "channels that n1 still hears",
        [str(name).removeprefix(broker.prefix) for name in left],
        [],
        id="never-unsubscribes",
    )
