"""Sentences of RFC 6455 as rows: what a client sends to an echo server, what must come back, and when it is known.

`back` is what the server answers: an echo of each message, pongs, and the close. A close of ours is compared by its code.
`by`: the number of bytes after which a violation is known; byte by byte, the connection fails at that one and not before.
"""

# ruff: noqa: E501 - a sentence of the RFC is a line
# fmt: off

from __future__ import annotations

from typing import NamedTuple

from tests.lab1 import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Sent, closing, frame

MIB = 2**20
LIMIT = 16 * MIB  # bytes of the longest message that the reference takes


class Row(NamedTuple):
    """One sentence, tried."""

    section: str
    claim: str
    sent: bytes
    back: list[Sent | int]  # an int is the code of a close that fails the connection
    by: int = 0
    open: bool = False  # the connection is still open afterwards


def hi(*more: Sent | int) -> list[Sent | int]:
    return [Sent(TEXT, b"Hi"), *more]


HI = frame(TEXT, b"Hi")
H = frame(TEXT, b"H", fin=False)
I = frame(CONTINUATION, b"i")  # noqa: E741 - together they are "Hi"
PAIR = frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"\xa9")
BIG = bytes(range(256)) * 256
HUGE = "ff" * 8

LENGTHS = [
    Row("5.2", f"a payload of {n} bytes", frame(op, b"x" * n), [Sent(op, b"x" * n)], open=True)
    for n in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537)
    for op in (TEXT, BINARY)
]
RESERVED = [
    Row("5.2", f"reserved opcode {op:#x}, fin {fin}", frame(op, fin=fin), [1002], by=1)
    for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    for fin in (True, False)
]
BITS = [
    Row("5.2", f"RSV {rsv:03b} without an extension, opcode {op}", HI + frame(op, b"", rsv=rsv), hi(1002), by=len(HI) + 1)
    for rsv in range(1, 8)
    for op in (TEXT, BINARY, CLOSE, PING, PONG)
] + [Row("5.2", "RSV1 on a continuation", H + frame(CONTINUATION, b"i", rsv=4), [1002], by=len(H) + 1)]
MASKING = [
    Row("5.1", f"a frame that a client did not mask, opcode {op}", HI + frame(op, b"", masked=False), hi(1002), by=len(HI) + 2)
    for op in (TEXT, BINARY, CLOSE, PING, PONG)
] + [Row("5.1", "a continuation that is not masked", H + frame(0, b"i", masked=False), [1002], by=len(H) + 2)]
MINIMAL = [
    Row("5.2", f"{n} bytes in a field of {field} bits", frame(BINARY, b"x" * n, field=field), [1002], by=2 + field // 8)
    for n, field in ((0, 16), (1, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65535, 64))
] + [
    Row("5.2", "a length with its top bit set", bytes.fromhex("82ff8000000000000001"), [1002], by=10),
    Row("5.2", "all ones as a length", bytes.fromhex("82ff" + HUGE), [1002], by=10),
]
CONTROL = [
    *(
        row
        for op in (CLOSE, PING, PONG)
        for row in (
            Row("5.5", f"control opcode {op} in fragments", frame(op, b"", fin=False), [1002], by=1),
            Row("5.5", f"control opcode {op} with 126 bytes", frame(op, b"x" * 126), [1002], by=2),
            Row("5.5", f"control opcode {op} with 65536 bytes", frame(op, b"x" * 65536), [1002], by=2),
        )
    ),
    Row("5.5.2", "a ping without payload", frame(PING), [Sent(PONG, b"")], open=True),
    Row("5.5.3", "a pong has the ping's payload", frame(PING, b"\0\xff" + b"x" * 123), [Sent(PONG, b"\0\xff" + b"x" * 123)], open=True),
    Row("5.5.2", "ten pings", b"".join(frame(PING, b"%d" % i) for i in range(10)), [Sent(PONG, b"%d" % i) for i in range(10)], open=True),
    Row("5.5.3", "a pong that nobody asked for", frame(PONG, b"?") + HI, hi(), open=True),
    Row("5.5.2", "a ping behind a message", HI + frame(PING, b"p"), hi(Sent(PONG, b"p")), open=True),
]
FRAGMENTS = [
    Row("5.4", "a message in two fragments", H + I, hi(), open=True),
    Row("5.4", "an empty first fragment", frame(TEXT, b"", fin=False) + H.replace(b"\x01", b"\0", 1) + I, hi(), open=True),
    Row("5.4", "fragments without any payload", frame(BINARY, b"", False) + frame(0, b"", False) + frame(0), [Sent(BINARY, b"")], open=True),
    Row("5.4", "many fragments", frame(BINARY, b"", False) + frame(0, b"ab", False) * 500 + frame(0), [Sent(BINARY, b"ab" * 500)], open=True),
    Row("5.4", "a ping between fragments", H + frame(PING, b"p") + I, [Sent(PONG, b"p"), *hi()], open=True),
    Row("5.4", "a pong between fragments", H + frame(PONG, b"p") + I, hi(), open=True),
    Row("5.4", "a close between fragments", H + frame(CLOSE, closing(1000)), [Sent(CLOSE, closing(1000))]),
    Row("5.4", "binary after text", H + I + frame(BINARY, b"\xff"), hi(Sent(BINARY, b"\xff")), open=True),
    Row("5.4", "a continuation of nothing, last", HI + frame(CONTINUATION, b"x"), hi(1002), by=len(HI) + 6),
    Row("5.4", "a continuation of nothing, not last", frame(CONTINUATION, b"x", fin=False), [1002], by=6),
    Row("5.4", "a continuation of a finished message", H + I + frame(CONTINUATION, b"x"), hi(1002), by=len(H + I) + 6),
    *(
        Row("5.4", f"opcode {op} inside a message, fin {fin}", H + frame(op, b"x", fin), [1002], by=len(H) + 6)
        for op in (TEXT, BINARY)
        for fin in (True, False)
    ),
    Row("5.4", "a ping does not end a message", H + frame(PING) + frame(TEXT, b"x"), [Sent(PONG, b""), 1002], by=len(H) + 12),
]
TEXTS = [
    Row("5.6", "text in four scripts", frame(TEXT, "κόσμε 𝄞 é\0".encode()), [Sent(TEXT, "κόσμε 𝄞 é\0".encode())], open=True),
    Row("5.6", "a character across two fragments", PAIR, [Sent(TEXT, b"\xc3\xa9")], open=True),
    Row("5.6", "the same with a ping inside the character", PAIR[:7] + frame(PING) + PAIR[7:], [Sent(PONG, b""), Sent(TEXT, b"\xc3\xa9")], open=True),
    Row("8.1", "U+10FFFF and noncharacters are UTF-8", frame(TEXT, "\U0010ffff\ufffe\uffff".encode()), [Sent(TEXT, "\U0010ffff\ufffe\uffff".encode())], open=True),
    Row("8.1", "a byte order mark is text", frame(TEXT, b"\xef\xbb\xbfx"), [Sent(TEXT, b"\xef\xbb\xbfx")], open=True),
    Row("5.6", "binary is any bytes", frame(BINARY, BIG), [Sent(BINARY, BIG)], open=True),
    Row("8.1", "text that ends inside a character", frame(TEXT, b"ab\xe2\x82"), [1007], by=10),
    Row("8.1", "the last fragment ends inside a character", frame(TEXT, b"a", False) + frame(0, b"\xc3"), [1007], by=14),
    Row("8.1", "an empty last fragment leaves a character open", frame(TEXT, b"\xc3", False) + frame(0), [1007], by=13),
    *(
        Row("8.1", f"bad UTF-8 {bad.hex()}, known at byte {at}", frame(TEXT, b"ok" + bad + b"x" * 20, fin), [1007], by=8 + at)
        for bad, at in (
            (b"\x80", 1), (b"\xc0\x80", 1), (b"\xc1\xbf", 1), (b"\xf5\x80\x80\x80", 1), (b"\xff", 1), (b"\xfe", 1),
            (b"\xc3\x28", 2), (b"\xe0\x80\x80", 2), (b"\xed\xa0\x80", 2), (b"\xed\xbf\xbf", 2), (b"\xf0\x80\x80\x80", 2),
            (b"\xf4\x90\x80\x80", 2), (b"\xe2\x82\x28", 3), (b"\xf0\x9f\x98\x28", 4), (b"\xe2\x28\xa1", 2),
        )
        for fin in (True, False)
    ),
    Row("8.1", "bad UTF-8 in the second fragment", H + frame(0, b"\xff" + b"x" * 9), [1007], by=len(H) + 7),
    Row("8.1", "bad UTF-8 across two fragments", frame(TEXT, b"\xe2", False) + frame(0, b"\x28x", False), [1007], by=14),
]
GOOD_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
CLOSES = [
    Row("5.5.1", "an empty close is answered with an empty one", frame(CLOSE), [Sent(CLOSE, b"")]),
    *(Row("7.4", f"code {c} may be sent", frame(CLOSE, closing(c)), [Sent(CLOSE, closing(c))]) for c in GOOD_CODES),
    *(Row("7.4", f"code {c} may not be sent", frame(CLOSE, closing(c)), [1002], by=8) for c in BAD_CODES),
    *(Row("7.4", f"code {c} with a reason", frame(CLOSE, closing(c, b"why")), [1002], by=11) for c in BAD_CODES),
    Row("5.5.1", "one byte is no code", frame(CLOSE, b"\x03"), [1002], by=7),
    Row("5.5.1", "a reason of 123 bytes", frame(CLOSE, closing(1000, b"x" * 123)), [Sent(CLOSE, closing(1000))]),
    Row("5.5.1", "a reason in UTF-8", frame(CLOSE, closing(1000, "κό".encode())), [Sent(CLOSE, closing(1000))]),
    Row("8.1", "a reason that is not UTF-8", frame(CLOSE, closing(1000, b"\xff")), [1007], by=9),
    Row("8.1", "a reason cut inside a character", frame(CLOSE, closing(1000, b"\xc3")), [1007], by=9),
    Row("5.5.1", "what comes after a close is not looked at", frame(CLOSE, closing(1000)) + HI + frame(PING) + b"\xff" * 20, [Sent(CLOSE, closing(1000))]),
    Row("5.5.1", "a message before the close is answered before it", HI + frame(CLOSE, closing(1001)), hi(Sent(CLOSE, closing(1001)))),
    Row("7.1.7", "nothing is processed once the connection failed", b"\x83\x80" + HI + frame(PING) + frame(CLOSE), [1002], by=1),
]
SIZES = [
    Row("10.4", "a frame above the limit, from its header", bytes.fromhex("82ff0000000001000001"), [1009], by=10),
    Row("10.4", "a frame of 2**63 - 1 bytes", bytes.fromhex("82ff7fffffffffffffff"), [1009], by=10),
    Row("10.4", "a continuation that would pass the limit", H + bytes.fromhex("80ff0000000001000000") + b"keys", [1009], by=len(H) + 14),
]
ROWS = [*LENGTHS, *RESERVED, *BITS, *MASKING, *MINIMAL, *CONTROL, *FRAGMENTS, *TEXTS, *CLOSES, *SIZES]
