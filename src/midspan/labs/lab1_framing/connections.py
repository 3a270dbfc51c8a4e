"""Steps 6 and 7: the close frame, and a connection without sockets (RFC 6455 sections 5.5 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import (
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    lab,
    masked,
    outcome,
    plain,
    said,
)

# Step 6: the payload of a close frame (RFC 6455, sections 5.5.1 and 7.4).


GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


@lab.step(
    "What a close says",
    minutes=15,
    lines=16,
    points=2,
    hints=(
        "Three shapes of payload: nothing; two bytes; two bytes and a reason. Everything else fails.",
        "The codes of section 7.4.1 with holes at 1004, 1005, 1006 and 1015; IANA has added 1012, 1013 and "
        "1014; 3000 to 4999 are for applications.",
        "One predicate for both directions: 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= "
        '4999. To cut bytes between characters: reason.encode()[:123].decode(errors="ignore").encode().',
    ),
    words={
        "one-byte-code": "A close has no payload, or a code of two bytes and then a reason. One byte is neither.",
        "any-code": "Codes below 1000, the reserved ones, 1016 to 2999 and those from 5000 on never travel.",
        "reason-not-utf8": "The reason is UTF-8, as text is: other bytes fail with 1007.",
        "empty-close-is-1000": "A close without a payload carries no code: that is reported as 1005, not as 1000.",
        "reason-too-long": "A close is a control frame: 125 bytes, two of them the code; cut between two characters.",
        "1005-sent": "1005 says that there was no code: it is never written on the wire.",
    },
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


# Step 7: one end of a connection, without a socket (RFC 6455, sections 5.5 and 7).


HI = masked(TEXT, b"Hi")
BYE = masked(CLOSE, b"\x03\xe9bye")
ECHO, ECHO_CLOSE = 'TEXT fin 2 bytes "Hi"', "CLOSE 1001"


@lab.step(
    "Both ends of a conversation",
    minutes=30,
    lines=32,
    points=4,
    hints=(
        "receive is one loop over parser.feed(data): four kinds of frame, four branches. A Violation ends it "
        "in a fifth.",
        "receive is a generator: `yield message` waits until the next one is asked for, so an answer is in "
        "`out` before the bytes behind it are looked at.",
        "finish(payload): write a CLOSE unless close_sent, then done = True. A peer's close: close_code, "
        "close_reason = parse_close(...), then finish with its first two bytes, then return. A Violation: "
        "finish with close_payload(code, why).",
    ),
    words={
        "pong-without-payload": (
            "A pong carries the same payload as its ping: so the asker knows which ping was answered."
        ),
        "control-breaks-message": (
            "A control frame between two fragments is no part of the message, and does not end it."
        ),
        "answers-after-all": (
            "What follows a message is looked at when the next message is asked for: else the close of "
            "a later violation overtakes the answer."
        ),
        "close-not-answered": "A close is answered with a close; then both ends have said it.",
        "close-not-checked": "A close can break the rules too: its payload is read before it is answered.",
        "data-after-close": (
            "After a close no data follows: not ours behind our close, and none of the peer's behind its own."
        ),
        "second-close": "Each end sends one close, whatever happens afterwards.",
        "violation-not-told": (
            "A violation is told to the peer by a close with its code; then nothing more is processed."
        ),
        "done-too-early": (
            "Our own close is half of the handshake: messages still count until the peer's close is here."
        ),
        "eof-is-1000": "A stream that ends without a close is 1006, whoever ended it.",
        "eof-forgets-close": "When the peer's close was here, the end of the stream takes nothing away from its code.",
        "client-does-not-mask": "A client masks every frame that it sends, each with a fresh key.",
        "ping-too-long": "A ping is a control frame: 125 bytes at most.",
    },
)
def connection(t: Transcript, Connection: Any) -> None:  # noqa: N803 - the answer is a class
    _messages(t, Connection)
    _pings(t, Connection)
    _violations(t, Connection)
    _their_close(t, Connection)
    _our_close(t, Connection)
    _ends(t, Connection)


def _end(make: Any, role: str = "server") -> Any:
    return make(role, random=lambda size: KEY[:size])


def _heard(t: Transcript, one: Any, data: bytes, expected: list[object], id: str = "", what: str = "") -> None:
    got = outcome(lambda: list(one.receive(data)))
    t.equal(what or f"it hears {expected}", got, expected, id=id)


def _says(t: Transcript, one: Any, expected: list[str], id: str = "", because: str = "") -> None:
    t.equal(f"it says {', '.join(expected) or 'nothing'}", said(one.take()), expected, id=id, because=because)


def _messages(t: Transcript, make: Any) -> None:
    t.say("messages, both ways")
    one = _end(make)
    _heard(t, one, HI + masked(2, b"\0"), ["Hi", b"\0"])
    one.send("Hi")
    one.send(b"\0")
    _says(t, one, [ECHO, "BINARY fin 1 byte 00"])
    keys = iter([b"aaaa", b"bbbb"])
    client = make("client", random=lambda _: next(keys))
    client.send("Hi")
    client.ping(b"")
    t.equal("a client masks each frame with a key of its own (section 5.3)", client.take().hex(" "),
            "81 82 61 61 61 61 29 08 89 80 62 62 62 62", id="client-does-not-mask")  # fmt: skip


def _pings(t: Transcript, make: Any) -> None:
    t.say("section 5.5.2: H, a ping in between, then i")
    one = _end(make)
    _heard(
        t,
        one,
        masked(TEXT, b"H", False) + masked(PING, b"p") + masked(CONTINUATION, b"i"),
        ["Hi"],
        "control-breaks-message",
    )
    _says(t, one, ["PONG 1 byte 70"], "pong-without-payload")
    _heard(t, one, masked(PONG, b"unasked"), [], what="section 5.5.3: a pong that nobody asked for is no message")
    t.equal("its payload is kept in .pong", one.pong, b"unasked")
    t.raises("a ping of 126 bytes is refused", lambda: one.ping(bytes(126)), ValueError, id="ping-too-long")
    _says(t, one, [])


def _their_close(t: Transcript, make: Any) -> None:
    t.say("section 5.5.1: Hi, a close with 1001, and two frames behind it, in one piece; we answer each message")
    one = _end(make)
    heard = _echoed(t, one, HI + BYE + HI + masked(PING))
    t.equal("what came before the close is heard", heard, ["Hi"], id="data-after-close")
    t.equal(f"it says {ECHO}, {ECHO_CLOSE}", _codes(one.take()), [ECHO, ECHO_CLOSE], id="close-not-answered")
    t.equal("code and reason", (one.close_code, one.close_reason, one.done), (1001, "bye", True))
    t.equal("to send now", outcome(one.send, "late"), "Closed 1001", id="data-after-close")
    one = _end(make)
    _heard(t, one, masked(CLOSE), [], what="a close without a payload")
    _says(t, one, ["CLOSE"], "1005-sent")
    t.equal("is reported as 1005 (section 7.1.5)", one.close_code, 1005, id="empty-close-is-1000")
    for bad, code in ((b"\x03", 1002), (b"\x03\xed", 1002), (b"\x03\xe8\xff", 1007)):
        one = _end(make)
        _heard(t, one, masked(CLOSE, bad), [], "close-not-checked", f"a close with [{bad.hex(' ')}]")
        _ends_with(t, one, code, "close-not-checked")


def _our_close(t: Transcript, make: Any) -> None:
    t.say("we close with 1000; a message of the peer crosses it, then its close comes")
    one = _end(make)
    one.close(1000, "enough")
    one.close(1001)
    _says(t, one, ['CLOSE 1000 "enough"'], "second-close")
    t.equal("to send now", outcome(one.send, "late"), "Closed 1006", id="data-after-close")
    t.true("TCP may not close yet", not one.done, got="done", expected="not done", id="done-too-early")
    _heard(t, one, HI, ["Hi"], "done-too-early")
    _heard(t, one, masked(CLOSE, b"\x03\xe8") + HI, [], "data-after-close")
    _says(t, one, [], "second-close")
    t.equal("both have closed", (one.done, one.close_code), (True, 1000))


def _violations(t: Transcript, make: Any) -> None:
    for data, code, what in (
        (b"\x83", 1002, "a reserved opcode"),
        (masked(TEXT, b"\xff"), 1007, "text that is not UTF-8"),
        (bytes.fromhex("82ff7fffffffffffffff"), 1009, "a frame of 2**63 - 1 bytes"),
    ):
        t.say(f"section 7.1.7: Hi, {what}, and Hi again")
        one = _end(make)
        heard = _echoed(t, one, HI + data + HI)
        t.equal("only the first Hi is heard", heard, ["Hi"], id="violation-not-told")
        _ends_with(t, one, code, "violation-not-told", before=[ECHO])
        _heard(t, one, HI, [], "violation-not-told", "nothing more is processed")
        _says(t, one, [])
    one = _end(make)
    one.close()
    _heard(t, one, b"\x83", [], what="a violation behind our own close")
    _says(t, one, ["CLOSE 1000"], "second-close")


def _echoed(t: Transcript, one: Any, data: bytes) -> list[object]:
    """Return what the connection gives when each message is answered at once, as long as that is possible."""
    heard, done = [], []
    for message in one.receive(data):
        heard.append(message)
        done.append(one.done)
        if not one.done:
            one.send(message)
    t.equal("when Hi is given, what is behind it was not looked at", done[:1], [False], id="answers-after-all")
    return heard


def _codes(data: bytes) -> list[str]:
    """Return the frames in words; of a close only the code, since the reason may be any text."""
    return [" ".join(line.split()[:2]) if line.startswith("CLOSE") else line for line in said(data)]


def _ends_with(t: Transcript, one: Any, code: int, id: str, before: list[str] | None = None) -> None:
    got = _codes(one.take())
    expected = [*(before or []), f"CLOSE {code}"]
    t.equal(f"it says {', '.join(expected)}", got, expected, id=id)
    t.true("and is done", one.done, got=one.done, expected="done", id=id)


def _ends(t: Transcript, make: Any) -> None:
    t.say("the stream ends")
    one = _end(make)
    one.eof()
    t.equal("without a close: 1006 (section 7.1.5)", (one.done, one.close_code), (True, 1006), id="eof-is-1000")
    t.equal("to send now", outcome(one.send, "late"), "Closed 1006")
    one = _end(make, "client")
    _heard(t, one, plain(CLOSE, b"\x03\xe8"), [], what="behind a close of a server")
    one.eof()
    t.equal("the close's code stays", one.close_code, 1000, id="eof-forgets-close")
