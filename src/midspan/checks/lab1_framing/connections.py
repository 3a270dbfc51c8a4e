"""Step 7: one end of a connection, without a socket (RFC 6455, sections 5.5 and 7)."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, masked, outcome, plain, said

HI = masked(TEXT, b"Hi")
BYE = masked(CLOSE, b"\x03\xe9bye")
ECHO, ECHO_CLOSE = 'TEXT fin 2 bytes "Hi"', "CLOSE 1001"


@lab.step(
    "Both ends of a conversation",
    minutes=30,
    lines=32,
    points=4,
    hints=HINTS["connection"],
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
    """What is heard when each message is answered at once, as long as that is possible."""
    heard, done = [], []
    for message in one.receive(data):
        heard.append(message)
        done.append(one.done)
        if not one.done:
            one.send(message)
    t.equal("when Hi is given, what is behind it was not looked at", done[:1], [False], id="answers-after-all")
    return heard


def _codes(data: bytes) -> list[str]:
    """What was said; of a close only the code, since the reason may be anything."""
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
