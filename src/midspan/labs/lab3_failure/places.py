"""Step 8: going on where we stood. 8a is the client's cursor, 8b the server's log."""

from __future__ import annotations

import random
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import in_virtual_time, lab, search_holds
from midspan.simulation import Disk, Implementation, Store

KEEP = 2  # entries that the log of the checks keeps in memory
ENTRIES = ["one", "two", "three", "four", "five"]


@lab.step(
    "Where a client stands",
    minutes=15,
    lines=7,
    points=2,
    hints=(
        "An offset alone is only a number. Together with the epoch of its log it is a place. Two "
        "places differ if the epoch or the offset differs.",
        "self.go(epoch, offset) stores a place. moves_to compares the place of the server with ours before it goes "
        "there. takes compares the offset with self.offset + 1.",
        "moves_to: elsewhere = (epoch, offset) != (self.epoch, self.offset), then go, then return elsewhere. takes: "
        "return False unless offset == self.offset + 1; else self.go(self.epoch, offset) and return True.",
    ),
    words={
        "offset-by-assignment": (
            "The next offset is the last one plus 1. A cursor that accepts any larger offset skips "
            "the entries between for ever."
        ),
        "no-reset": (
            "When the server goes on at another place, the application shows entries of another log: it must forget "
            "them."
        ),
        "cursor-in-memory": (
            "A client that restarts goes on where it stood. So its place, epoch and offset, is stored with each entry."
        ),
        "epoch-ignored": (
            "An offset is a place in one log. In another log, which has another epoch, it has no meaning."
        ),
    },
    limit_s=8.0,
)
def cursor(t: Transcript, Cursor: Any, ours: Implementation) -> None:  # noqa: N803
    _stands(t, Cursor)
    search_holds(t, ours, "cursor")


def _stands(t: Transcript, make: Any) -> None:
    t.say("a cursor that has never met a server")
    disk = Disk()
    cursor = make(Store(disk, 0.0))
    cursor.moves_to("e1", 0)
    t.equal("entry 1 comes next", cursor.takes(1), True)
    t.equal("entry 3 does not: 2 is missing", cursor.takes(3), False, id="offset-by-assignment")
    t.equal("entry 1 once more does not", cursor.takes(1), False)
    t.equal("entry 2 does", cursor.takes(2), True, id="offset-by-assignment")
    t.equal("we stand at", (cursor.epoch, cursor.offset), ("e1", 2), id="offset-by-assignment")
    t.say("the process restarts")
    cursor = make(Store(disk, 0.0))
    t.equal("we stand at", (cursor.epoch, cursor.offset), ("e1", 2), id="cursor-in-memory")
    t.equal("the server goes on at 2 of e1: forget what we have?", cursor.moves_to("e1", 2), False)
    t.equal("the server goes on at 0 of e1: forget what we have?", cursor.moves_to("e1", 0), True, id="no-reset")
    cursor.takes(1)
    cursor.takes(2)
    t.equal("the server goes on at 2 of e2: forget what we have?", cursor.moves_to("e2", 2), True, id="epoch-ignored")
    t.equal("we stand at", (cursor.epoch, cursor.offset), ("e2", 2), id="epoch-ignored")


@lab.step(
    "A log that has a name",
    minutes=20,
    lines=7,
    points=2,
    hints=(
        "A store that has no epoch yet belongs to a new log. When is the offset of a client a place in this log?",
        'store.setdefault("epoch", ...) with a text drawn from rng. after: what is in the tail comes from the tail, '
        "the rest from await self.store.read(offset, self.tail.maxlen).",
        "resume: offset if epoch == self.epoch and offset <= self.end else 0. after: start = self.end - "
        "len(self.tail); from start on it is list(self.tail)[offset - start :], before it number what read gives, "
        "from offset + 1 on.",
    ),
    words={
        "replay-unbounded": (
            "A log in memory grows for ever: keep only the last entries in memory, and read the others from the store."
        ),
        "resume-from-start": "Send a client that resumes only the entries that it missed, not all entries again.",
    },
    limit_s=8.0,
)
def log(t: Transcript, Log: Any, ours: Implementation) -> None:  # noqa: N803
    in_virtual_time(_resumes(t, Log))
    search_holds(t, ours, "log")


async def _resumes(t: Transcript, make: Any) -> None:
    t.say(f"a log of {len(ENTRIES)} entries that keeps {KEEP} at hand")
    disk = Disk()
    log = make(Store(disk, 0.01), random.Random(1), KEEP)
    for number, body in enumerate(ENTRIES, start=1):
        await log.append(body, "a", number)
    t.true("entries in memory", len(log) <= KEEP, got=len(log), expected=f"{KEEP} at most", id="replay-unbounded")
    for offset in (3, 1, 0, 5):
        await _follows(t, log, offset)
    t.equal("a client at 3 of this epoch goes on at", log.resume(log.epoch, 3), 3, id="resume-from-start")
    t.equal("a client at 3 of another epoch", log.resume("of another log", 3), 0, id="epoch-ignored")
    t.equal(
        "a client that says 9, beyond the end", log.resume(log.epoch, 9), 0, because="That place does not exist here."
    )
    await _epochs(t, make, disk, log.epoch)


async def _follows(t: Transcript, log: Any, offset: int) -> None:
    """Read all later entries, with as many calls as that needs."""
    got: list[tuple[int, str]] = []
    at = offset
    while at < log.end and len(got) <= len(ENTRIES):
        some = list(await log.after(at))
        if not some:
            break
        got += some
        at = some[-1][0]
    t.equal(f"the entries after {offset}", got, list(enumerate(ENTRIES, start=1))[offset:])


async def _epochs(t: Transcript, make: Any, disk: Disk, epoch: str) -> None:
    same, other = make(Store(disk, 0.01), random.Random(2), KEEP), make(Store(Disk(), 0.01), random.Random(3), KEEP)
    t.equal("the same store after a restart is the same epoch", same.epoch, epoch)
    differ = other.epoch != epoch
    t.true("an empty store is another epoch", differ, got=other.epoch, expected="a new one", id="epoch-ignored")
