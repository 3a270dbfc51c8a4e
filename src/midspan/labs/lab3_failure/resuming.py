"""Steps 9 to 11: a feed that misses no entry, authentication; then all guarantees at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.exceptions import ConnectionClosedError

from midspan.errors import Words, need
from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import (
    SEARCHES,
    ListeningConnection,
    Search,
    in_virtual_time,
    lab,
    run_search,
    search_holds,
)
from midspan.simulation import Entry, Implementation, judge, negative_control, play, simple


@lab.step(
    "Snapshot and subscription without a race",
    minutes=20,
    lines=7,
    points=2,
    hints=(
        "At which moment can an entry be added that the feed never sends? Between which two lines?",
        "`log.grew` is an event that is set when the next entry is added, and is then replaced by a new one. Take "
        "it before you read.",
        "In the loop: grew = log.grew; send all of await log.after(offset), each moves offset; if offset == "
        "log.end: await grew.wait().",
    ),
    words={
        "subscribe-after-snapshot": (
            "An entry that is added between the read and the wait is in neither of them: the feed never sends it."
        ),
        "woken-too-late": (
            "Take the event before you read: an entry that is added during the read sets that event, and not the "
            "next one."
        ),
        "feed-polls": (
            "A feed that reads again and again wakes up when there is nothing to send, and sends a new entry late."
        ),
    },
    limit_s=8.0,
)
def feed(t: Transcript, feed: Any, ours: Implementation) -> None:
    in_virtual_time(_feeds(t, feed))
    in_virtual_time(_races(t, feed))
    search_holds(t, ours, "feed")


class Growing:
    """A log whose reads take `read_s` seconds; it counts them."""

    def __init__(self, read_s: float, most: int = 10) -> None:
        self.read_s, self.most, self.reads = read_s, most, 0
        self.bodies: list[str] = []
        self.tail: list[tuple[int, str]] = []
        self.grew = asyncio.Event()
        self.epoch, self.store = "e1", self

    async def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """Return what its store would read."""
        found = [Entry(body, {}) for body in self.bodies[after:][:most]]
        await asyncio.sleep(self.read_s)
        return found

    @property
    def end(self) -> int:
        return len(self.bodies)

    def add(self, *bodies: str) -> None:
        for body in bodies:
            self.bodies.append(body)
            self.tail = [(self.end, body)]
            self.grew.set()
            self.grew = asyncio.Event()

    async def after(self, offset: int) -> list[tuple[int, str]]:
        self.reads += 1
        found = list(enumerate(self.bodies, start=1))[offset : offset + self.most]
        if self.read_s:
            await asyncio.sleep(self.read_s)
        return found


async def _feeds(t: Transcript, feed: Any) -> None:
    t.say("a log of three entries, read two at a time; a client stands at 1")
    log, line = Growing(0.01, most=2), ListeningConnection('["entry", offset, body]')
    log.add("one", "two", "three")
    running = asyncio.ensure_future(feed(line, log, 1))
    await asyncio.sleep(1.0)
    _raise(running)
    t.equal("it is sent", line.said, [["entry", 2, "two"], ["entry", 3, "three"]])
    t.say("nothing happens for half an hour; then an entry is added")
    before = log.reads
    await asyncio.sleep(1800.0)
    t.equal("reads meanwhile", log.reads - before, 0, id="feed-polls")
    log.add("four")
    await asyncio.sleep(0.02)
    t.equal("it is sent at once", line.said[2:], [["entry", 4, "four"]], id="woken-too-late")
    line.cut()
    log.add("five")
    await asyncio.wait([running], timeout=1.0)
    _raise(running)
    running.cancel()


async def _races(t: Transcript, feed: Any) -> None:
    for n in range(1, 5):
        moment_s = 0.05 * n
        t.say(f"a read takes 0.1 s; entries are added after {moment_s:g} s, and while those are read")
        log, line = Growing(0.1), ListeningConnection('["entry", offset, body]')
        log.add("one")
        running = asyncio.ensure_future(feed(line, log, 0))
        await asyncio.sleep(moment_s)
        log.add("two")
        await asyncio.sleep(0.05)
        log.add("three", "four")
        await asyncio.sleep(2.0)
        _raise(running)
        running.cancel()
        sent = [body for _, _, body in line.said]
        expected = ["one", "two", "three", "four"]
        id = "woken-too-late" if expected[: len(sent)] == sent else "subscribe-after-snapshot"
        t.equal("all are sent, in order", sent, expected, id=id)


def _raise(task: asyncio.Future[None]) -> None:
    if task.done() and not task.cancelled():
        task.result()


@lab.step(
    "A client that comes back is asked again",
    minutes=10,
    lines=8,
    points=2,
    hints=(
        "Which check does the first draft leave out, and for which clients?",
        "`authorise(who, token)` for every client. asyncio.timeout(TIMEOUT_S) for a client that says nothing.",
        "_, who, token, *place = json.loads(await connection.recv()) inside the timeout; on TimeoutError "
        "connection.transport.abort(); not authorised: await connection.close(NOT_AUTHORISED, ...) and return None.",
    ),
    words={
        "resume-unauthorised": (
            "A client can lose its right while the link is down: ask on each connection, resumed or not."
        ),
        "greeting-waits-for-ever": "A client that connects and sends no hello must not keep its connection for ever.",
    },
    limit_s=8.0,
)
def greet(t: Transcript, greet: Any, ours: Implementation) -> None:
    in_virtual_time(_greets(t, greet))
    search_holds(t, ours, "greet")


class Caller(ListeningConnection):
    """The server's end of a connection whose client sends one message or none."""

    def __init__(self, *hello: object) -> None:
        super().__init__()
        self.hello = hello
        self.closed_with: list[int] = []
        self.gone = asyncio.Event()

    @property
    def transport(self) -> Caller:
        return self

    def abort(self) -> None:
        self.gone.set()

    async def recv(self) -> str:
        if self.hello:
            return json.dumps(self.hello)
        await self.gone.wait()
        raise ConnectionClosedError(None, None)

    async def close(self, code: int = 1000, _: str = "") -> None:
        self.closed_with.append(code)
        self.gone.set()


