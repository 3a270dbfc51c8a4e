"""Step 6: who is connected where, and direct messages that only that node hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from midspan.bench.nodes import bus
from midspan.checks import Transcript
from midspan.checks.lab4_scaling.doubles import Brokered, Connection, brokered
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab
from midspan.sim import Cast

MEMBERS = 50
PATIENT_S = 5.0


@lab.step("Who is connected where", minutes=35, lines=12, points=4, hints=HINTS["owners"], limit_s=25.0, processes=True)
async def owners(t: Transcript, Owners: Any, mailbox: Any, ours: Cast) -> None:  # noqa: N803
    with bus():  # one for all parts of this check
        async with brokered() as broker:
            first, second = (Owners(broker.link(name), broker.seat(name)) for name in ("n1", "n2"))
            await _claims(t, first, second)
            await _same_node(t, first)
            await _asks_once(t, broker, first)
        boxes = [mailbox(who) for who in ("b", "c", "b")]
        t.say("the mailboxes of b, c and b")
        t.true("one for each", boxes[0] == boxes[2] != boxes[1], got=boxes, expected="two names", id="one-mailbox")
        t.true("a name that begins with @", all(box.startswith("@") for box in boxes), got=boxes, expected="@...")
        async with brokered() as broker, nodes(broker, ours) as three:
            await _direct(t, three, mailbox)


async def _claims(t: Transcript, first: Any, second: Any) -> None:
    t.say("a connects to n1; its link falls silent, and a connects to n2")
    old = await first.claim("a")
    t.equal("where is a, asked on n2", await second.where("a"), "n1")
    t.equal("those that n1 has lost", list(await first.lost({"a": old})), [])
    new = await second.claim("a")
    t.equal("where is a, asked on n1", await first.where("a"), "n2")
    t.equal("those that n1 has lost", list(await first.lost({"a": old})), ["a"], id="older-claim-wins")
    t.equal("those that n2 has lost", list(await second.lost({"a": new})), [])
    t.say("n1 notices at last that its connection of a is over")
    await first.release("a", old)
    t.equal("where is a", await first.where("a"), "n2", id="release-deletes-newer")
    await second.release("a", new)
    t.equal("n2's is over too: where is a", await first.where("a"), None)
    t.equal("where is somebody who never came", await first.where("nobody"), None)


async def _same_node(t: Transcript, owners: Any) -> None:
    t.say("b connects to n1, and to n1 again: the old connection is half-open")
    old, new = await owners.claim("b"), await owners.claim("b")
    t.equal("the old claim is lost", list(await owners.lost({"b": old})), ["b"], id="older-claim-wins")
    t.equal("the new one is not", list(await owners.lost({"b": new})), [])
    await owners.release("b", old)
    t.equal("the old one is released: where is b", await owners.where("b"), "n1", id="release-deletes-newer")


async def _asks_once(t: Transcript, broker: Brokered, owners: Any) -> None:
    t.say(f"{MEMBERS} members of n1; one beat")
    mine = {f"m{number}": await owners.claim(f"m{number}") for number in range(MEMBERS)}
    asked = await _commands(broker)
    t.equal("those that n1 has lost", list(await owners.lost(mine)), [])
    asked = await _commands(broker) - asked - 1  # the asking itself
    t.true("commands to the broker", asked <= 5, got=asked, expected="one", id="asks-for-each")
    t.equal("of nobody: those that n1 has lost", list(await owners.lost({})), [])


async def _commands(broker: Brokered) -> int:
    return int((await broker.admin.info("stats"))["total_commands_processed"])


# the whole node


@asynccontextmanager
async def nodes(broker: Brokered, ours: Cast, count: int = 3) -> AsyncIterator[list[Any]]:
    """Nodes of the notebook, on this broker; drained at the end."""
    made: list[Any] = [ours.server(broker.seat(f"n{number}")) for number in range(1, count + 1)]
    handlers: list[asyncio.Task[None]] = []
    for node in made:
        await node.start()
        node.serving = handlers
    try:
        yield made
    finally:
        for task in handlers:
            task.cancel()
        ended = await asyncio.gather(*handlers, return_exceptions=True)
        for node in made:
            node.beating.cancel()
            await asyncio.gather(node.beating, return_exceptions=True)
            await node.broker.aclose()
        if wrong := next((error for error in ended if isinstance(error, Exception)), None):
            raise wrong from None  # it says more than what the check missed because of it


async def entered(node: Any, who: str, room: str = "red", *mine: Any, answers: bool = True) -> Connection:
    """A client's connection to a node, welcomed."""
    connection = Connection(answers)
    node.serving.append(asyncio.create_task(node.handle(connection)))
    connection.says("hello", who, "a token", "", 0, 1, room, *mine)
    await connection.enters("welcome", PATIENT_S, node.serving[-1])
    return connection


async def _direct(t: Transcript, three: list[Any], mailbox: Any) -> None:
    t.say("a is connected to n1, b to n2, c to n3; a says one to b")
    a, b, c = [await entered(node, who, "red", "", 0) for node, who in zip(three, "abc", strict=True)]
    a.says("direct", 1, "one", "b")
    t.true("a is told that it is safe", await a.hears("handed", 1, "b"), got=a.heard, expected='["handed", 1, "b"]')
    t.true("b hears it", await b.hears("direct", 1, "one"), got=b.heard, expected='["direct", 1, "one"]')
    t.equal("c hears", [m for m in c.heard if m[0] == "direct"], [], id="one-mailbox")
    followed = [mailbox("b") in node.feeds for node in three]
    t.equal("nodes that follow b's mailbox", followed, [False, True, False], id="one-mailbox")
    t.say("b's connection ends; a says two to b; b connects to n3")
    b.transport.abort()
    await asyncio.gather(three[1].serving[1], return_exceptions=True)
    a.says("direct", 2, "two", "b")
    t.true("a is told that it is safe", await a.hears("handed", 2, "b"), got=a.heard, expected='["handed", 2, "b"]')
    b = await entered(three[2], "b", "red", "", 0)
    t.true("b hears both there", await b.hears("direct", 2, "two"), got=b.heard, expected='["direct", 2, "two"]')
