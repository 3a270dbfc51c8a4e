"""Step 3: a lost connection comes back."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
)
from websockets.frames import Close
from websockets.http11 import Response

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import in_virtual_time, lab, search_holds
from midspan.simulation import Implementation

LONG_S = 4 * 3600.0  # longer than a whole story
REFUSED, TIMED_OUT = ConnectionRefusedError(111, "Connect call failed"), TimeoutError("timed out")
BROKEN, BY_PROXY = InvalidMessage("did not receive a valid HTTP response"), InvalidStatus(Response(502, "", Headers()))
BROKEN.__cause__ = EOFError("connection closed while reading HTTP status line")  # as `websockets.connect` raises it
CUT = ConnectionClosedError(None, None)
AWAY = ConnectionClosedError(Close(1001, "going away"), None)
NOT_YOU = ConnectionClosedError(Close(4401, "not authorised"), None)
OPENING = OSError, InvalidHandshake  # errors that end an attempt, not a session
Story = tuple[tuple[str, BaseException | None], ...]
STORY: Story = (
    ("an attempt is refused", REFUSED),
    ("an attempt times out", TIMED_OUT),
    ("an attempt breaks while it opens", BROKEN),
    ("an attempt is answered with 502, by a proxy", BY_PROXY),
    ("a session ends by itself", None),
    ("a session is cut", CUT),
    ("a session is closed with 1001", AWAY),
)
DOWN, UNWELCOME = 2000, 20  # attempts: no server for more than an hour, then a server that sends no welcome
OUTAGE: Story = (*(("refused", REFUSED),) * DOWN, *(("cut", CUT),) * UNWELCOME)
ATTEMPTS = range(12)
DRAWS = 200
STEPS_TO_CAP = 6  # 0.1 s, doubled six times, is more than 5 s


@lab.step(
    "A lost connection comes back",
    minutes=25,
    lines=12,
    points=3,
    hints=(
        "Full jitter: draw evenly between 0 and a ceiling that doubles with each attempt, up to the cap.",
        "`rng.uniform(0, ceiling)`. A float ends near 2**1024: bound the exponent. `closed.rcvd` is the close frame "
        "that came, or None; its `.code` says why. `InvalidHandshake`, of `websockets.exceptions`, is no OSError.",
        "In a `while True:` try `await client.session(await client.connect())`; except ConnectionClosed: return if "
        "closed.rcvd and closed.rcvd.code == NOT_AUTHORISED; except (OSError, InvalidHandshake): pass. Then sleep, "
        "and client.attempt += 1.",
    ),
    words={
        "no-jitter": (
            "Clients that lost their server together and wait equally long come back at the same moment, each time."
        ),
        "no-cap": "A wait that doubles without a cap is soon longer than the outage was.",
        "no-backoff": "Clients that try without a pause overload a server that is starting.",
        "backoff-overflows": (
            "A link can be down for thousands of attempts, and then 2**attempt is too large for a float."
        ),
        "no-reconnect": (
            "A refused attempt, a timeout, a lost connection: after each of them we wait and connect again."
        ),
        "opening-ends-it": (
            "A connection can break while it opens, and a proxy can answer for a server that is down: "
            "websockets then raises an InvalidHandshake, which is no OSError. The next attempt may succeed."
        ),
        "never-gives-up": "The close code says that the client has no right: another attempt changes nothing.",
        "gives-up": (
            "An outage can last for any number of attempts: many attempts are a reason to wait longer, not to stop."
        ),
        "not-counted": "Without a count, each wait is as short as the first: client.attempt += 1.",
        "reset-by-connection": (
            "A server can accept a connection and close it before the welcome. Only the welcome sets "
            "client.attempt back to 0."
        ),
    },
    limit_s=8.0,
)
def reconnect(t: Transcript, backoff: Any, stay_connected: Any, ours: Implementation) -> None:
    _waits(t, backoff)
    in_virtual_time(_stays(t, stay_connected), limit_s=2 * LONG_S)
    in_virtual_time(_lasts(t, stay_connected), limit_s=2 * LONG_S)
    search_holds(t, ours, "reconnect")


def _waits(t: Transcript, backoff: Any) -> None:
    rng = random.Random(1)
    t.say(f"{DRAWS} waits after each of the attempts 0 to {ATTEMPTS[-1]}, between base_s=0.1 and cap_s=5")
    drawn = [[backoff(attempt, rng, 0.1, 5.0) for _ in range(DRAWS)] for attempt in ATTEMPTS]
    longest, shortest = [max(waits) for waits in drawn], [min(waits) for waits in drawn]
    t.true("none is longer than 5 s", max(longest) <= 5.0, got=max(longest), expected="5 s at most", id="no-cap")
    t.true("none is negative", min(shortest) >= 0, got=min(shortest), expected="0 s or more")
    allowed = [min(5.0, 0.1 * 2**attempt) for attempt in ATTEMPTS]
    over = [n for n, (most, limit) in enumerate(zip(longest, allowed, strict=True)) if most > limit + 1e-9]
    came = Words(f"a longer wait after the attempts {', '.join(map(str, over))}")
    t.true("none is longer than base_s * 2**attempt", not over, got=came, expected="that at most")
    alike = [n for n in ATTEMPTS if longest[n] - shortest[n] < 0.4 * allowed[n] and longest[n]]
    same = Words(f"nearly the same wait each time, after the attempts {', '.join(map(str, alike))}")
    t.true("they differ from client to client", not alike, got=same, expected="waits that differ", id="no-jitter")
    t.true(
        "later waits are longer",
        longest[8] > 4 * longest[0],
        got=longest[8],
        expected="more than before",
        id="no-backoff",
    )
    t.say("the attempt 5000: the link has been down for hours")
    try:
        wait_s = backoff(5000, rng, 0.1, 5.0)
    except OverflowError as error:
        wait_s = error
    fits = not isinstance(wait_s, Exception) and 0 <= wait_s <= 5
    t.true("we wait for 5 s at most", fits, got=wait_s, expected="0 to 5 s", id="backoff-overflows")


class _Ended:
    """A connection after its session has ended: close code and reason, as `websockets` has them."""

    def __init__(self) -> None:
        self.close_code: int | None = None
        self.close_reason: str | None = None

    def end(self, error: BaseException | None) -> None:
        closed = error.rcvd if isinstance(error, ConnectionClosed) else Close(1000, "")
        self.close_code, self.close_reason = (closed.code, closed.reason) if closed else (1006, "")


class _StoryClient:
    """A client whose attempts go as a story says, one after the other; after the story it is not authorised."""

    def __init__(self, story: Story = STORY) -> None:
        self.story = story
        self.attempt, self.rng = 0, random.Random(2)
        self.at_s: list[float] = []
        self.counted: list[int] = []  # the value of `attempt` when each attempt began
        self.asked_again = asyncio.Event()

    async def connect(self) -> _Ended:
        self.at_s.append(asyncio.get_running_loop().time())
        self.counted.append(self.attempt)
        if len(self.at_s) > len(self.story) + 3:
            self.asked_again.set()
            await asyncio.sleep(LONG_S)
        error = self._next_error()
        if isinstance(error, OPENING):
            raise error
        return _Ended()

    async def session(self, connection: _Ended) -> None:
        await asyncio.sleep(0.05)
        error = self._next_error()
        connection.end(error)
        if error is not None:
            raise error

    def _next_error(self) -> BaseException | None:
        n = len(self.at_s) - 1
        return self.story[n][1] if n < len(self.story) else NOT_YOU


async def _run_story(client: _StoryClient, stay_connected: Any) -> BaseException | None:
    """Run `stay_connected` through the client's story; return what it raised, if anything."""
    staying = asyncio.ensure_future(stay_connected(client))
    again = asyncio.ensure_future(client.asked_again.wait())
    await asyncio.wait([staying, again], return_when=asyncio.FIRST_COMPLETED, timeout=LONG_S)
    again.cancel()
    error = staying.exception() if staying.done() else None
    staying.cancel()
    if isinstance(error, NotImplementedError):
        raise error
    return error