def _only_a(who: str, token: str) -> bool:
    return (who, token) == ("a", "secret")


async def _greets(t: Transcript, greet: Any) -> None:
    for place, what in ((("", 0, 1), "for the first time"), (("e1", 7, 4), "and resumes")):
        t.say(f"a client comes {what}")
        caller = Caller("hello", "a", "secret", *place)
        came = await greet(caller, _only_a)
        t.equal("a, with the right token, is let in", tuple(came or ()), ("a", *place))
        for who, token in (("a", "wrong"), ("b", "secret")):
            caller = Caller("hello", who, token, *place)
            t.equal(
                f"{who}, with the token {token!r}, is not", await greet(caller, _only_a), None, id="resume-unauthorised"
            )
            t.equal("the connection is closed with", caller.closed_with, [4401], because="The client must learn why.")
    t.say("a client connects and says nothing")
    caller = Caller()
    waiting = asyncio.ensure_future(greet(caller, _only_a))
    await asyncio.wait([waiting], timeout=5.0)
    let_go = caller.gone.is_set()
    waiting.cancel()
    t.true(
        "within 5 s the connection is ended",
        let_go,
        got="it still waits",
        expected="the end",
        id="greeting-waits-for-ever",
    )


# Step 11: all guarantees at once, and a control: a session of the learner's that must not pass, since a check that
# cannot fail proves nothing.


@lab.step(
    "A control that must not pass",
    minutes=20,
    lines=5,
    points=3,
    hints=(
        "Take our session and one of the misconceptions that you have met. What would a careless colleague change?",
        "A subclass of Server or Client can replace a part after super().__init__(context): self.inbox.judge, for "
        "instance.",
        "class Careless(Server): in __init__ call super().__init__(context), then self.inbox.judge = lambda who, "
        'number: "new". Return Implementation(Careless, Client).',
    ),
    words={
        "control-passes": (
            "A control that passes shows that the check cannot fail, or that the control has no mistake."
        ),
        "control-breaks-nothing-else": "A control has one mistake: without faults it works.",
    },
    limit_s=12.0,
)
def control(t: Transcript, broken: Any, ours: Implementation) -> None:
    search_holds(t, ours, "control")
    ours_fails(t)
    implementation = broken()
    works(t, implementation, "broken()", id="control-breaks-nothing-else")
    does_not_pass(t, implementation, "control", "broken()", SEARCHES["control"], id="control-passes")


def works(t: Transcript, implementation: object, called: str, *, id: str) -> None:
    """Check that the learner's control is an implementation, and violates nothing in a run without faults."""
    need(
        isinstance(implementation, Implementation),
        "an Implementation",
        implementation,
        "Return Implementation(YourServer, YourClient)",
    )
    assert isinstance(implementation, Implementation)
    t.say(f"{called}: two clients, no fault")
    verdicts = judge(play(implementation, simple(4, gap_s=0.1))).values()
    wrong = [str(verdict) for verdict in verdicts if verdict.outcome == "violated"]
    t.equal("it works", wrong, [], id=id)


def does_not_pass(
    t: Transcript, implementation: Implementation, step: str, called: str, searches: tuple[Search, ...], *, id: str
) -> None:
    """Check that the search of a step finds a schedule in which the control violates a guarantee."""
    (search,) = searches
    t.say(f"{called}: {search.seeds} schedules: {search.faults}")
    example = run_search(implementation, search, step).example
    caught = Words("no violation")
    t.true("it does not pass", example is not None, got=caught, expected="a violation", id=id)
    assert example is not None
    t.note(f"{example.predicate} is violated: {example.reason}")
    t.note(f"the smallest schedule: {example.schedule}")


def ours_fails(t: Transcript) -> None:
    """Check that the package's own control fails; if it passed, the check would be wrong."""
    findings = negative_control(range(20))
    got = Words(f"{findings.outcomes['violated']} of {findings.runs} schedules violated")
    t.true("the package's own control is caught", findings.outcome == "violated", got=got, expected="violations")
