"""Step 5: frames in, messages out (RFC 6455, sections 5.4, 5.6, 8.1)."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import BINARY, CONTINUATION, TEXT, Frame, outcome

LIMIT = 10
KOSME = "κόσμε".encode()

# bytes of a text; how many of them are good; what is bad
BAD_TEXT = [
    (b"ab\xffcd", 2, "FF never stands in UTF-8"),
    (b"ab\x80cd", 2, "a continuation byte in front"),
    (b"ab\xc0\x80", 2, "C0 would be an overlong form"),
    (b"ab\xc3\x28", 3, "28 does not continue C3"),
    (b"ab\xe0\x80\x80", 3, "E0 80 is an overlong form"),
    (b"ab\xf4\x90\x80\x80", 3, "F4 90 is above U+10FFFF"),
]


@lab.step(
    "Frames in, messages out",
    minutes=25,
    lines=23,
    points=3,
    hints=HINTS["message_assembler"],
)
def message_assembler(t: Transcript, MessageAssembler: Any) -> None:  # noqa: N803 - the answer is a class
    _sequences(t, MessageAssembler)
    _wrong_sequences(t, MessageAssembler)
    _utf8(t, MessageAssembler)
    _limits(t, MessageAssembler)


def _add(t: Transcript, one: Any, frame: Frame, expected: object, id: str = "", because: str = "") -> None:
    fin = "fin" if frame.fin else "no fin"
    rest = f", {frame.rest} to come" if frame.rest else ""
    names = {TEXT: "TEXT", BINARY: "BINARY", CONTINUATION: "CONTINUATION"}
    what = f"{names[frame.opcode]} {fin} [{frame.payload.hex(' ')}]{rest}"
    t.equal(what, outcome(one.add, frame), expected, id=id, because=because)


def _sequences(t: Transcript, make: Any) -> None:
    one = make()
    t.say("section 5.6: whole messages; text is str, binary is bytes, an empty one is a message too")
    _add(t, one, Frame(TEXT, b"Hi"), "Hi")
    _add(t, one, Frame(BINARY, b"\xff\xfe"), b"\xff\xfe", "binary-as-text")
    _add(t, one, Frame(TEXT, b""), "")
    t.say("section 5.4: in fragments, twice")
    for _ in range(2):
        _add(t, one, Frame(TEXT, b"Hel", False), None, "fin-ignored")
        _add(t, one, Frame(CONTINUATION, b"", False), None, "fin-ignored")
        _add(t, one, Frame(CONTINUATION, b"lo"), "Hello", "fin-ignored")
    _add(t, one, Frame(BINARY, b"\xce", False), None, "binary-as-text")
    _add(t, one, Frame(CONTINUATION, b"\xce"), b"\xce\xce", "binary-as-text")


def _wrong_sequences(t: Transcript, make: Any) -> None:
    t.say("section 5.4: what may not follow")
    for fin in (True, False):
        _add(t, make(), Frame(CONTINUATION, b"x", fin), "Violation 1002", "continuation-of-nothing")
    one = make()
    one.add(Frame(TEXT, b"whole"))
    t.say("after a whole message")
    _add(t, one, Frame(CONTINUATION, b"x"), "Violation 1002", "continuation-of-nothing")
    for opcode in (TEXT, BINARY):
        one = make()
        one.add(Frame(TEXT, b"begun", False))
        t.say("inside a message")
        _add(t, one, Frame(opcode, b"x"), "Violation 1002", "message-inside-message")


def _utf8(t: Transcript, make: Any) -> None:
    t.say("section 8.1: κόσμε, one byte a fragment")
    one = make()
    for at, octet in enumerate(KOSME[:-1]):
        _add(t, one, Frame(CONTINUATION if at else TEXT, bytes([octet]), False), None, "utf8-per-fragment")
    _add(t, one, Frame(CONTINUATION, KOSME[-1:]), "κόσμε", "utf8-per-fragment")
    for data, good, why in BAD_TEXT:
        t.say(f"{why}: [{data.hex(' ')}] is bad at byte {good + 1}, and the message is far from complete")
        one = make()
        _add(t, one, Frame(TEXT, data[:good], False, 100), None, "utf8-per-fragment")
        _add(t, one, Frame(CONTINUATION, data[good : good + 1], False, 99), "Violation 1007", "utf8-at-the-end")
    t.say("ED A0 begins a surrogate: bad at its second byte")
    _add(t, make(), Frame(TEXT, b"\xed\xa0", False), "Violation 1007", "utf8-surrogate-late")
    _add(t, make(), Frame(TEXT, b"\xed\x9f", False), None, because="ED 9F begins a Korean syllable: that is UTF-8.")
    t.say("the message ends inside a character")
    _add(t, make(), Frame(TEXT, b"a\xce"), "Violation 1007", "utf8-cut-at-the-end")
    one = make()
    one.add(Frame(TEXT, b"\xce", False))
    _add(t, one, Frame(CONTINUATION, b""), "Violation 1007", "utf8-cut-at-the-end")


def _limits(t: Transcript, make: Any) -> None:
    t.say(f"messages of at most {LIMIT} bytes are taken")
    _add(t, make(LIMIT), Frame(TEXT, b"x" * LIMIT), "x" * LIMIT)
    _add(t, make(LIMIT), Frame(BINARY, b"x" * (LIMIT + 1)), "Violation 1009", "limit-per-fragment")
    one = make(LIMIT)
    _add(t, one, Frame(BINARY, b"x" * 6, False), None)
    _add(
        t,
        one,
        Frame(CONTINUATION, b"", False, 5),
        "Violation 1009",
        "limit-per-fragment",
        "Count what is still to come.",
    )
