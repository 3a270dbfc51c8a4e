"""Step 8: write without waiting, with a bound. The other end reads nothing until it is told to."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.checks.lab5_overhead.doubles import Slow
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import beats, costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.refusal import Words
from midspan.sim import Cast, Disk, Store

ROOM_BYTES = 2**16  # that may wait, as the notebook says
BODY = 2**12 * "x"
MANY = 64  # bodies of that size: four times as much as there is room


@lab.step("Write without waiting, with a bound", minutes=20, lines=7, points=2, hints=HINTS["path"], limit_s=15.0)
def path(t: Transcript, flush: Any, ours: Cast) -> None:
    names = getattr(flush, "__globals__", {})
    in_virtual_time(_writes(t, names))
    in_virtual_time(_counts(t, names))
    in_virtual_time(_keeps_its_bound(t, names))
    in_virtual_time(_reads_the_store(t, names))
    holds(t, ours, "path")
    beats(t, costs_at_most(t, ours))


class _Whole:
    """A wire whose messages are the bodies as they are: what is not deflated has the size that it has."""

    def write(self, packets: list[tuple[str, str]]) -> bytes:
        return b"".join(body.encode() + b"\n" for kind, body in packets if kind == "body")


def _line(names: dict[str, Any], keep: int) -> tuple[Any, Slow, Any]:
    """A log that keeps so many entries at hand, and a slow connection that is fed from it."""
    connection = Slow(ROOM_BYTES // 2)
    log = names["Book"](Store(Disk(), 0.001), random.Random(1), keep)
    return names["Feed"](connection, _Whole(), log, "a", 0, 0, 4), connection, log


async def _writes(t: Transcript, names: dict[str, Any]) -> None:
    t.say("an entry of somebody else, and a connection with room")
    line, connection, log = _line(names, 200)
    log.tail.append(("b1", "b", 1))
    log.end += 1
    line.flush()
    got = connection.waits[:]
    t.equal("written when flush returns", got, [b"b1\n"], id="always-a-task")
    await asyncio.sleep(1.0)
    t.equal("and not once more", connection.waits, [b"b1\n"])


async def _counts(t: Transcript, names: dict[str, Any]) -> None:
    t.say("an entry of its own, and then one of somebody else")
    line, connection, log = _line(names, 200)
    with line:
        await log.append("a1", "a", 1)
        await log.append("b1", "b", 1)
        await asyncio.sleep(1.0)
        t.equal("bodies that are written", connection.waits, [b"b1\n"], id="only-a-count")


async def _keeps_its_bound(t: Transcript, names: dict[str, Any]) -> None:
    t.say(f"{MANY} entries of 4 KiB, and a reader that reads nothing")
    line, connection, log = _line(names, 200)
    with line:
        expected = await _add(log, MANY)
        most, bound = connection.most_bytes, 2 * ROOM_BYTES
        got = Words(f"{most} bytes")
        t.true("what waits for it", most <= bound, got=got, expected=f"{bound} bytes at most", id="no-bound")
        got_numbers = await _read(connection)
        t.equal("then it reads: entries, in order", got_numbers, _numbers(expected), id="gives-up-when-full")


async def _reads_the_store(t: Transcript, names: dict[str, Any]) -> None:
    t.say("a log of ten entries, of which two are at hand")
    line, connection, log = _line(names, 2)
    expected = await _add(log, 10)
    with line:
        t.equal("entries, in order", await _read(connection), _numbers(expected), id="store-skipped")


async def _add(log: Any, count: int) -> list[str]:
    bodies = [f"{number} {BODY}" for number in range(count)]
    for number, body in enumerate(bodies, start=1):
        await log.append(body, "b", number)
        await asyncio.sleep(0.001)
    return bodies


async def _read(connection: Slow) -> list[str]:
    """What the other end gets when it reads now and then; the numbers of the bodies."""
    for _ in range(MANY):
        await asyncio.sleep(0.1)
        connection.read()
    return _numbers(b"".join(connection.read()).decode().split("\n")[:-1])


def _numbers(bodies: list[str]) -> list[str]:
    return [body.partition(" ")[0] for body in bodies]
