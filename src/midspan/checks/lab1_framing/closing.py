"""Step 6: what a close says (RFC 6455, sections 5.5.1 and 7.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import outcome

GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


@lab.step(
    "What a close says",
    minutes=15,
    lines=16,
    points=2,
    hints=HINTS["close_frame"],
)
def close_frame(
    t: Transcript, parse_close: Callable[[bytes], tuple[int, str]], close_payload: Callable[..., bytes]
) -> None:
    t.say("a close that comes in")
    t.equal("empty: no code", parse_close(b""), (1005, ""), id="empty-close-is-1000")
    t.equal("03 e8 is 1000", parse_close(b"\x03\xe8"), (1000, ""))
    t.equal("1001 with a reason", parse_close(b"\x03\xe9" + "grüß".encode()), (1001, "grüß"))
    t.equal("one byte", outcome(parse_close, b"\x03"), "Violation 1002", id="one-byte-code")
    for code in GOOD:
        t.equal(f"{code} may be sent", outcome(parse_close, _two(code) + b"why"), (code, "why"), id="any-code")
    for code in BAD:
        t.equal(f"{code} may not", outcome(parse_close, _two(code)), "Violation 1002", id="any-code")
    for reason in (b"\xff", b"ok\xc3"):
        got = outcome(parse_close, b"\x03\xe8" + reason)
        t.equal(f"1000 with the reason [{reason.hex(' ')}] (section 8.1)", got, "Violation 1007", id="reason-not-utf8")
    t.say("a close that goes out")
    t.equal("1000", close_payload(1000), b"\x03\xe8")
    t.equal("1001 with a reason", close_payload(1001, "grüß"), b"\x03\xe9" + "grüß".encode())
    t.equal("1005 is an empty payload", close_payload(1005), b"", id="1005-sent")
    for code in (*BAD[:3], 1006, 1015, 2999, 5000):
        t.raises(f"{code} is refused", partial(close_payload, code), ValueError, id="any-code")
    for long, size in (("x" * 200, 125), ("é" * 62, 124), ("a" + "𝄞" * 31, 123)):
        cut = close_payload(1000, long)
        t.equal(f"a reason of {len(long.encode())} bytes", cut[2:], long.encode()[: size - 2], id="reason-too-long")


def _two(code: int) -> bytes:
    return code.to_bytes(2, "big")
