"""Steps 8 to 10: presence; a node that leaves without loss; all guarantees at once, with a control."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from midspan.errors import Words, need
from midspan.grading import Transcript
from midspan.grading.limits import within
from midspan.labs.lab4_scaling.doubles import SOON_S, broker_for_check
from midspan.labs.lab4_scaling.ownership import connected_client, running_nodes
from midspan.labs.lab4_scaling.searching import FIRST, SEARCHES, lab, search_holds
from midspan.simulation import Implementation, judge, simple
from midspan.simulation.nodes import NODE_SHAPE, generate_nodes, play_nodes, shared_broker
from midspan.simulation.run import run_in_thread

# Step 8: which clients are connected, also after a node has died. The clocks are simulated; the broker is real.


HOUR_S = 3600.0
BEATS = 60


class HostClock:
    """The clock of one host."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@lab.step(
    "Presence that heals",
    minutes=28,
    lines=11,
    points=3,
    hints=(
        "Which two facts about a node must you remember, so that you can later see that its "
        "number has not changed for a while?",
        "`hincrby` raises a number, `hgetall` reads all numbers. self.seen[node] = number, now: "
        "only when the number has changed.",
        "living: for each node of hgetall(self.beats), note number and self.context.now() when the number is new; "
        "return those whose note is younger than LEASE_S. present: owners whose node (the text before the last space) "
        "lives; release_script for the others, with the value that you read.",
    ),
    words={
        "ghosts": ("A node that is killed releases no claim. Only its missing beats show that its clients are gone."),
        "ghost-kept": (
            "Remove the entries of a dead node from the registry when you find them: otherwise they stay for ever."
        ),
        "wall-clocks": (
            "The clocks of two hosts differ. Compare the other node's numbers, and only times of your own clock."
        ),
        "dead-too-soon": "A node that missed one beat may be late: it is dead only after LEASE_S.",
    },
    limit_s=20.0,
    processes=True,
)
async def presence(t: Transcript, Presence: Any, Owners: Any) -> None:  # noqa: N803
    lease_s = float(Presence.__init__.__globals__["LEASE_S"])
    async with broker_for_check() as broker:
        clocks = [HostClock(1000.0), HostClock(1000.0 + HOUR_S), HostClock(0.0)]
        contexts = [broker.context(f"n{number}", clock) for number, clock in enumerate(clocks, start=1)]
        three = [Presence(broker.link(context.name), context) for context in contexts]
        owners = [Owners(broker.link(context.name), context) for context in contexts]
        everyone = {who: await registry.claim(who) for who, registry in zip("abc", owners, strict=True)}
        await _lives(t, three, clocks)
        await _dies(t, three, clocks, lease_s)
        t.equal("where is b, says the registry", await owners[0].where("b"), None, id="ghost-kept")
        await _returns(t, three, owners, everyone)


async def _pass(three: list[Any], clocks: list[HostClock], seconds: float, *beating: int) -> None:
    """Let time pass on each host; the nodes `beating` call `beat`."""
    for clock in clocks:
        clock.now_s += seconds
    for number in beating:
        await three[number - 1].beat()


async def _lives(t: Transcript, three: list[Any], clocks: list[HostClock]) -> None:
    t.say("a is connected to n1, b to n2, c to n3; n2's clock is an hour ahead, n3's a quarter of an hour behind")
    await _pass(three, clocks, 0.0, 1, 2, 3)
    for number in (1, 3):
        t.equal(
            f"present, says n{number}", sorted(await three[number - 1].present()), ["a", "b", "c"], id="wall-clocks"
        )
    for _ in range(BEATS):
        await _pass(three, clocks, 1.0, 1, 2, 3)
        await three[0].living()
    t.equal("a minute later, says n1", sorted(await three[0].present()), ["a", "b", "c"], id="wall-clocks")


