"""Steps 1 and 2: the head of a packet (RFC 8949, section 3), and packets in bytes."""

from __future__ import annotations

from functools import partial
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab5_overhead.cost import costs_at_most
from midspan.labs.lab5_overhead.searching import lab, search_holds
from midspan.simulation import Implementation

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


@lab.step(
    "Numbers in as few bytes as they need",
    minutes=23,
    lines=12,
    points=1,
    hints=(
        "Three cases: the number is in the five bits; it follows in 1 to 8 bytes; the bytes are no head.",
        "`kind << 5 | code` is the first byte, `divmod(first, 32)` takes it apart. A code from 24 on means "
        "`1 << (code - 24)` bytes. number.to_bytes(size, 'big') and int.from_bytes(data[a:b], 'big').",
        "head: if number < 24 one byte; else the first code of range(4) with number < 1 << (8 << code). read_head: "
        "first make sure that at < len(data), then number <= 27 and the end <= len(data), else ValueError.",
    ),
    words={
        "head-too-narrow": "The numbers of a long session need more than two bytes, and later more than four.",
        "head-little-endian": "The most significant byte comes first, as in other network protocols.",
        "head-not-shortest": (
            "Use the shortest form that holds the number: up to 23 in the first byte, then 1, 2, 4 or 8 bytes."
        ),
        "head-reads-on": (
            "Check that all bytes of the head are there: a slice beyond the end is shorter, and raises no error."
        ),
    },
)
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
    """Return the head, or the exception: in most answers a number that does not fit raises."""
    try:
        return head(KIND, number)
    except (OverflowError, ValueError, StopIteration) as error:
        return error


def _written_wrong(number: int, got: object, expected: bytes) -> str:
    """Return the misconception that gives a wrong head; "" if we know none."""
    if not isinstance(got, bytes):
        return "head-too-narrow" if isinstance(got, Exception) else ""
    if len(got) > 1 and got[1:] == expected[:0:-1]:
        return "head-little-endian"
    if len(got) > len(expected):
        return "head-not-shortest"
    return "head-too-narrow" if number >= 2**16 else ""


MESSAGES: tuple[tuple[str, list[tuple[str, Any]], str], ...] = (
    ("an ask", [("ask", 0)], "c0"),
    ("a count", [("mine", 3)], "a3"),
    ("a large number", [("number", 70000)], "9a 00011170"),
    ("a body", [("body", "hi")], "02 6869"),
    ("three packets", [("number", 5), ("body", "h\u00e9"), ("ask", 0)], "85 03 68c3a9 c0"),
    ("an acknowledgement", [("ack", 300)], "f9 012c"),
    ("nothing", [], ""),
)
NO_PACKETS = {"half a head": "9a 0001", "a body that is cut": "05 6869", "a code that means nothing": "c0 dc"}


@lab.step(
    "Packets in bytes",
    minutes=27,
    lines=14,
    points=2,
    hints=(
        "To write, join the bytes of each packet. To read, continue until the end of the message.",
        "KINDS leads from a name to a kind, NAMES from a kind to a name. The kind of the packet "
        "at `at` is data[at] >> 5.",
        "read: while at < len(data): below NUMBER body, at = self.hears.read(data, at), kept unless it is None; "
        "else kind, number, at = read_head(data, at), and (NAMES[kind], number).",
    ),
    words={
        "text-frames": "Packets are bytes. A text would have to be UTF-8, and most bytes above 127 are not.",
        "one-packet": "A message can have several packets, one after the other: read until its end.",
    },
    limit_s=15.0,
)
def wire(t: Transcript, Wire: Any, ours: Implementation) -> None:  # noqa: N803 - the answer is a class
    for what, packets, text in MESSAGES:
        wrote = Wire().write(packets)
        id = "text-frames" if isinstance(wrote, str) else ""
        t.equal(f"{what}, written", wrote, bytes.fromhex(text), id=id)
    for what, packets, text in MESSAGES:
        read = [tuple(packet) for packet in Wire().read(bytes.fromhex(text))]
        id = "one-packet" if read == packets[:1] else ""
        t.equal(f"{what}, read", read, packets, id=id)
    for what, text in NO_PACKETS.items():
        t.raises(what, partial(Wire().read, bytes.fromhex(text)), ValueError)
    search_holds(t, ours, "wire")
    costs_at_most(t, ours, waited_for=(2, 20))
