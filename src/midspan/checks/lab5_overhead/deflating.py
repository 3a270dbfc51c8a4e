"""Step 4: deflate, where it pays, and inflate with a limit."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from functools import cache
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.searching import holds
from midspan.refusal import Words
from midspan.sim import Cast

LONGEST = 2**20  # bytes of a text, as the notebook says
BOMB = 2**26  # bytes that come out of 64 KiB
HELD_BYTES = 2**23  # that an answer may hold while it refuses the bomb
REPEATED = "All that we see or seem is but a dream within a dream. " * 20
HARD = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", k=150))
TEXTS = ("", "a", "h\u00e9 \u4f60\u597d", HARD, REPEATED, "\u4f60" * 200, "x" * 70000, "y" * LONGEST)


@lab.step("Deflate, where it pays", minutes=20, lines=17, points=3, hints=HINTS["deflate"], limit_s=15.0)
def deflate(t: Transcript, block: Any, read_block: Any, ours: Cast) -> None:
    for text in TEXTS:
        data = b"abc" + block(text)
        got = _read(read_block, data + b"z", 3)
        id = "characters-for-bytes" if not text.isascii() else ""
        t.equal(f"{_short(text)} comes out as it went in", got, (text, len(data)), id=id)
    for text, id in (("a", "deflate-always"), ("h\u00e9 \u4f60\u597d", "deflate-always")):
        _at_most(t, block, text, 1 + len(text.encode()), id)
    _at_most(t, block, HARD, 2 + len(HARD), "deflate-always")
    _at_most(t, block, REPEATED, len(REPEATED) // 8, "deflate-never")
    _strangers(t, read_block)
    holds(t, ours, "deflate")


def _at_most(t: Transcript, block: Any, text: str, most: int, id: str) -> None:
    size = len(block(text))
    got = Words(f"{size} bytes")
    t.true(f"{_short(text)} takes {most} bytes at most", size <= most, got=got, expected=f"{most} bytes", id=id)


def _strangers(t: Transcript, read_block: Any) -> None:
    t.say("what a stranger may send")
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
    """A small block that becomes a large one; it takes a quarter of a second to make."""
    return _deflated(bytes(BOMB))


def _deflated(data: bytes) -> bytes:
    """A deflated block, as the wire has it."""
    small = zlib.compress(data, 9, -15)
    return b"\x3a" + len(small).to_bytes(4, "big") + small


def _read(read_block: Any, data: bytes, at: int) -> object:
    try:
        return read_block(data, at)
    except ValueError as error:
        return error


def _short(text: str) -> str:
    return repr(text) if len(text) < 20 else f"{text[:8]!r}... ({len(text)} characters)"