async def _dies(t: Transcript, three: list[Any], clocks: list[HostClock], lease_s: float) -> None:
    t.say("n2 is killed; n1 and n3 go on")
    await _pass(three, clocks, lease_s - 0.5, 1, 3)
    t.equal(
        f"{lease_s - 0.5:g} s later, says n1", sorted(await three[0].present()), ["a", "b", "c"], id="dead-too-soon"
    )
    await _pass(three, clocks, 1.0, 1, 3)
    t.equal(f"{lease_s + 0.5:g} s later, says n1", sorted(await three[0].present()), ["a", "c"], id="ghosts")


async def _returns(t: Transcript, three: list[Any], owners: list[Any], claims: dict[str, int]) -> None:
    t.say("b comes back on n3; n2 is started again, and beats")
    await owners[2].claim("b")
    t.equal("present, says n1", sorted(await three[0].present()), ["a", "b", "c"])
    await three[1].beat()
    t.true("n2 lives, says n1", "n2" in await three[0].living(), got="it does not", expected="it beats again")
    await owners[0].release("a", claims["a"])
    t.equal("a leaves; present, says n1", sorted(await three[0].present()), ["b", "c"])


GOING_DOWN = 1012  # Service Restart (IANA registry of close codes)
MEMBERS = 5
GRACE_S = 0.2  # the grace period of this check


@lab.step(
    "Out of service without loss",
    minutes=20,
    lines=8,
    points=3,
    hints=(
        "Four actions: accept nothing new; wait for the acknowledgements; close all connections; and limit each wait.",
        "`async with asyncio.timeout(GRACE_S)` inside contextlib.suppress(TimeoutError). asyncio.gather runs all "
        "goodbyes at once; return_exceptions=True, since a connection may be gone already.",
        "node.draining = True; wait for node.work.idle under the timeout; then gather(*(outlet.connection.close("
        "GOING_DOWN, ...) for outlet in node.members), return_exceptions=True) under another one.",
    ),
    words={
        "still-takes": "A node that leaves accepts no new client and no new message: set `node.draining` first.",
        "closes-before-acks": "Acknowledge all taken messages before you close: wait for `node.work.idle`.",
        "hangs-up": (
            "Close each connection with GOING_DOWN: the code tells the client that the node leaves on purpose."
        ),
        "one-after-another": (
            "A client that does not answer the close must not delay the others: close all connections at once."
        ),
        "drain-waits-for-ever": "Wait at most GRACE_S for each part: a node must always be able to leave.",
    },
    limit_s=30.0,
    processes=True,
)
async def leaving(t: Transcript, drain: Any, ours: Implementation) -> None:
    with shared_broker():  # one broker for all parts of this check
        names = drain.__globals__
        grace_s = names["GRACE_S"]
        try:
            names["GRACE_S"] = GRACE_S
            async with broker_for_check() as broker, running_nodes(broker, ours, 1) as (node,):
                await _acks_first(t, drain, node)
            async with broker_for_check() as broker, running_nodes(broker, ours, 1) as (node,):
                await _all_at_once(t, drain, node)
            async with broker_for_check() as broker, running_nodes(broker, ours, 1) as (node,):
                await _ends(t, drain, node)
        finally:
            names["GRACE_S"] = grace_s
        run_in_thread(search_holds, t, ours, "leaving")


class GatedLog:
    """Wraps a node's log: it takes no message before the gate is open."""

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
    node.log = GatedLog(node.log)
    a, b = await connected_client(node, "a"), await connected_client(node, "b")
    a.says("say", 1, "one")
    await within(node.log.asked.wait(), SOON_S)
    leaving = asyncio.ensure_future(drain(node))
    for _ in range(5):
        await asyncio.sleep(0)
    t.true(
        "the node accepts no new client",
        node.draining,
        got="draining is False",
        expected="node.draining",
        id="still-takes",
    )
    a.says("say", 2, "two")
    b.says("say", 1, "too late")
    node.log.gate.set()
    heard = await a.hears("ack", 1)
    await within(asyncio.wait([leaving]), SOON_S)
    _raised(leaving)
    t.true(
        "a's message 1 is acknowledged before the close",
        heard and ["ack", 1] in a.heard,
        got=a.heard,
        expected='["ack", 1]',
        id="closes-before-acks",
    )
    late = [m for m in (*a.heard, *b.heard) if m[0] == "ack" and m != ["ack", 1]]
    t.equal("a message after it is not taken any more", late, [], id="still-takes")
    codes = [a.code or "no close", b.code or "no close"]
    t.equal("the connections are closed with", codes, [GOING_DOWN] * 2, id="hangs-up")


