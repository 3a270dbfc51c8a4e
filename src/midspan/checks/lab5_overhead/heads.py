"""Step 1: the head of a packet, as RFC 8949, section 3, has it."""

from __future__ import annotations

from functools import partial
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab

KIND = 3
HEADS = {  # number -> the bytes of its head, of kind 3
    0: "60",
    23: "77",
    24: "78 18",
    255: "78 ff",
    256: "79 0100",
    65535: "79 ffff",
    65536: "7a 00010000",
    2**31: "7a 80000000",
    2**32 - 1: "7a ffffffff",
    2**32: "7b 0000000100000000",
    2**53 + 1: "7b 0020000000000001",
    2**64 - 1: "7b ffffffffffffffff",
}
CUT = ("", "78", "79 01", "7a 000100", "7b 00000001000000")
RESERVED = ("7c", "7c" + 16 * " 00", "7d 00", "7e 0000000000", "7f ffffffffffffffffff")


@lab.step("Numbers in as few bytes as they need", minutes=15, lines=12, points=1, hints=HINTS["head"])
def head(t: Transcript, head: Any, read_head: Any) -> None:
    with t.folded(f"head({KIND}, ...): {len(HEADS)} numbers up to 2**64 - 1, in as few bytes as they need"):
        for number, text in HEADS.items():
            expected = bytes.fromhex(text)
            got = _written(head, number)
            t.equal(f"head({KIND}, {number})", got, expected, id=_written_wrong(number, got, expected))
    t.equal("head(7, 5)", head(7, 5), b"\xe5")
    with t.folded("read_head: the same numbers, with three bytes before and one behind"):
        t.say("read_head, with three bytes before and one behind")
        _read(t, read_head)
    with t.folded(f"read_head: {len(CUT)} heads that are not all there, {len(RESERVED)} codes that mean nothing"):
        t.say("what is no head")
        _refused(t, read_head)


def _read(t: Transcript, read_head: Any) -> None:
    for number, text in HEADS.items():
        data = b"abc" + bytes.fromhex(text)
        id = "head-too-narrow" if number >= 2**16 else ""
        t.equal(f"{number}", read_head(data + b"z", 3), (KIND, number, len(data)), id=id)


def _refused(t: Transcript, read_head: Any) -> None:
    for text in CUT:
        data = b"abc" + bytes.fromhex(text)
        what = f"{text or 'nothing'}, and then the end"
        t.raises(what, partial(read_head, data, 3), ValueError, id="head-reads-on")
    for text in RESERVED:
        data = b"abc" + bytes.fromhex(text)
        t.raises(f"{text}: a code that means nothing", partial(read_head, data, 3), ValueError)


def _written(head: Any, number: int) -> object:
    """A number that does not fit raises in most ways to write it; that is what came."""
    try:
        return head(KIND, number)
    except (OverflowError, ValueError, StopIteration) as error:
        return error


def _written_wrong(number: int, got: object, expected: bytes) -> str:
    """The misconception behind a head that is not as it should be; "" for one that we do not know."""
    if not isinstance(got, bytes):
        return "head-too-narrow" if isinstance(got, Exception) else ""
    if len(got) > 1 and got[1:] == expected[:0:-1]:
        return "head-little-endian"
    if len(got) > len(expected):
        return "head-not-shortest"
    return "head-too-narrow" if number >= 2**16 else ""
