"""Step 7: what goes to one connection is never waited for, and never more than a bound."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.checks.lab4_scaling.doubles import Connection, frame
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab
from midspan.refusal import Words

MOST = 3
FRAMES = 5000


@lab.step("One slow reader", minutes=40, lines=21, points=4, hints=HINTS["outlet"], limit_s=8.0)
def outlet(t: Transcript, Outlet: Any) -> None:  # noqa: N803
    in_virtual_time(_free(t, Outlet))
    in_virtual_time(_let_go(t, Outlet))
    in_virtual_time(_drop_oldest(t, Outlet))
    in_virtual_time(_conflate(t, Outlet))
    in_virtual_time(_drains(t, Outlet))


def _said(connection: Connection) -> list[Any]:
    return [message[0] for message in connection.heard]


def _give(t: Transcript, outlet: Any, *names: str, key: Any = None) -> None:
    for name in names:
        given = outlet.give(frame(f'["{name}"]'), *([key] if key is not None else []))
        if inspect.iscoroutine(given):
            given.close()
            t.fail("give() returns at once", got=Words("a coroutine"), expected="a plain method", id="awaits-the-slow")


def _slow(make: Any, policy: str) -> tuple[Connection, Any]:
    connection = Connection()
    connection.transport.full = True
    return connection, make(connection, policy, MOST)


async def _free(t: Transcript, make: Any) -> None:
    t.say("a reader that keeps up")
    connection = Connection()
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
        "then it is let go of",
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
    t.equal("when it reads again it hears", _said(connection), names[-MOST:], id=_dropped(connection, names))


def _dropped(connection: Connection, names: list[str]) -> str:
    said = _said(connection)
    return "never-drained" if not said else "drops-newest" if said[0] == names[0] else "overtakes"


async def _read(connection: Connection, outlet: Any) -> None:
    """The reader reads again, for as long as it likes."""
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
    t.equal("when it reads again it hears", said, ["b1", "a2", "notice"], id=id)
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
    connection.transport.full = False  # there is room, and what waits is not written yet
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
