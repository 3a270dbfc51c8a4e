"""Steps 6 and 7: which node owns a connection, and bounded output to slow readers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import in_virtual_time
from midspan.labs.lab4_scaling.doubles import CheckBroker, ScriptedConnection, broker_for_check, text_frame
from midspan.labs.lab4_scaling.searching import lab
from midspan.simulation import Implementation
from midspan.simulation.nodes import shared_broker

MEMBERS = 50
PATIENT_S = 5.0


@lab.step(
    "Who is connected where",
    minutes=30,
    lines=12,
    points=4,
    hints=(
        "Suppose a node was stopped for a minute. What would it delete, or keep, if it compared only the node's name?",
        "In Lua: if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then ... end. `await "
        "self.broker.hmget(key, names)` gives one value for each name, None where there is none.",
        "release_script: compare as above, then HDEL KEYS[1] ARGV[1]. lost: hmget once, and return those whose "
        'value is not f"{self.context.name} {generation}". where: hget, and the text before the last space. '
        'mailbox: f"@{who}".',
    ),
    words={
        "older-claim-wins": (
            "The newer claim wins, on this node or on another: compare the generation too, not only the node."
        ),
        "release-deletes-newer": (
            "A late release must not delete a newer claim: compare node *and* generation, in the "
            "broker, before you delete."
        ),
        "one-mailbox": (
            "With one room for all direct messages, every node gets each of them: use one mailbox for each client."
        ),
        "asks-for-each": "Compare all claims of this node with one command to the broker.",
    },
    limit_s=25.0,
    processes=True,
)
async def owners(t: Transcript, Owners: Any, mailbox: Any, ours: Implementation) -> None:  # noqa: N803
    with shared_broker():  # one broker for all parts of this check
        async with broker_for_check() as broker:
            first, second = (Owners(broker.link(name), broker.context(name)) for name in ("n1", "n2"))
            await _claims(t, first, second)
            await _same_node(t, first)
            await _asks_once(t, broker, first)
        boxes = [mailbox(who) for who in ("b", "c", "b")]
        t.say("the mailboxes of b, c and b")
        t.true("one for each", boxes[0] == boxes[2] != boxes[1], got=boxes, expected="two names", id="one-mailbox")
        t.true("a name that begins with @", all(box.startswith("@") for box in boxes), got=boxes, expected="@...")
        async with broker_for_check() as broker, running_nodes(broker, ours) as three:
            await _direct(t, three, mailbox)


async def _claims(t: Transcript, first: Any, second: Any) -> None:
    t.say("a connects to n1; its link falls silent, and a connects to n2")
    old = await first.claim("a")
    t.equal("where is a, asked on n2", await second.where("a"), "n1")
    t.equal("clients that n1 has lost", list(await first.lost({"a": old})), [])
    new = await second.claim("a")
    t.equal("where is a, asked on n1", await first.where("a"), "n2")
    t.equal("clients that n1 has lost", list(await first.lost({"a": old})), ["a"], id="older-claim-wins")
    t.equal("clients that n2 has lost", list(await second.lost({"a": new})), [])
    t.say("later n1 notices that its connection of a is over")
    await first.release("a", old)
    t.equal("where is a", await first.where("a"), "n2", id="release-deletes-newer")
    await second.release("a", new)
    t.equal("n2's is over too: where is a", await first.where("a"), None)
    t.equal("where is a client that never came", await first.where("nobody"), None)


async def _same_node(t: Transcript, owners: Any) -> None:
    t.say("b connects to n1, and to n1 again: the old connection is half-open")
    old, new = await owners.claim("b"), await owners.claim("b")
    t.equal("the old claim is lost", list(await owners.lost({"b": old})), ["b"], id="older-claim-wins")
    t.equal("the new one is not", list(await owners.lost({"b": new})), [])
    await owners.release("b", old)
    t.equal("the old one is released: where is b", await owners.where("b"), "n1", id="release-deletes-newer")


async def _asks_once(t: Transcript, broker: CheckBroker, owners: Any) -> None:
    t.say(f"{MEMBERS} members of n1; one beat")
    mine = {f"m{number}": await owners.claim(f"m{number}") for number in range(MEMBERS)}
    asked = await _commands(broker)
    t.equal("clients that n1 has lost", list(await owners.lost(mine)), [])
    asked = await _commands(broker) - asked - 1  # without this question itself
    t.true("commands to the broker", asked <= 5, got=asked, expected="one", id="asks-for-each")
    t.equal("without a claim: clients that n1 has lost", list(await owners.lost({})), [])


async def _commands(broker: CheckBroker) -> int:
    return int((await broker.admin.info("stats"))["total_commands_processed"])


# the whole node


@asynccontextmanager
async def running_nodes(broker: CheckBroker, ours: Implementation, count: int = 3) -> AsyncIterator[list[Any]]:
    """Run nodes of the notebook on this broker; drain them at the end."""
    made: list[Any] = [ours.server(broker.context(f"n{number}")) for number in range(1, count + 1)]
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
            raise wrong from None  # it says more than the line of the check that failed because of it


async def connected_client(
    node: Any, who: str, room: str = "red", *mine: Any, answers: bool = True
) -> ScriptedConnection:
    """Connect a client to a node, and wait for the welcome."""
    connection = ScriptedConnection(answers)
    node.serving.append(asyncio.create_task(node.handle(connection)))
    connection.says("hello", who, "a token", "", 0, 1, room, *mine)
    await connection.enters("welcome", PATIENT_S, node.serving[-1])
    return connection


async def _direct(t: Transcript, three: list[Any], mailbox: Any) -> None:
    t.say("a is connected to n1, b to n2, c to n3; a says one to b")
    a, b, c = [await connected_client(node, who, "red", "", 0) for node, who in zip(three, "abc", strict=True)]
    a.says("direct", 1, "one", "b")
    t.true("a's message is acknowledged", await a.hears("handed", 1, "b"), got=a.heard, expected='["handed", 1, "b"]')
    t.true("b hears it", await b.hears("direct", 1, "one"), got=b.heard, expected='["direct", 1, "one"]')
    t.equal("c hears", [m for m in c.heard if m[0] == "direct"], [], id="one-mailbox")
    followed = [mailbox("b") in node.feeds for node in three]
    t.equal("nodes that follow b's mailbox", followed, [False, True, False], id="one-mailbox")
    t.say("b's connection ends; a says two to b; b connects to n3")
    b.transport.abort()
    await asyncio.gather(three[1].serving[1], return_exceptions=True)
    a.says("direct", 2, "two", "b")
    t.true("a's message is acknowledged", await a.hears("handed", 2, "b"), got=a.heard, expected='["handed", 2, "b"]')
    b = await connected_client(three[2], "b", "red", "", 0)
    t.true("b gets both there", await b.hears("direct", 2, "two"), got=b.heard, expected='["direct", 2, "two"]')


MOST = 3
FRAMES = 5000


@lab.step(
    "One slow reader",
    minutes=52,
    lines=21,
    points=4,
    hints=(
        "give() has two cases: write at once, if no frame waits and the buffer has room; "
        "otherwise the policy decides which frames wait.",
        "A dict keeps the order in which its keys came: pop a key and set it again, and it is the last. "
        "next(iter(self.waiting)) is the oldest key; object() is a key that nothing else has.",
        "conflate with a key: self.waiting.pop(key, None); else key = object(). Full: abort, or delete the oldest. "
        "Then self.waiting[key] = frame and self.more.set(). run: wait for more, clear it, and while something waits: "
        "await drain(), write the oldest.",
    ),
    words={
        "queue-unbounded": (
            "Unread frames of a slow reader fill the memory of the node, until it dies. Check the "
            "buffer before you write, and bound the number of waiting frames."
        ),
        "awaits-the-slow": "give() must not wait: otherwise the whole room waits for a slow reader.",
        "overtakes": "While a frame waits, later frames must wait after it.",
        "drops-newest": "Drop the oldest frame, and keep the newest.",
        "conflate-reorders": (
            "Put the last frame of a key at the end of the order: frames that were given in between come first."
        ),
        "conflate-unbounded": (
            'There can be as many keys as members, and each has a frame: "conflate" needs the bound too.'
        ),
        "never-drained": "When the connection has room again, write the waiting frames, oldest first.",
    },
    limit_s=8.0,
)
def outlet(t: Transcript, Outlet: Any) -> None:  # noqa: N803
    in_virtual_time(_free(t, Outlet))
    in_virtual_time(_let_go(t, Outlet))
    in_virtual_time(_drop_oldest(t, Outlet))
    in_virtual_time(_conflate(t, Outlet))
    in_virtual_time(_drains(t, Outlet))


def _said(connection: ScriptedConnection) -> list[Any]:
    return [message[0] for message in connection.heard]


def _give(t: Transcript, outlet: Any, *names: str, key: Any = None) -> None:
    for name in names:
        given = outlet.give(text_frame(f'["{name}"]'), *([key] if key is not None else []))
        if inspect.iscoroutine(given):
            given.close()
            t.fail("give() returns at once", got=Words("a coroutine"), expected="a plain method", id="awaits-the-slow")


def _slow(make: Any, policy: str) -> tuple[ScriptedConnection, Any]:
    connection = ScriptedConnection()
    connection.transport.full = True
    return connection, make(connection, policy, MOST)


async def _free(t: Transcript, make: Any) -> None:
    t.say("a reader that keeps up")
    connection = ScriptedConnection()
    outlet = make(connection)
    _give(t, outlet, "one", "two")
    t.equal("written at once", _said(connection), ["one", "two"])
    t.equal("waiting", len(outlet.waiting), 0)


async def _let_go(t: Transcript, make: Any) -> None:
    t.say(f'a reader that reads nothing; policy "let go", most={MOST}; {FRAMES} frames')
    connection, outlet = _slow(make, "let go")
    _give(t, outlet, *(f"m{n}" for n in range(MOST)))
    written = len(connection.transport.taken)
    t.equal("written into its full buffer", written, 0, id="queue-unbounded")
    t.equal("waiting", len(outlet.waiting), MOST)
    t.true("it is kept so far", not connection.gone, got="let go", expected=f"{MOST} frames wait")
    _give(t, outlet, *(f"m{n}" for n in range(MOST, FRAMES)))
    t.true(
        "then its connection is aborted",
        connection.transport.aborted.is_set(),
        got="kept",
        expected="transport.abort()",
        id="queue-unbounded",
    )
    _bounded(t, outlet, "queue-unbounded")


def _bounded(t: Transcript, outlet: Any, id: str) -> None:
    waiting = len(outlet.waiting)
    t.true("waiting", waiting <= MOST, got=waiting, expected=f"at most {MOST}", id=id)


async def _drop_oldest(t: Transcript, make: Any) -> None:
    t.say(f'the same reader; policy "drop oldest"; {FRAMES} frames')
    connection, outlet = _slow(make, "drop oldest")
    names = [f"m{n}" for n in range(FRAMES)]
    _give(t, outlet, *names)
    t.true("it is kept", not connection.gone, got="let go", expected="kept")
    t.true("waiting", len(outlet.waiting) == MOST, got=len(outlet.waiting), expected=str(MOST), id="queue-unbounded")
    await _read(connection, outlet)
    t.equal("when it reads again it gets", _said(connection), names[-MOST:], id=_dropped(connection, names))


def _dropped(connection: ScriptedConnection, names: list[str]) -> str:
    said = _said(connection)
    return "never-drained" if not said else "drops-newest" if said[0] == names[0] else "overtakes"


async def _read(connection: ScriptedConnection, outlet: Any) -> None:
    """Let the reader read again until nothing is left."""
    running = asyncio.ensure_future(outlet.run())
    connection.takes()
    await asyncio.wait([running], timeout=1.0)
    if running.done() and not running.cancelled() and running.exception() is not None:
        running.result()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _conflate(t: Transcript, make: Any) -> None:
    t.say('the same reader; policy "conflate"; the prices a1, b1, a2, then a notice without a key')
    connection, outlet = _slow(make, "conflate")
    for name in ("a1", "b1", "a2"):
        _give(t, outlet, name, key=name[0])
    _give(t, outlet, "notice")
    await _read(connection, outlet)
    said = _said(connection)
    id = "never-drained" if not said else "conflate-reorders" if set(said) == {"a2", "b1", "notice"} else ""
    t.equal("when it reads again it gets", said, ["b1", "a2", "notice"], id=id)
    t.say(f"{FRAMES} prices, each of another share")
    connection, outlet = _slow(make, "conflate")
    for number in range(FRAMES):
        _give(t, outlet, f"m{number}", key=number)
    _bounded(t, outlet, "conflate-unbounded")


async def _drains(t: Transcript, make: Any) -> None:
    t.say("a reader that is slow, reads, is given more, is slow again, and reads")
    connection, outlet = _slow(make, "drop oldest")
    running = asyncio.ensure_future(outlet.run())
    _give(t, outlet, "one", "two")
    connection.transport.full = False  # there is room, but the waiting frames are not written yet
    _give(t, outlet, "three")
    t.equal("written before what waits", _said(connection), [], id="overtakes")
    await asyncio.sleep(1.0)
    t.equal("heard", _said(connection), ["one", "two", "three"], id="never-drained")
    connection.transport.full = True
    _give(t, outlet, "four")
    await asyncio.sleep(1.0)
    t.equal("written while the buffer is full", _said(connection)[3:], [], id="queue-unbounded")
    connection.takes()
    await asyncio.sleep(1.0)
    t.equal("heard", _said(connection)[3:], ["four"], id="never-drained")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
