"""Steps 9 and 10: writing without waiting; handling a message in the call that reads it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab3_failure.searching import in_virtual_time
from midspan.labs.lab5_overhead.cost import costs_less_than_socketio
from midspan.labs.lab5_overhead.searching import SlowReader, lab, search_holds
from midspan.simulation import Bounds, Disk, Implementation, ServerContext, Store

# Step 9: write without waiting, with a bound. The other end reads only when the check tells it to.


ROOM_BYTES = 2**16  # bytes that may wait, as the notebook says
BODY = 2**12 * "x"
MANY = 64  # bodies of this size: four times the room


@lab.step(
    "Write without waiting, with a bound",
    minutes=13,
    lines=7,
    points=2,
    hints=(
        "Two reasons to leave it to a task: the entries are not in memory, or there is no room. "
        "Two ways to write: a count, or entries.",
        "at_hand(line.log, line.offset) is None when the store is needed. line.takes(entries) gives the frame and "
        "moves the offset; line.acks() does so for what is owed, when that is line.log.end - line.offset.",
        "Much in line.connection.transport.get_write_buffer_size(): line.task = asyncio.create_task(catch_up(line))."
        " Else broadcast([line.connection], ...) of line.acks(), or of line.takes(entries) if they are at hand; else "
        "the task.",
    ),
    words={
        "no-bound": ("broadcast() writes without a limit: for a client that reads nothing, until the memory is full."),
        "gives-up-when-full": "A full buffer is a reason to wait, not to leave entries out.",
        "store-skipped": (
            "Entries that are not in memory are in the store: leave them to a task, which reads them in order."
        ),
        "always-a-task": (
            "A task and a turn of the loop cost as much as the frame itself: write at once if there is room."
        ),
        "only-a-count": (
            "A count stands only for the receiver's own entries: use it only when no other client's entry is missing."
        ),
    },
    limit_s=15.0,
)
def path(t: Transcript, flush: Any, ours: Implementation) -> None:
    names = getattr(flush, "__globals__", {})
    in_virtual_time(_writes(t, names))
    in_virtual_time(_counts(t, names))
    in_virtual_time(_keeps_its_bound(t, names))
    in_virtual_time(_reads_the_store(t, names))
    search_holds(t, ours, "path")
    costs_less_than_socketio(t, ours)


class _BodiesOnly:
    """A wire whose messages are the bodies, without compression, so that their sizes are known."""

    def write(self, packets: list[tuple[str, str]]) -> bytes:
        return b"".join(body.encode() + b"\n" for kind, body in packets if kind == "body")


def _line(names: dict[str, Any], keep: int) -> tuple[Any, SlowReader, Any]:
    """Make a log that keeps `keep` entries in memory, a slow connection, and the feed between them."""
    connection = SlowReader(ROOM_BYTES // 2)
    log = names["Book"](Store(Disk(), 0.001), random.Random(1), keep)
    return names["Feed"](connection, _BodiesOnly(), log, "a", 0, 0, 4), connection, log


async def _writes(t: Transcript, names: dict[str, Any]) -> None:
    t.say("an entry of another client, and a connection with room")
    line, connection, log = _line(names, 200)
    log.tail.append(("b1", "b", 1))
    log.end += 1
    line.flush()
    got = connection.waits[:]
    t.equal("written when flush returns", got, [b"b1\n"], id="always-a-task")
    await asyncio.sleep(1.0)
    t.equal("and not once more", connection.waits, [b"b1\n"])


async def _counts(t: Transcript, names: dict[str, Any]) -> None:
    t.say("an entry of its own, and then one of another client")
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


async def _read(connection: SlowReader) -> list[str]:
    """Let the other end read from time to time; return the numbers of the bodies that it gets."""
    for _ in range(MANY):
        await asyncio.sleep(0.1)
        connection.read()
    return _numbers(b"".join(connection.read()).decode().split("\n")[:-1])


def _numbers(bodies: list[str]) -> list[str]:
    return [body.partition(" ")[0] for body in bodies]


# Step 10: read without waking a task. Before the call returns, a message is handled or left unchanged.


READING_ROOM_BYTES = 2**16
ONE, TWO, OTHER = '["typing_start",{"room":"one"}]', '["typing_start",{"room":"two"}]', '["left","one"]'


@lab.step(
    "Read without waking a task",
    minutes=32,
    lines=17,
    points=3,
    hints=(
        "Before you read anything, ask: could one of the messages have to wait? If not, do what in_time does.",
        "up.store.writes_at_once answers that. up.desk.take must be awaited; "
        "up.inbox.judge(up.who, up.number) need not, nor up.store.write(body, who=..., "
        "number=...), up.log.add(body, ...) and up.inbox.take(...).",
        "if not up.store.writes_at_once: return False. For each packet as in in_time, but for a body: up.number += 1, "
        'then verdict = up.inbox.judge(...): "gap" raises OutOfOrder, "new" is written and taken. return True.',
    ),
    words={
        "direct-never": (
            "A message that is left to the task costs a future, a callback and a turn of the loop: "
            "handle it in at_once."
        ),
        "direct-loses": ("True means that the message is handled: recv does not get it. Return it only if that is so."),
        "direct-numbers": (
            'A "number" packet counts here too: after a reconnect the first message often is not number 1.'
        ),
        "direct-twice": (
            "After a cut, copies arrive. Desk is not called here: ask the inbox, and call its take for a new message."
        ),
        "direct-gap": ("A message before this one is missing: if you take this one, the missing one is lost for good."),
        "direct-ask": "An ask means that the application waits: flush the feed in this call.",
        "direct-swallows": "Bytes that cannot be read end the connection: let the error pass, and recv raises it.",
        "direct-not-durable": (
            "A message that the store has not written yet is not safe. If the store needs time, return False."
        ),
        "direct-reads-first": (
            "Reading changes the wire's tables, and the task will read the message again: check the "
            "store before you read."
        ),
    },
    limit_s=15.0,
)
def direct(t: Transcript, at_once: Any, ours: Implementation) -> None:
    names = getattr(at_once, "__globals__", {})
    for part in (_leaves, _handles, _reading_counts, _refuses):
        in_virtual_time(part(t, at_once, names))
    search_holds(t, ours, "direct")
    costs_less_than_socketio(t, ours)


class ServerWithClient:
    """A server with one connection of a client "a", and the wire of that client."""

    def __init__(self, names: dict[str, Any], write_s: float) -> None:
        self.disk, self.connection = Disk(), SlowReader(READING_ROOM_BYTES)
        context = ServerContext(
            Store(self.disk, write_s), lambda _who, _token: True, random.Random(1), lambda: 0.0, Bounds()
        )
        server, wire = names["Server"](context), names["Wire"]()
        self.client = names["Wire"]()
        self.feed = names["Feed"](self.connection, wire, server.log, "a", 0, 0, 4)
        self.up = names["Up"](server, "a", wire, self.feed)

    @property
    def bodies(self) -> list[str]:
        """The durable bodies."""
        return [entry.body for entry in self.disk.log]

    def says(self, *packets: tuple[str, Any]) -> bytes:
        """Return the packets as the client sends them."""
        return bytes(self.client.write(list(packets)))

    def answers(self) -> list[tuple[str, Any]]:
        """Return the packets that were written to the client."""
        return [tuple(packet) for message in self.connection.waits for packet in self.client.read(message)]


async def _leaves(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a store that takes its time")
    server = ServerWithClient(names, 0.01)
    with server.feed:
        data = server.says(("body", ONE), ("ask", 0))
        t.equal("at_once(up, data) leaves it to the task", at_once(server.up, data), False, id="direct-not-durable")
        t.equal("a may count on", server.up.inbox.safe("a"), 0, id="direct-not-durable")
        t.equal("written to a", server.answers(), [], id="direct-not-durable")
        await names["in_time"](server.up, data)
        t.equal("then the task handles it: in the store", server.bodies, [ONE], id="direct-reads-first")
        await names["in_time"](server.up, server.says(("body", OTHER)))
        t.equal("and the next, of another shape", server.bodies, [ONE, OTHER], id="direct-reads-first")


async def _handles(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a store that writes at once; a says one thing, and waits for its acknowledgement")
    server = ServerWithClient(names, 0.0)
    with server.feed:
        took = at_once(server.up, server.says(("body", ONE), ("ask", 0)))
        t.equal("at_once(up, data) says that it has handled it", took, True, id="direct-never")
        t.equal("it is in the store", server.bodies, [ONE], id="direct-loses")
        t.equal("a's number is known", server.up.inbox.safe("a"), 1, id="direct-twice")
        t.equal("the acknowledgement is written", server.answers(), [("mine", 1)], id="direct-ask")


async def _reading_counts(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a comes back: its message 5 was taken, and the acknowledgement was lost")
    server = ServerWithClient(names, 0.0)
    server.up.inbox.adopt("a", 6)
    with server.feed:
        t.equal(
            "a copy of 5, then 6", at_once(server.up, server.says(("number", 5), ("body", ONE), ("body", TWO))), True
        )
        t.equal("in the store", server.bodies, [TWO], id="direct-numbers" if server.bodies == [] else "direct-twice")


async def _refuses(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a says its message 3 first, and then bytes that are no packets come")
    server = ServerWithClient(names, 0.0)
    with server.feed:
        missing = server.says(("number", 3), ("body", ONE))
        t.raises("at_once(up, data)", lambda: at_once(server.up, missing), names["OutOfOrder"], id="direct-gap")
        t.equal("in the store", server.bodies, [], id="direct-gap")
        t.raises("bytes that are no packets", lambda: at_once(server.up, b"\xdc"), ValueError, id="direct-swallows")
