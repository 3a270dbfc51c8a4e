"""Step 2: a dead connection is noticed. Judged in virtual time: an hour of silence takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from midspan.checks import Transcript
from midspan.checks.lab3_failure.hints import HINTS
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.lab3_failure.searching import holds
from midspan.refusal import Words
from midspan.sim import Bounds, Cast, ClientSeat, Fault, HalfOpen, Moment, ServerSeat, play, simple

Heartbeat = Callable[[Any], Coroutine[Any, Any, None]]

CLOSE_TIMEOUT_S = 10.0  # of `websockets`: what close() waits for on a dead link
SLACK_S = 0.1  # a round trip, and what the answer may compute
WATCHED_S = 600.0  # how long the heartbeat is looked at when its connection is gone


@lab.step("A dead connection is noticed", minutes=20, lines=8, points=2, hints=HINTS["heartbeat"], limit_s=8.0)
def heartbeat(t: Transcript, heartbeat: Any, ours: Cast) -> None:
    _living(t, heartbeat)
    _dead(t, heartbeat, 2.0, 2.0)
    _dead(t, heartbeat, 0.5, 1.5)
    holds(t, ours, "heartbeat")


class _Quiet:
    """A server that listens and says nothing."""

    def __init__(self, seat: ServerSeat) -> None:
        pass

    async def handle(self, connection: Any) -> None:
        async for _ in connection:
            pass


class _Beating:
    """A client with nothing but a heartbeat: what it saw of the connection, and of the heartbeat."""

    def __init__(self, seat: ClientSeat, heartbeat: Heartbeat) -> None:
        self.seat, self.heartbeat = seat, heartbeat
        self.gone_s: float | None = None  # when the connection was gone
        self.ended = False  # the heartbeat, by itself
        self.raised: BaseException | None = None
        self.pings = 0

    def send(self, body: str) -> None:
        pass

    async def run(self) -> None:
        connection = await self.seat.connect()
        await connection.send("hello")
        self._count_pings(connection)
        beating = asyncio.ensure_future(self.heartbeat(connection))
        beating.add_done_callback(self._ended)
        await connection.wait_closed()
        self.gone_s = self.seat.now()
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


def _beaten(heartbeat: Heartbeat, *faults: Fault) -> tuple[float | None, _Beating]:
    """When the connection was gone, counted from the silence on if there was one; and what its client saw.

    An error of the answer's own is raised here; that the connection is closed is none.
    """
    clients: list[_Beating] = []

    def client(seat: ClientSeat) -> _Beating:
        clients.append(_Beating(seat, heartbeat))
        return clients[-1]

    history = play(Cast(_Quiet, client, Bounds(recovery_s=20.0)), simple(1, ("a",), faults=faults))
    silent_s = next((record.at_s for record in history if record.what == "silent"), 0.0)
    (one,) = clients
    if one.raised is not None and not isinstance(one.raised, ConnectionClosed):
        raise one.raised
    return (None if one.gone_s is None else one.gone_s - silent_s), one


def _living(t: Transcript, heartbeat: Any) -> None:
    t.say("a peer that answers each ping, for 40 s")
    gone_s, seen = _beaten(heartbeat)
    gone = Words(f"gone after {gone_s} s")
    t.true("the connection is kept", gone_s is None, got=gone, expected="a connection", id="heartbeat-kills-living")
    t.equal("the heartbeat raises nothing", seen.raised, None)
    ended = Words(f"it has ended, after {seen.pings} ping{'s' * (seen.pings != 1)}")
    t.true("the heartbeat goes on", not seen.ended, got=ended, expected="a ping now and then", id="heartbeat-stops")


def _dead(t: Transcript, heartbeat: Any, interval_s: float, timeout_s: float) -> None:
    bound_s = interval_s + timeout_s
    t.say(f"a link that goes silent; interval_s={interval_s:g}, timeout_s={timeout_s:g}")
    silent = HalfOpen(Moment("a", "up", 1, "after"))
    took_s, seen = _beaten(lambda connection: heartbeat(connection, interval_s, timeout_s), silent)
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


def _late(took_s: float | None, seen: _Beating) -> tuple[str, str]:
    """Why a dead connection was kept for too long: the misconception, or a sentence."""
    if took_s is not None:
        return ("close-waits" if took_s >= CLOSE_TIMEOUT_S else "heartbeat-late"), ""
    if seen.ended:
        return "", "The heartbeat has ended, and nobody has let go of the connection: transport.abort() does."
    if seen.pings == 1:
        return "", "It still waits for the pong of its first ping: give that wait a limit, timeout_s."
    return ("ping-not-awaited", "") if seen.pings else ("", "No ping was sent.")
