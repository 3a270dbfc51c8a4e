"""Lab 5's first draft: numbers, what finds the shape of an event, and the parts that the learner writes again.

`FirstDraft.define` runs this file in a notebook's namespace (see `midspan.labs.first_draft`). There is no draft of
`head` and `read_head`: they are the first that the learner writes, and the texts' draft uses them from then on.
"""

# ruff: noqa: ARG001, ARG002, F821 - a first draft ignores some of its arguments, and has no `head`

import asyncio
import contextlib
import functools
import json
import random
import re
from collections.abc import Callable
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from midspan.labs.lab3_failure import earlier
from midspan.simulation import Store

lab3: Any = earlier()  # the learner's own if it holds, else the reference's
Outbox, Inbox, Desk, Log, Cursor = lab3.Outbox, lab3.Inbox, lab3.Desk, lab3.Log, lab3.Cursor
heartbeat, stay_connected, greet, beside = lab3.heartbeat, lab3.stay_connected, lab3.greet, lab3.beside

TEXT, DEFLATED, SHAPE, SHAPED, NUMBER, MINE, ASK, ACK = range(8)  # kinds on the wire: three bits
KINDS = {"number": NUMBER, "mine": MINE, "ask": ASK, "ack": ACK}
NAMES = {number: name for name, number in KINDS.items()}

LONGEST = 2**20  # bytes of one text, inflated
WORTH = 100  # bytes from which we try to deflate a text
SHAPES = 64  # that each end of a connection remembers
SHAPE_BYTES = 256  # the length of the longest one
ACK_S = 0.5  # how long an acknowledgement may wait for the next frame
BATCH = 64  # messages in one frame
ROOM = 2**16  # bytes that may wait in a connection's buffer before we wait as well
PAGE, OUT_OF_ORDER, UNREADABLE = 100, 4409, 1007  # RFC 6455, section 7.4.1: 1007 is data that is not what it should be

Packet = tuple[str, Any]  # its kind, its value
Entry = tuple[str, str, int]  # of the log: the body, who said it, its number there

head: Callable[[int, int], bytes]  # step 1
read_head: Callable[[bytes, int], tuple[int, int, int]]


# Texts. They are used once packets are bytes.


def block(text: str) -> bytes:
    """First draft: a head and the text as it is."""
    data = text.encode()
    return head(TEXT, len(data)) + data


def read_block(data: bytes, at: int) -> tuple[str, int]:
    """The text at `at`, and where it ends."""
    kind, size, at = read_head(data, at)
    if kind != TEXT or at + size > len(data):
        raise ValueError("no text, or not all of it")
    return data[at : at + size].decode(), at + size


class Shapes:
    """First draft: each body in full. One object for each connection, end and way."""

    def write(self, body: str) -> bytes:
        return block(body)

    def read(self, data: bytes, at: int) -> tuple[str | None, int]:
        return read_block(data, at)


VALUE = re.compile(
    r'((?<!^\[")(?<=[:,\[ ]")(?:[^"\\]|\\.)*(?="[,\]}])'  # a text, without its quotes; not the event's name, no key
    r"|(?<=[:,\[ ])-?\d[\d.eE+-]*(?=[,\]}]))"  # a number
)


def split(body: str) -> tuple[str, str]:
    """A body's shape, with a zero character in the place of each value, and the values, joined by zero characters."""
    parts = VALUE.split(body)
    return "\0".join(parts[::2]), "\0".join(parts[1::2])


@functools.lru_cache(1024)
def template(shape: str) -> str:
    """The shape as a format of `%`."""
    return shape.replace("%", "%%").replace("\0", "%s")


def filled(shape: str, values: str) -> str:
    """The body again. Raises `ValueError` when there are not as many values as the shape has places."""
    try:
        return template(shape) % (tuple(values.split("\0")) if "\0" in shape else ())
    except TypeError:
        raise ValueError("values that do not fit the shape") from None


# Packets, what sends them up, and what sends them down.


class Wire:
    """First draft: JSON. One object for each connection and end."""

    def write(self, packets: list[Packet]) -> bytes:
        return json.dumps(packets).encode()

    def read(self, data: bytes) -> Any:
        return json.loads(data)


