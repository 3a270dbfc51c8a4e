"""Steps 4a and 4b: what takes a message into a log, in Python and then as a script in the broker."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.grading import Transcript
from midspan.grading.transcript import Wrong
from midspan.labs.lab4_scaling.doubles import CheckBroker, broker_for_check
from midspan.labs.lab4_scaling.searching import lab
from midspan.simulation.nodes import NodeContext, shared_broker

# Step 4a: the decision on plain Python data.


TWIN_KEEP = 3  # entries that the log of this check keeps
LAST = 12  # of a's messages: "12" comes before "9" when texts are compared


class PlainLog:
    """A log on plain data; its facts are texts, as the broker keeps them."""

    def __init__(self, taken: Any) -> None:
        self._taken = taken
        self.facts: dict[str, str] = {"epoch": "e1"}
        self.stream: list[tuple[str, str]] = []

    def take(self, who: str, number: int, epoch: str = "e1") -> Any:
        """Ask the answer to take the message `number`, whose body is `who` and the number."""
        return self._taken(self.facts, self.stream, epoch, who, number, f"{who}{number}", TWIN_KEEP)


@lab.step(
    "The decision, in Python",
    minutes=25,
    lines=10,
    points=2,
    hints=(
        "This is lab 3's Inbox and Desk in one: is the message new, is it a copy, is one before "
        "it missing? And does the epoch belong to the sender or to the log?",
        'int(facts.get(f"safe {who}", 0)) is the number up to which the sender is safe. Write '
        'texts into facts: facts["end"] = str(offset). `del stream[:-keep]` leaves the last '
        "entries.",
        "safe = int(...). Return -1 if facts['epoch'] != epoch or number > safe + 1; return safe if number <= safe. "
        "Else the offset is int(facts.get('end', 0)) + 1: append the pair, trim the stream, write `end` and `safe`, "
        "return number.",
    ),
    words={
        "copy-taken": "Answer a copy like the first message, and do not append it again.",
        "gap-taken": (
            "Do not take a message that is not the sender's next one: the messages before it must come first."
        ),
        "ids-with-holes": "Entry 1, 2, 3, ... have the ids 1-0, 2-0, 3-0: then a cursor sees that none is missing.",
        "epoch-ignored": (
            "An offset is a place in one log. In another log, which has another epoch, it has no meaning."
        ),
        "log-unbounded": ("A log that is never trimmed grows for ever: keep only the last `keep` entries."),
    },
)
def twin(t: Transcript, taken: Any) -> None:
    log = PlainLog(taken)
    t.say("the log e1 is empty; a says its message 1, and says it again")
    t.equal("up to this number a is safe", log.take("a", 1), 1)
    t.equal("the copy: a is safe up to", log.take("a", 1), 1, id="copy-taken")
    t.equal("in the stream", log.stream, [("1-0", "a1")], id="copy-taken")
    t.equal("a's message 3, when 2 is missing", log.take("a", 3), -1, id="gap-taken")
    t.equal("a's message 2 for the log e0", log.take("a", 2, "e0"), -1, id="epoch-ignored")
    t.equal("in the stream", log.stream, [("1-0", "a1")], id="ids-with-holes")
    t.equal("b's message 1", log.take("b", 1), 1)
    t.equal("in the stream", log.stream, [("1-0", "a1"), ("2-0", "b1")], id="ids-with-holes")
    numbers = [name for name, fact in log.facts.items() if not isinstance(fact, str)]
    t.equal("facts that are no texts", numbers, [], because="The broker keeps texts: write str(...).")
    t.say(f"a says its messages 2 to {LAST}; keep is {TWIN_KEEP}")
    answers = [log.take("a", number) for number in range(2, LAST + 1)]
    t.equal("a is safe up to, one after the other", answers, list(range(2, LAST + 1)))
    t.equal("entries that are kept", len(log.stream), TWIN_KEEP, id="log-unbounded")
    t.equal("the last one", log.stream[-1], (f"{LAST + 1}-0", f"a{LAST}"), id="ids-with-holes")


# Step 4b: the same decision in the broker, where two nodes ask at once.


AT_ONCE = 8
KEEP, MANY = 100, 600  # entries that are kept, and entries that are written
SLACK = 200  # trimming by whole blocks is right too; a block of Valkey has 100 entries


@lab.step(
    "The script",
    minutes=30,
    lines=12,
    points=3,
    hints=(
        "The script does what your `taken` does, line by line. What is needed in Lua where `taken` has int(...)?",
        "In Lua: tonumber(redis.call('HGET', KEYS[2], 'safe ' .. ARGV[2]) or 0), `if ... then return -1 end`, `~=` for "
        "!=, and .. joins texts. `await log.broker.eval(take_script(), 2, *log.keys(room), ...)` gives what it "
        "returns.",
        "take_script: safe and number as numbers; return -1 if the epoch differs or number > safe + 1; return safe if "
        "number <= safe; else HINCRBY end, XADD, HSET safe, return number. take: None if the script says -1. resume: "
        "offset if epoch == place.epoch and place.start <= offset <= place.end else place.start.",
    ),
    words={
        "dedupe-in-the-node": (
            "The copy may come to another node than the first message. So the number up to which "
            "messages were taken must be in the broker, where all nodes can read it."
        ),
        "not-atomic": (
            "Between the read and the write of one node, another node can read too. Read, decide and "
            "append in one script."
        ),
        "numbers-as-text": (
            'The broker keeps texts, and the text "10" is less than "9": compare numbers, with tonumber(...).'
        ),
        "resumes-anywhere": (
            "A client that stands outside of the kept entries, or in another log, continues at the "
            "start of the kept entries."
        ),
    },
    limit_s=30.0,
    processes=True,
)
async def script(t: Transcript, take_script: Any, take: Any, resume: Any, Log: Any) -> None:  # noqa: N803
    text = take_script()
    t.true("take_script() is a text", isinstance(text, str), got=text, expected="the text of a script")
    with shared_broker():  # one broker for all parts of this check
        async with broker_for_check() as broker:
            contexts = [broker.context(name) for name in ("n1", "n2")]
            first, second = (Log(broker.link(context.name), context) for context in contexts)
            epoch = await _takes(t, broker, contexts[0], first, second)
            await _takes_at_once(t, broker, contexts[0], epoch, first, second)
            await _counts_on(t, first, epoch)
        _resumes(t, take, resume)
        async with broker_for_check() as broker:
            await _is_bounded(t, broker, Log)


async def _entries(broker: CheckBroker, context: NodeContext) -> list[tuple[str, str]]:
    """Return the entries of the stream of room "red"."""
    entries: Any = await broker.admin.xrange(context.stream("red"))
    return [(id, fields.get("body", "")) for id, fields in entries]


async def _takes(t: Transcript, broker: CheckBroker, context: NodeContext, first: Any, second: Any) -> str:
    t.say("a says one on n1; the answer is lost, and a says it again on n2")
    epoch = (await first.open("red", "a", 1)).epoch
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
    t: Transcript, broker: CheckBroker, context: NodeContext, epoch: str, first: Any, second: Any
) -> None:
    t.say(f"a's message 3 comes {AT_ONCE} times at once, on both nodes; an old link is still at work")
    asking = [_taken([first, second][turn % 2], epoch, 3, "three") for turn in range(AT_ONCE)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    bodies = [body for _, body in await _entries(broker, context)]
    t.equal("how often it is in the stream", bodies.count("three"), 1, id="not-atomic")
    t.equal("each is answered", answers, [3] * AT_ONCE, id="not-atomic")


async def _counts_on(t: Transcript, log: Any, epoch: str) -> None:
    t.say(f"a says its messages 4 to {LAST}")
    answers = [await _taken(log, epoch, number, "again") for number in range(4, LAST + 1)]
    t.equal("a is safe up to, one after the other", answers, list(range(4, LAST + 1)), id="numbers-as-text")


def _resumes(t: Transcript, take: Any, resume: Any) -> None:
    place = take.__globals__["Place"]("e1", 10, 20, 0)
    t.say("red's log e1 keeps its entries 11 to 20")
    for offset in (15, 10, 20):
        t.equal(f"a client at {offset} of e1 goes on at", resume(place, "e1", offset), offset, id="resumes-anywhere")
    t.equal("a client at 15 of another log goes on at", resume(place, "e0", 15), 10, id="epoch-ignored")
    t.equal("a client at 4 of e1", resume(place, "e1", 4), 10, id="resumes-anywhere")
    t.equal("a client that says 25 of e1, beyond the end", resume(place, "e1", 25), 10, id="resumes-anywhere")


async def _is_bounded(t: Transcript, broker: CheckBroker, make: Any) -> None:
    t.say(f"KEEP is {KEEP}, and a says {MANY} messages")
    context = broker.context("n1")
    log = make(broker.link("n1"), context)
    names = log.take.__func__.__globals__
    kept = names["KEEP"]
    try:
        names["KEEP"] = KEEP
        epoch = (await log.open("red", "a", 1)).epoch
        for number in range(1, MANY + 1):
            await _taken(log, epoch, number, "again")
    finally:
        names["KEEP"] = kept
    entries = await broker.admin.xlen(context.stream("red"))
    t.true("entries in the stream", entries <= KEEP + SLACK, got=entries, expected=f"about {KEEP}", id="log-unbounded")
    place = await log.open("red", "a", 1)
    if place.end - place.start != entries:
        raise Wrong(MISSING)


MISSING = "The entries of a room are 1-0, 2-0, 3-0, ... without a hole: `start` is the last offset less the length."
