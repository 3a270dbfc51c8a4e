"""Step 9: a node leaves, and nobody loses anything by it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from midspan.bench.nodes import bus
from midspan.checks import Transcript
from midspan.checks.lab4_scaling.doubles import SOON_S, brokered
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab
from midspan.checks.lab4_scaling.owning import entered, nodes
from midspan.checks.lab4_scaling.searching import holds
from midspan.checks.limits import within
from midspan.refusal import Words
from midspan.sim import Cast
from midspan.sim.beside import beside

GOING_DOWN = 1012  # Service Restart (IANA registry of close codes)
MEMBERS = 5
GRACE_S = 0.2  # in this check


@lab.step(
    "Out of service without loss",
    minutes=25,
    lines=8,
    points=3,
    hints=HINTS["leaving"],
    limit_s=30.0,
    processes=True,
)
async def leaving(t: Transcript, drain: Any, ours: Cast) -> None:
    with bus():  # one for all parts of this check
        names = drain.__globals__
        grace_s = names["GRACE_S"]
        try:
            names["GRACE_S"] = GRACE_S
            async with brokered() as broker, nodes(broker, ours, 1) as (node,):
                await _acks_first(t, drain, node)
            async with brokered() as broker, nodes(broker, ours, 1) as (node,):
                await _all_at_once(t, drain, node)
            async with brokered() as broker, nodes(broker, ours, 1) as (node,):
                await _ends(t, drain, node)
        finally:
            names["GRACE_S"] = grace_s
        beside(holds, t, ours, "leaving")


class Slow:
    """In place of a node's log: the same, but nothing is taken before the gate is open."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def take(self, *message: Any) -> Any:
        self.asked.set()
        await self.gate.wait()
        return await self._log.take(*message)


async def _acks_first(t: Transcript, drain: Any, node: Any) -> None:
    t.say("a and b are connected; a's message 1 is on its way to the broker; the node is to leave")
    node.log = Slow(node.log)
    a, b = await entered(node, "a"), await entered(node, "b")
    a.says("say", 1, "one")
    await within(node.log.asked.wait(), SOON_S)
    leaving = asyncio.ensure_future(drain(node))
    for _ in range(5):
        await asyncio.sleep(0)
    t.true(
        "the node takes nobody new", node.draining, got="draining is False", expected="node.draining", id="still-takes"
    )
    a.says("say", 2, "two")
    b.says("say", 1, "too late")
    node.log.gate.set()
    heard = await a.hears("ack", 1)
    await within(asyncio.wait([leaving]), SOON_S)
    _raised(leaving)
    t.true(
        "a's message 1 is acknowledged before the goodbye",
        heard and ["ack", 1] in a.heard,
        got=a.heard,
        expected='["ack", 1]',
        id="closes-before-acks",
    )
    late = [m for m in (*a.heard, *b.heard) if m[0] == "ack" and m != ["ack", 1]]
    t.equal("what came behind it is not taken any more", late, [], id="still-takes")
    codes = [a.code or "no close", b.code or "no close"]
    t.equal("the connections are closed with", codes, [GOING_DOWN] * 2, id="hangs-up")


async def _all_at_once(t: Transcript, drain: Any, node: Any) -> None:
    t.say(f"{MEMBERS} are connected; the first does not answer the goodbye")
    members = [await entered(node, f"m{n}", answers=n > 0) for n in range(MEMBERS)]
    leaving = asyncio.ensure_future(drain(node))
    await within(asyncio.wait([asyncio.ensure_future(one.closing.wait()) for one in members[1:]], timeout=SOON_S), 5.0)
    told = sum(one.code == GOING_DOWN for one in members)
    t.equal("connections that were told", told, MEMBERS, id="one-after-another")
    with suppress(TimeoutError):
        await within(asyncio.wait([leaving]), SOON_S + 4 * GRACE_S)
    got = Words("it waits for the one that does not answer")
    t.true("drain ends all the same", leaving.done(), got=got, expected="an end", id="drain-waits-for-ever")
    _raised(leaving)
    leaving.cancel()


async def _ends(t: Transcript, drain: Any, node: Any) -> None:
    t.say("a's message 1 is on its way to a broker that does not answer")
    node.log = Slow(node.log)
    a = await entered(node, "a")
    a.says("say", 1, "one")
    await within(node.log.asked.wait(), SOON_S)
    leaving = asyncio.ensure_future(drain(node))
    with suppress(TimeoutError):
        await within(asyncio.wait([leaving]), SOON_S + 4 * GRACE_S)
    t.true(
        "drain ends all the same",
        leaving.done(),
        got="it waits for the broker",
        expected="an end",
        id="drain-waits-for-ever",
    )
    _raised(leaving)


def _raised(leaving: asyncio.Future[None]) -> None:
    """An error of the answer's own is told as such."""
    if leaving.done() and not leaving.cancelled():
        leaving.result()
