"""Steps 1 and 2: a session without faults, and a heartbeat that notices a dead connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import (
    ListeningConnection,
    MemoryOutbox,
    ended,
    in_virtual_time,
    lab,
    search_holds,
    start_sender,
)
from midspan.simulation import (
    PREDICATES,
    Bounds,
    ClientContext,
    Fault,
    HalfOpen,
    Implementation,
    ServerContext,
    Trigger,
    judge,
    play,
    simple,
)

# Step 1: a session without faults. The verdict of a run without faults is vacuous.


@lab.step(
    "A session on a good day",
    minutes=10,
    lines=7,
    points=1,
    hints=(
        "Repeat two actions for ever: send the messages of the outbox that were not sent yet; "
        "wait until there are more.",
        "`self.outbox.after(self.sent)` gives (number, body) pairs. `self.more` is an asyncio.Event that the client "
        "sets when the application says something.",
        "Inside `with contextlib.suppress(ConnectionClosed):` a `while True:` with self.more.clear(), the for loop "
        'that sends json.dumps(["say", number, body]) and sets self.sent, and await self.more.wait().',
    ),
    words={
        "sender-stops": (
            "When all messages are sent, the sender must wait for more: the application may add a message at any time."
        ),
        "sender-repeats": "Do not send a message twice on the same connection.",
        "sender-raises": (
            "The end of the connection is no error of the sender: put "
            "contextlib.suppress(ConnectionClosed) around the loop."
        ),
        "sender-never-waits": "The loop never waits: `more` was never cleared, so each wait() returns at once.",
    },
    limit_s=8.0,
)
def sender(t: Transcript, Sender: Any, ours: Implementation) -> None:  # noqa: N803 - the answer is a class
    in_virtual_time(_sends(t, Sender))
    t.say("a and b say two messages each, and nothing goes wrong")
    verdicts = judge(play(ours, simple(4, gap_s=0.1)))
    if "NotImplementedError" in verdicts["no_crash"].reason:
        raise NotImplementedError
    for name in ("no_crash", "no_loss", "no_duplicate", "order", "liveness"):
        verdict = verdicts[name]
        wrong = verdict.outcome == "violated"
        t.true(str(PREDICATES[name]), not wrong, got=Words(verdict.reason), expected="no violation")
    t.note(f"The verdict on no_loss is {verdicts['no_loss'].outcome}: {verdicts['no_loss'].reason}")


async def _sends(t: Transcript, make: Any) -> None:
    t.say("two messages are in the outbox, a third comes later")
    outbox, line = MemoryOutbox(), ListeningConnection()
    outbox.put("one", "two")
    sender = make(outbox)
    running = await start_sender(sender, line)
    t.equal("the two are sent, in order", line.said, [["say", 1, "one"], ["say", 2, "two"]])
    t.true(
        "the sender waits for more", not running.done(), got="run() has returned", expected="waiting", id="sender-stops"
    )
    outbox.put("three")
    sender.more.set()
    await asyncio.sleep(1.0)
    ended(running)
    t.equal("then the third, once", line.said[2:], [["say", 3, "three"]], id=_third(line.said))
    line.cut()
    outbox.put("four")
    sender.more.set()
    await asyncio.wait([running], timeout=1.0)
    t.equal("when the connection ends, run() ends without an error", ended(running), None, id="sender-raises")
    running.cancel()


def _third(said: list[Any]) -> str:
    return "sender-repeats" if len(said) > 3 else "sender-stops"


# Step 2: a dead connection is noticed. Judged in virtual time, in which an hour of silence takes no real time.


Heartbeat = Callable[[Any], Coroutine[Any, Any, None]]

CLOSE_TIMEOUT_S = 10.0  # of `websockets`: how long close() waits on a dead link
SLACK_S = 0.1  # for a round trip and the answer's own work
WATCHED_S = 600.0  # how long the heartbeat is watched after its connection has ended


@lab.step(
    "A dead connection is noticed",
    minutes=20,
    lines=8,
    points=2,
    hints=(
        "A sign of life is an action of the other end. What does its WebSocket library do when it gets a ping?",
        "`waiter = await connection.ping()` sends; `await waiter` is the pong. `async with "
        "asyncio.timeout(timeout_s):` ends a wait with TimeoutError.",
        "Sleep interval_s, ping, wait for the pong for timeout_s at most; on TimeoutError "
        "connection.transport.abort(). The next ping then raises ConnectionClosed, which ends the loop.",
    ),
    words={
        "ping-not-awaited": (
            "Sending a ping proves nothing: on a dead link it goes into a buffer. Only its pong is a sign of life."
        ),
        "close-waits": (
            "close() sends a close frame and waits for the answer. On a dead link that takes "
            "close_timeout seconds more. transport.abort() ends the connection at once."
        ),
        "heartbeat-late": (
            "The bound is interval_s + timeout_s after the last sign of life: one wait for the next ping, "
            "one for its pong."
        ),
        "heartbeat-kills-living": "A peer that answers is alive: the heartbeat must not end its connection.",
        "heartbeat-raises": "When the connection ends, the heartbeat ends too, without an error.",
        "heartbeat-stops": (
            "A heartbeat lasts as long as its connection: one pong proves nothing for the next minute."
        ),
        "heartbeat-outlives": "A closed connection needs no heartbeat: end it.",
    },
    limit_s=8.0,
)
def heartbeat(t: Transcript, heartbeat: Any, ours: Implementation) -> None:
    _live_connection(t, heartbeat)
    _dead_connection(t, heartbeat, 2.0, 2.0)
    _dead_connection(t, heartbeat, 0.5, 1.5)
    search_holds(t, ours, "heartbeat")


class _SilentServer:
    """A server that reads and sends nothing."""

    def __init__(self, context: ServerContext) -> None:
        pass

    async def handle(self, connection: Any) -> None:
        async for _ in connection:
            pass


class _HeartbeatClient:
    """A client with only a heartbeat; it records what happened to the connection and to the heartbeat."""

    def __init__(self, context: ClientContext, heartbeat: Heartbeat) -> None:
        self.context, self.heartbeat = context, heartbeat
        self.gone_s: float | None = None  # when the connection had ended
        self.ended = False  # whether the heartbeat returned
        self.raised: BaseException | None = None
        self.pings = 0

    def send(self, body: str) -> None:
        pass

    async def run(self) -> None:
        connection = await self.context.connect()
        await connection.send("hello")
        self._count_pings(connection)
        beating = asyncio.ensure_future(self.heartbeat(connection))
        beating.add_done_callback(self._ended)
        await connection.wait_closed()
        self.gone_s = self.context.now()
        await asyncio.sleep(WATCHED_S)

    def _count_pings(self, connection: Any) -> None:
        ping = connection.ping

        def counted(*data: Any) -> Any:
            self.pings += 1
            return ping(*data)

        connection.ping = counted

    def _ended(self, beating: asyncio.Future[None]) -> None:
        if not beating.cancelled():
            self.ended, self.raised = True, beating.exception()


def _run_heartbeat(heartbeat: Heartbeat, *faults: Fault) -> tuple[float | None, _HeartbeatClient]:
    """Run a heartbeat; return when its connection ended (seconds since the silence, if there was one), and its client.

    Raise an error of the answer; the closed connection's exception is not such an error.
    """
    clients: list[_HeartbeatClient] = []

    def client(context: ClientContext) -> _HeartbeatClient:
        clients.append(_HeartbeatClient(context, heartbeat))
        return clients[-1]

    history = play(Implementation(_SilentServer, client, Bounds(recovery_s=20.0)), simple(1, ("a",), faults=faults))
    silent_s = next((record.at_s for record in history if record.what == "silent"), 0.0)
    (one,) = clients
    if one.raised is not None and not isinstance(one.raised, ConnectionClosed):
        raise one.raised
    return (None if one.gone_s is None else one.gone_s - silent_s), one


def _live_connection(t: Transcript, heartbeat: Any) -> None:
    t.say("a peer that answers each ping, for 40 s")
    gone_s, seen = _run_heartbeat(heartbeat)
    gone = Words(f"gone after {gone_s} s")
    t.true("the connection is kept", gone_s is None, got=gone, expected="a connection", id="heartbeat-kills-living")
    t.equal("the heartbeat raises nothing", seen.raised, None)
    ended = Words(f"it has ended, after {seen.pings} ping{'s' * (seen.pings != 1)}")
    t.true("the heartbeat goes on", not seen.ended, got=ended, expected="a ping now and then", id="heartbeat-stops")


def _dead_connection(t: Transcript, heartbeat: Any, interval_s: float, timeout_s: float) -> None:
    bound_s = interval_s + timeout_s
    t.say(f"a link that goes silent; interval_s={interval_s:g}, timeout_s={timeout_s:g}")
    silent = HalfOpen(Trigger("a", "up", 1, "after"))
    took_s, seen = _run_heartbeat(lambda connection: heartbeat(connection, interval_s, timeout_s), silent)
    id, because = _late(took_s, seen)
    t.true(
        f"the connection is gone within {bound_s:g} s",
        took_s is not None and took_s <= bound_s + SLACK_S,
        got=Words("never, within 40 s" if took_s is None else f"after {took_s:.2f} s"),
        expected=f"{bound_s:g} s at most",
        because=because,
        id=id,
    )
    t.equal("the heartbeat ends without an error", seen.raised, None, id="heartbeat-raises")
    on = Words("it goes on, without a connection")
    t.true("the heartbeat has ended", seen.ended, got=on, expected="its end", id="heartbeat-outlives")


def _late(took_s: float | None, seen: _HeartbeatClient) -> tuple[str, str]:
    """Return why a dead connection was kept for too long: the misconception and a sentence; one of them may be ""."""
    if took_s is not None:
        return ("close-waits" if took_s >= CLOSE_TIMEOUT_S else "heartbeat-late"), ""
    if seen.ended:
        return "", "The heartbeat has ended, and the connection is still open: transport.abort() ends it."
    if seen.pings == 1:
        return "", "It still waits for the pong of its first ping: give that wait a limit, timeout_s."
    return ("ping-not-awaited", "") if seen.pings else ("", "No ping was sent.")
