"""Steps 5 and 6: from frames to messages, and what a close frame says (RFC 6455 sections 5.4 to 5.6, 7.4 and 8.1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import lab, outcome
from midspan.labs.lab1_framing.given import BINARY, CONTINUATION, TEXT, Frame

# Step 5a: text fails at its first bad byte (section 8.1).


KOSME = "κόσμε".encode()

# bytes of a text; how many of them are valid; what is wrong
BAD_TEXT = [
    (b"ab\xffcd", 2, "FF never stands in UTF-8"),
    (b"ab\x80cd", 2, "a continuation byte in front"),
    (b"ab\xc0\x80", 2, "C0 would be an overlong form"),
    (b"ab\xc3\x28", 3, "28 does not continue C3"),
    (b"ab\xe0\x80\x80", 3, "E0 80 is an overlong form"),
    (b"ab\xf4\x90\x80\x80", 3, "F4 90 is above U+10FFFF"),
]


@lab.step(
    "Text fails at its first bad byte",
    minutes=13,
    lines=7,
    points=1,
    hints=(
        "Python has a decoder that keeps the beginning of a character until its other bytes "
        "arrive. Make one for each text, and pass it each piece.",
        'codecs.getincrementaldecoder("utf-8")() makes the decoder: decode(piece, final=last) raises '
        "UnicodeDecodeError at a bad byte, and with final=True also when a character is not complete.",
        "After decode(piece, final=last), self.decoder.getstate()[0] holds the bytes that wait for more: when "
        'b"\\xed\\xa0" <= those < b"\\xee" they begin a surrogate, and decode(b"", final=True) raises. except '
        'UnicodeDecodeError: raise Violation(1007, "not UTF-8").',
    ),
    words={
        "utf8-per-fragment": (
            "A character may be cut between two pieces: decode the pieces with one decoder for the whole text."
        ),
        "utf8-at-the-end": "Text fails at its first bad byte, not when the message is complete.",
        "utf8-cut-at-the-end": "A message that ends inside a character is not UTF-8.",
        "utf8-surrogate-late": (
            "ED followed by A0 to BF begins a surrogate: bad at its second byte. Python's decoder "
            "waits for the third; getstate() shows what it holds back."
        ),
    },
)
def utf8_check(t: Transcript, Utf8Check: Any) -> None:  # noqa: N803 - the answer is a class
    with t.folded("κόσμε is accepted, one byte at a time"):
        t.say("κόσμε, one byte at a time")
        one = Utf8Check()
        for at, octet in enumerate(KOSME):
            _piece(t, one, bytes([octet]), at == len(KOSME) - 1, None, "utf8-per-fragment")
    for data, good, why in BAD_TEXT:
        with t.folded(f"{why}: [{data.hex(' ')}] fails at byte {good + 1}"):
            t.say(f"{why}: [{data.hex(' ')}] is bad at byte {good + 1}, and the text goes on")
            one = Utf8Check()
            _piece(t, one, data[:good], False, None, "utf8-per-fragment")
            _piece(t, one, data[good : good + 1], False, "Violation 1007", "utf8-at-the-end")
    t.say("ED A0 begins a surrogate: bad at its second byte. ED 9F begins a Korean syllable: that is UTF-8")
    _piece(t, Utf8Check(), b"\xed\xa0", False, "Violation 1007", "utf8-surrogate-late")
    _piece(t, Utf8Check(), b"\xed\x9f", False, None, "utf8-surrogate-late")
    t.say("the text ends inside a character")
    _piece(t, Utf8Check(), b"a\xce", True, "Violation 1007", "utf8-cut-at-the-end")
    one = Utf8Check()
    _piece(t, one, b"\xce", False, None, "utf8-per-fragment")
    _piece(t, one, b"", True, "Violation 1007", "utf8-cut-at-the-end")


def _piece(t: Transcript, one: Any, piece: bytes, last: bool, expected: object, id: str) -> None:
    what = f"[{piece.hex(' ')}]{', the last piece' if last else ''}"
    t.equal(what, outcome(one.add, piece, last), expected, id=id)


# Step 5b: frames in, messages out (sections 5.4 and 5.6).


MESSAGES_LIMIT = 10


@lab.step(
    "Frames in, messages out",
    minutes=30,
    lines=17,
    points=3,
    hints=(
        "Remember the opcode of the unfinished message. It is enough to distinguish a right sequence from a wrong one.",
        "A frame that begins a message (its opcode is not CONTINUATION) makes a new bytearray and a new Utf8Check. "
        "Only text goes through Utf8Check.add(frame.payload, frame.fin).",
        "In this order: the two wrong sequences; begin a message; size = bytes that are here + those of this frame + "
        "frame.rest, against max_size; add the payload; check text; return None unless frame.fin; else "
        "opcode, self.opcode = self.opcode, None, and return str or bytes.",
    ),
    words={
        "fin-ignored": "A message is complete with its last frame: a frame without FIN completes no message.",
        "binary-as-text": "A binary message may have any bytes: only text must be UTF-8.",
        "text-not-checked": "Pass each piece of a text to Utf8Check: so the text fails at its first bad byte.",
        "continuation-of-nothing": "A continuation needs a message that has begun and is not finished.",
        "message-inside-message": "Between the fragments of a message no other data frame may stand.",
        "limit-per-fragment": (
            "The limit is for the whole message: count all its fragments together, and the bytes "
            "that are still to come."
        ),
    },
)
def message_assembler(t: Transcript, MessageAssembler: Any) -> None:  # noqa: N803 - the answer is a class
    _sequences(t, MessageAssembler)
    _wrong_sequences(t, MessageAssembler)
    _text(t, MessageAssembler)
    _limits(t, MessageAssembler)


def _add(t: Transcript, one: Any, frame: Frame, expected: object, id: str = "", because: str = "") -> None:
    fin = "fin" if frame.fin else "no fin"
    rest = f", rest={frame.rest}" if frame.rest else ""
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


def _text(t: Transcript, make: Any) -> None:
    t.say("section 8.1: κόσμε in three fragments, one of them cut inside a character")
    one = make()
    _add(t, one, Frame(TEXT, KOSME[:3], False), None, "utf8-per-fragment")
    _add(t, one, Frame(CONTINUATION, KOSME[3:4], False), None, "utf8-per-fragment")
    _add(t, one, Frame(CONTINUATION, KOSME[4:]), "κόσμε", "utf8-per-fragment")
    t.say("[61 ff 62] is bad at byte 2, and the message is far from complete")
    _add(t, one, Frame(TEXT, b"a", False, 100), None)
    _add(t, one, Frame(CONTINUATION, b"\xff", False, 99), "Violation 1007", "text-not-checked")
    t.say("the message ends inside a character")
    _add(t, make(), Frame(TEXT, b"a\xce"), "Violation 1007", "text-not-checked")


def _limits(t: Transcript, make: Any) -> None:
    t.say(f"messages of at most {MESSAGES_LIMIT} bytes are accepted")
    _add(t, make(MESSAGES_LIMIT), Frame(TEXT, b"x" * MESSAGES_LIMIT), "x" * MESSAGES_LIMIT)
    _add(t, make(MESSAGES_LIMIT), Frame(BINARY, b"x" * (MESSAGES_LIMIT + 1)), "Violation 1009", "limit-per-fragment")
    one = make(MESSAGES_LIMIT)
    _add(t, one, Frame(BINARY, b"x" * 6, False), None)
    last = Frame(CONTINUATION, b"", False, 5)
    _add(t, one, last, "Violation 1009", "limit-per-fragment", "Count what is still to come: `rest`.")


# Step 6: the payload of a close frame (RFC 6455, sections 5.5.1 and 7.4).


SENDABLE_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
FORBIDDEN_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


@lab.step(
    "What a close says",
    minutes=27,
    lines=15,
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
        "any-code": ("Codes below 1000, the reserved ones, 1016 to 2999 and those from 5000 on are never sent."),
        "reason-not-utf8": "The reason must be UTF-8, as text must be: other bytes fail with 1007.",
        "empty-close-is-1000": "A close without a payload carries no code: that is reported as 1005, not as 1000.",
        "reason-too-long": (
            "A close is a control frame with at most 125 bytes, two of them for the code: cut the "
            "reason between two characters."
        ),
        "1005-sent": "1005 means that a close had no code: it is never sent.",
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
    with t.folded(f"{len(SENDABLE_CODES)} codes that may be sent"):
        for code in SENDABLE_CODES:
            got = outcome(parse_close, _code_bytes(code) + b"why")
            t.equal(f"{code} may be sent", got, (code, "why"), id="any-code")
    with t.folded(f"{len(FORBIDDEN_CODES)} codes that may not be sent"):
        for code in FORBIDDEN_CODES:
            t.equal(f"{code} may not", outcome(parse_close, _code_bytes(code)), "Violation 1002", id="any-code")
    for reason in (b"\xff", b"ok\xc3"):
        got = outcome(parse_close, b"\x03\xe8" + reason)
        t.equal(f"1000 with the reason [{reason.hex(' ')}] (section 8.1)", got, "Violation 1007", id="reason-not-utf8")
    t.say("a close that goes out")
    t.equal("1000", close_payload(1000), b"\x03\xe8")
    t.equal("1001 with a reason", close_payload(1001, "grüß"), b"\x03\xe9" + "grüß".encode())
    t.equal("1005 is an empty payload", close_payload(1005), b"", id="1005-sent")
    with t.folded("codes that may not be sent are refused"):
        for code in (*FORBIDDEN_CODES[:3], 1006, 1015, 2999, 5000):
            t.raises(f"{code} is refused", partial(close_payload, code), ValueError, id="any-code")
    for long, size in (("x" * 200, 125), ("é" * 62, 124), ("a" + "𝄞" * 31, 123)):
        cut = close_payload(1000, long)
        t.equal(f"a reason of {len(long.encode())} bytes", cut[2:], long.encode()[: size - 2], id="reason-too-long")


def _code_bytes(code: int) -> bytes:
    return code.to_bytes(2, "big")