async def _all_at_once(t: Transcript, drain: Any, node: Any) -> None:
    t.say(f"{MEMBERS} are connected; the first does not answer the close")
    members = [await connected_client(node, f"m{n}", answers=n > 0) for n in range(MEMBERS)]
    leaving = asyncio.ensure_future(drain(node))
    await within(asyncio.wait([asyncio.ensure_future(one.closing.wait()) for one in members[1:]], timeout=SOON_S), 5.0)
    told = sum(one.code == GOING_DOWN for one in members)
    t.equal("connections that were closed with GOING_DOWN", told, MEMBERS, id="one-after-another")
    with suppress(TimeoutError):
        await within(asyncio.wait([leaving]), SOON_S + 4 * GRACE_S)
    got = Words("it waits for the one that does not answer")
    t.true("drain ends all the same", leaving.done(), got=got, expected="an end", id="drain-waits-for-ever")
    _raised(leaving)
    leaving.cancel()


async def _ends(t: Transcript, drain: Any, node: Any) -> None:
    t.say("a's message 1 is on its way to a broker that does not answer")
    node.log = GatedLog(node.log)
    a = await connected_client(node, "a")
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
    """Raise an error of the answer."""
    if leaving.done() and not leaving.cancelled():
        leaving.result()


TRIES = 25  # schedules until a mistake is found


@lab.step(
    "A control that must not pass",
    minutes=20,
    lines=8,
    points=3,
    hints=(
        "Take our node and one of the misconceptions that you have met. What would a careless colleague change?",
        "A subclass of Node can replace a part after super().__init__(context): self.log, for instance, with a "
        "subclass of Log.",
        "class Deaf(Log): async def after(self, room, offset, end): return []. class Careless(Node): in __init__ call "
        "super().__init__(context), then self.log = Deaf(self.broker, context). Return Implementation(Careless, "
        "Client).",
    ),
    words={
        "control-passes": (
            "A control that passes shows that the check cannot fail, or that the control has no mistake."
        ),
        "control-breaks-nothing-else": "A control has one mistake: without faults it works.",
    },
    limit_s=60.0,
    processes=True,
)
def control(t: Transcript, broken: Any, ours: Implementation) -> None:
    with shared_broker():
        search_holds(t, ours, "control")
        implementation = broken()
        need(
            isinstance(implementation, Implementation),
            "an Implementation",
            implementation,
            "Return Implementation(YourNode, YourClient)",
        )
        t.say("broken(): four clients on three nodes, no fault")
        verdicts = judge(play_nodes(implementation, simple(6, ("a", "b", "c", "d"), gap_s=0.1))).values()
        wrong = [str(verdict) for verdict in verdicts if verdict.outcome == "violated"]
        t.equal("it works", wrong, [], id="control-breaks-nothing-else")
        t.say(f"broken(): {TRIES} schedules: {SEARCHES['control'].faults}")
        found = _found(implementation)
        caught = Words("no violation")
        t.true("it does not pass", found is not None, got=caught, expected="a violation", id="control-passes")
    assert found is not None
    t.note(f"{found[0]}, with the schedule of seed {found[1]}")


def _found(implementation: Implementation) -> tuple[str, int] | None:
    """Return a predicate that some schedule violates, and the schedule's seed. Do not shrink it: `look` does that."""
    for seed in range(FIRST, FIRST + TRIES):
        for verdict in judge(play_nodes(implementation, generate_nodes(seed, NODE_SHAPE))).values():
            if verdict.outcome == "violated":
                return f"{verdict.predicate} is violated", seed
    return None