class Sender:
    """First draft: one frame for each message, with its number."""

    def __init__(self, outbox: Any) -> None:
        self.outbox, self.more, self.asks = outbox, asyncio.Event(), False

    async def run(self, connection: Connection, wire: Wire) -> None:
        sent = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.more.clear()
                for number, body in self.outbox.after(sent):
                    await connection.send(wire.write([("number", number), ("body", body), ("ask", 0)]))
                    sent = number
                await self.more.wait()


def runs(entries: list[Entry], who: str, safe: int) -> list[Packet]:
    """First draft: every entry in full, and an acknowledgement for each own entry."""
    packets: list[Packet] = []
    for body, sender, number in entries:
        packets.append(("body", body))
        if sender == who and number > safe:
            packets.append(("ack", number))
    return packets


class Book(Log):  # type: ignore[misc, valid-type]
    """Lab 3's log; each entry with its sender and number. It tells each connection's feed when one was added."""

    def __init__(self, store: Store, rng: random.Random, keep: int) -> None:
        super().__init__(store, rng, keep)  # the last `keep` are at hand
        self.feeds: dict[Any, None] = {}  # in the order in which they came

    def add(self, body: str, who: str, number: int) -> None:
        """An entry is durable."""
        self.end += 1
        self.tail.append((body, who, number))
        for feed in self.feeds:
            feed.added(who, number)

    async def append(self, body: str, who: str, number: int) -> None:
        await self.store.append(body, who=who, number=number)
        self.add(body, who, number)


def at_hand(log: Book, offset: int) -> list[Entry] | None:
    """The entries after `offset`; None if one of them is only in the store."""
    missing = log.end - offset
    if missing > len(log.tail):
        return None
    return [log.tail[-1]] if missing == 1 else list(log.tail)[len(log.tail) - missing :]


async def after(log: Book, offset: int) -> list[Entry]:
    """Some or all of the entries after `offset`, from the store if they are not in memory."""
    entries = at_hand(log, offset)
    if entries is None:
        read = await log.store.read(offset, log.tail.maxlen)
        entries = [(body, facts["who"], facts["number"]) for body, facts in read]
    return entries


class Down:
    """What one connection is sent: the log after `offset`. The welcome has acknowledged own entries up to `safe`."""

    __slots__ = "connection", "log", "loop", "most", "next", "offset", "owed", "safe", "task", "timer", "who", "wire"

    def __init__(
        self, connection: Connection, wire: Wire, log: Book, who: str, offset: int, safe: int, most: int
    ) -> None:
        self.connection, self.wire, self.log, self.who = connection, wire, log, who
        self.offset, self.safe, self.most = offset, safe, most  # no more than `most` acknowledgements may be owed
        self.owed = 0
        self.timer: Any = None
        self.next: Any = None
        self.task: Any = None
        self.loop = asyncio.get_running_loop()

    def takes(self, entries: list[Entry]) -> bytes:
        """Take these entries as sent: the frame that carries them."""
        self.offset, self.owed = self.offset + len(entries), 0
        return self.wire.write(runs(entries, self.who, self.safe))

    def acks(self) -> bytes:
        """Acknowledge all entries that were not sent yet: the frame that does so."""
        owed, self.offset, self.owed = self.owed, self.log.end, 0
        return self.wire.write([("mine", owed)])

    def soon(self) -> None:
        """Flush in the next turn of the loop: entries that are added until then are sent with it."""
        if self.next is None:
            self.next = self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send all that was not sent yet; not while a task does that already."""
        self.next = None
        if self.task is None and self.offset < self.log.end:
            flush(self)


class Line(Down):
    """The same, with a beginning and an end."""

    __slots__ = ()

    def __enter__(self) -> "Line":
        self.log.feeds[self] = None
        self.soon()
        return self

    def __exit__(self, *_: object) -> None:
        self.log.feeds.pop(self, None)
        for handle in (self.timer, self.next, self.task):
            if handle is not None:
                handle.cancel()


class Feed(Line):
    """First draft: sends each new entry at once."""

    def added(self, who: str, number: int) -> None:
        self.soon()


async def catch_up(line: Down) -> None:
    """Send all that is there, from the store if needed, and wait for a client that reads slowly."""
    with contextlib.suppress(ConnectionClosed):
        while entries := await after(line.log, line.offset):
            await line.connection.send(line.takes(entries))
        line.task = None


def flush(line: Down) -> None:
    """First draft: always uses a task."""
    line.task = asyncio.create_task(catch_up(line))


def at_once(up: Any, data: bytes) -> bool:
    """First draft: leaves every message to the task."""
    return False