async def _stays(t: Transcript, stay_connected: Any) -> None:
    client = _StoryClient()
    error = await _run_story(client, stay_connected)
    for n, (what, why) in enumerate(STORY, start=1):
        t.true(
            f"{what}: it is tried again",
            len(client.at_s) > n,
            got=_became(error),
            expected="another attempt",
            id="opening-ends-it" if isinstance(why, InvalidHandshake) else "no-reconnect",
        )
    gaps = [two - one for one, two in zip(client.at_s, client.at_s[1:], strict=False)]
    t.true(
        "we wait before each",
        all(gap > 0 for gap in gaps),
        got=Words(f"waits of {min(gaps):g} s"),
        expected="some time",
        id="no-backoff",
    )
    t.say("the server closes with 4401: not authorised")
    t.true(
        "it is not tried again",
        not client.asked_again.is_set(),
        got=Words("another attempt"),
        expected="the end",
        id="never-gives-up",
    )
    t.equal("and stay_connected returns", error, None, id="never-gives-up")


async def _lasts(t: Transcript, stay_connected: Any) -> None:
    t.say(f"a long outage: {DOWN:,} attempts are refused, then {UNWELCOME} connections cut before their welcome")
    client = _StoryClient(OUTAGE)
    error = await _run_story(client, stay_connected)
    tried = len(client.at_s) > len(OUTAGE)
    t.true("it is tried again each time", tried, got=_became(error), expected="another attempt", id="gives-up")
    counted = client.counted[: len(OUTAGE)]
    grown = counted == sorted(counted) and counted[-1] >= STEPS_TO_CAP
    id = "reset-by-connection" if any(counted) else "not-counted"
    what = "client.attempt counts all of them, since no welcome came"
    t.true(what, grown, got=_counts(counted), expected="0, 1, 2, ...", id=id)


def _counts(counted: list[int]) -> Words:
    """Show the counts of the attempts, from the first connection on that was cut."""
    return Words(f"{', '.join(map(str, counted[:4]))}, ..., {', '.join(map(str, counted[DOWN - 2 : DOWN + 4]))}, ...")


def _became(error: BaseException | None) -> object:
    return Words("the end of stay_connected") if error is None else error
