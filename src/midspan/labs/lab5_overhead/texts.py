"""Steps 7 and 8: events by their shapes, and compression where it pays."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from functools import cache, partial
from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab5_overhead.cost import KNOWN_BYTES, costs_at_most
from midspan.labs.lab5_overhead.searching import lab, search_holds
from midspan.simulation import Implementation

EVENT = '["typing_start",{"room":"general","user":"ana"}]'
BODIES = (
    EVENT,
    '["typing_start",{"room":"b","user":"bo"}]',
    '["move",{"to":[-1.5e3,20,0]},true,null]',
    '["said","a \\"quoted\\" word, and {\\"json\\":1}"]',
    '["said","\u4f60\u597d \U0001f600"]',
    "no event at all",
    "",
    '["cut off',
    '["spaced", {"room": "general", "n": 12}]',
    '["zero\0inside","a\0b"]',
)
EMPTY = ('["typing_stop"]', '["said",""]', '["said","",""]')
MANY = 300  # shapes: more than the table may have
TAUGHT = "43 5b2261"  # SHAPE, three bytes: ["a


@lab.step(
    "Names are sent once",
    minutes=36,
    lines=19,
    points=4,
    hints=(
        "Two tables: the shapes that this end has sent (shape to number), and those that it has "
        "received (number to shape). They are separate.",
        "split(body) and filled(shape, values) work on the text. head(SHAPE, size) defines a "
        "shape, head(SHAPED, number) uses it, block(values) has the values.",
        "write: block(body) for all that has no shape; else self.numbers.setdefault(shape, len(self.numbers)). read: "
        "SHAPED: is the number known? then read_block and filled; SHAPE is kept if there is room, and gives None; "
        "anything else is read_block.",
    ),
    words={
        "shapes-kept": "Both ends store a shape for one connection: the next connection begins without shapes.",
        "shapes-unbounded": (
            "A client that defines shapes without end fills our memory: bound the table at both ends."
        ),
        "shape-unknown": "A number that was not defined on this connection is no shape: raise ValueError.",
        "not-as-it-was": "The body that is read must be equal to the body that was written, in each character.",
    },
    limit_s=15.0,
)
def shapes(t: Transcript, Shapes: Any, ours: Implementation) -> None:  # noqa: N803 - the answer is a class
    says, hears = Shapes(), Shapes()
    for body in BODIES * 2:
        t.equal(f"{_short(body)} comes out as it went in", _through(says, hears, body), body, id="not-as-it-was")
    for body in EMPTY:
        t.equal(f"{body} too", _through(says, hears, body), body, id="not-as-it-was")
    known = len(says.write(EVENT))
    got = Words(f"{known} bytes")
    t.true("an event whose shape is known", known <= KNOWN_BYTES, got=got, expected=f"{KNOWN_BYTES} bytes at most")
    _the_next_connection(t, Shapes)
    _many_shapes(t, Shapes)
    search_holds(t, ours, "shapes")
    costs_at_most(t, ours, waited_for=(0, 24))


def _the_next_connection(t: Transcript, make: Any) -> None:
    t.say("the next connection: both ends begin anew")
    text = make().write(EVENT)
    try:
        body = _shaping_read(make(), text)
    except ValueError as error:
        body = error
    t.equal("the other end, which has no shapes, reads an event", body, EVENT, id="shapes-kept")
    taught = make()
    _shaping_read(taught, text)
    for what, hears, data in (("0 on a new connection", make(), b"\x60\x00"), ("5 of one", taught, b"\x65\x00")):
        t.raises(f"shape {what}", partial(hears.read, data, 0), ValueError, id="shape-unknown")


def _many_shapes(t: Transcript, make: Any) -> None:
    t.say(f"{MANY} shapes, each another one")
    says, hears = make(), make()
    for number in range(MANY):
        body = f'["event{number}",{{"n":1}}]'
        try:
            read: object = _through(says, hears, body)
        except ValueError as error:
            read = error
        if read != body or number == MANY - 1:
            t.equal(f"{body}, the last of them" if read == body else body, read, body, id="shapes-unbounded")
    hears = make()

    def taught() -> None:
        for _ in range(MANY):
            hears.read(bytes.fromhex(TAUGHT), 0)

    t.raises("a client that defines as many", taught, ValueError, id="shapes-unbounded")
    cut = b"\x45" + b'["a'
    t.raises("a shape that is not all there", lambda: make().read(cut, 0), ValueError)
    says, hears = make(), make()
    _through(says, hears, EVENT)
    t.raises("four values, where the shape has two places", lambda: hears.read(b"\x60\x07a\0b\0c\0d", 0), ValueError)


def _through(says: Any, hears: Any, body: str) -> object:
    return _shaping_read(hears, says.write(body))


def _shaping_read(hears: Any, data: bytes) -> object:
    """Return the one body in these bytes."""
    body, at = None, 0
    while at < len(data):
        body, at = hears.read(data, at)
    return body


def _short(body: str) -> str:
    return repr(body) if len(body) < 50 else repr(body[:47])[:-1] + "...'"


LONGEST = 2**20  # bytes of a text, as the notebook says
BOMB = 2**26  # bytes after decompression; compressed it has 64 KiB
HELD_BYTES = 2**23  # memory that an answer may use while it refuses the bomb
REPEATED = "All that we see or seem is but a dream within a dream. " * 20
HARD = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", k=150))
TEXTS = ("", "a", "h\u00e9 \u4f60\u597d", HARD, REPEATED, "\u4f60" * 200, "x" * 70000, "y" * LONGEST)


@lab.step(
    "Deflate, where it pays",
    minutes=32,
    lines=17,
    points=3,
    hints=(
        "Compare two sizes, and send the shorter form. And what bounds the size of the result when we inflate?",
        "zlib.compress(data, 6, -15); zlib.decompressobj(-15).decompress(piece, LONGEST) stops at LONGEST bytes; its "
        "`.eof` says whether that was all.",
        "read_block: cut piece out and check its end and kind; if DEFLATED: decompress with LONGEST inside try/except "
        "zlib.error -> ValueError; not eof -> ValueError; then piece.decode().",
    ),
    words={
        "deflate-always": "Deflate makes a short text longer: send what is smaller.",
        "deflate-never": "Deflate makes a long text with repetitions much shorter: use it there.",
        "inflate-unbounded": "A kilobyte from an untrusted client can inflate to a megabyte: use a limit.",
        "inflate-raises": "For bytes that are not deflated, raise ValueError.",
        "characters-for-bytes": ("A size counts bytes. A text that is not ASCII has more bytes than characters."),
    },
    limit_s=15.0,
)
def deflate(t: Transcript, block: Any, read_block: Any, ours: Implementation) -> None:
    for text in TEXTS:
        data = b"abc" + block(text)
        got = _deflating_read(read_block, data + b"z", 3)
        id = "characters-for-bytes" if not text.isascii() else ""
        t.equal(f"{_deflating_short(text)} comes out as it went in", got, (text, len(data)), id=id)
    for text, id in (("a", "deflate-always"), ("h\u00e9 \u4f60\u597d", "deflate-always")):
        _at_most(t, block, text, 1 + len(text.encode()), id)
    _at_most(t, block, HARD, 2 + len(HARD), "deflate-always")
    _at_most(t, block, REPEATED, len(REPEATED) // 8, "deflate-never")
    _hostile_blocks(t, read_block)
    search_holds(t, ours, "deflate")


def _at_most(t: Transcript, block: Any, text: str, most: int, id: str) -> None:
    size = len(block(text))
    got = Words(f"{size} bytes")
    t.true(
        f"{_deflating_short(text)} takes {most} bytes at most", size <= most, got=got, expected=f"{most} bytes", id=id
    )


def _hostile_blocks(t: Transcript, read_block: Any) -> None:
    t.say("bytes that an untrusted client may send")
    bomb = _bomb()
    tracemalloc.start()
    try:
        what = f"{len(bomb)} bytes that become {BOMB}"
        t.raises(what, lambda: read_block(bomb, 0), ValueError, id="inflate-unbounded")
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    got, expected = Words(f"{held} bytes"), f"less than {HELD_BYTES} bytes"
    t.true("what it held meanwhile", held < HELD_BYTES, got=got, expected=expected, id="inflate-unbounded")
    one_more = _deflated(b"x" * (LONGEST + 1))
    t.raises("a text of one byte too many", lambda: read_block(one_more, 0), ValueError, id="inflate-unbounded")
    t.raises("bytes that are not deflated", lambda: read_block(b"\x23\xff\xff\xff", 0), ValueError, id="inflate-raises")
    half = zlib.compress(REPEATED.encode(), 6, -15)[:20]
    t.raises("a text that stops in the middle", lambda: read_block(b"\x34" + half, 0), ValueError)
    t.raises("a block that is cut", lambda: read_block(b"\x05abc", 0), ValueError)
    t.raises("what is no UTF-8", lambda: read_block(b"\x01\xff", 0), ValueError)
    t.raises("a head of another kind", lambda: read_block(b"\xa0", 0), ValueError)


@cache
def _bomb() -> bytes:
    """Make a small block that becomes very large; this takes a quarter of a second."""
    return _deflated(bytes(BOMB))


def _deflated(data: bytes) -> bytes:
    """Return a deflated block as on the wire."""
    small = zlib.compress(data, 9, -15)
    return b"\x3a" + len(small).to_bytes(4, "big") + small


def _deflating_read(read_block: Any, data: bytes, at: int) -> object:
    try:
        return read_block(data, at)
    except ValueError as error:
        return error


def _deflating_short(text: str) -> str:
    return repr(text) if len(text) < 20 else f"{text[:8]!r}... ({len(text)} characters)"
