"""Step 2: packets in bytes."""

from __future__ import annotations

from functools import partial
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.sim import Cast

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


@lab.step("Packets in bytes", minutes=15, lines=14, points=2, hints=HINTS["wire"], limit_s=15.0)
def wire(t: Transcript, Wire: Any, ours: Cast) -> None:  # noqa: N803 - the answer is a class
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
    holds(t, ours, "wire")
    costs_at_most(t, ours, waited_for=120)
