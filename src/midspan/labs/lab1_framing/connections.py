"""Steps 7 and 8: a connection without a socket, and large messages that delay no ping (RFC 6455 sections 5 and 7)."""

from __future__ import annotations

from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import KEY, client_frame, frames_in_words, lab, outcome, server_frame
from midspan.labs.lab1_framing.given import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from midspan.protocols.websocket import read_frames

# Step 7a: what a connection sends, and when it is done (RFC 6455, sections 5.5 and 7).


HI_FRAME = client_frame(TEXT, b"Hi")
CLOSE_FRAME = client_frame(CLOSE, b"\x03\xe9bye")
SAYS_HI, SAYS_CLOSE = 'TEXT fin 2 bytes "Hi"', "CLOSE 1001"


@lab.step(
    "What we send",
    minutes=27,
    lines=15,
    points=2,
    hints=(
        "Each of the four is short. First check whether we may still send: `closing` and `done` say so.",
        "`write(opcode, payload)` is given: it masks for a client, and remembers that a close "
        "was written. Text is TEXT with message.encode(), bytes are BINARY.",
        "send and ping: if self.closing or self.done: raise Closed(self.close_code, self.close_reason); ping also "
        "raises ValueError above 125 bytes. close: unless closing or done, closing = True and write(CLOSE, "
        "close_payload(code, reason)). eof: done = True, and nothing else.",
    ),
    words={
        "data-after-close": ("No data follows a close: neither end sends data after its own close."),
        "second-close": "Each end sends exactly one close.",
        "done-too-early": (
            "Our close is only half of the close handshake: messages are still received until the peer's close arrives."
        ),
        "eof-is-1000": (
            "A stream that ends without a close frame is reported as 1006, no matter which end closed TCP."
        ),
        "eof-forgets-close": "When the peer's close has arrived, its code stays, also when the stream ends.",
        "client-does-not-mask": "A client masks every frame that it sends, each with a new random key.",
        "ping-too-long": "A ping is a control frame: 125 bytes at most.",
        "text-is-binary": ("A str is sent as TEXT, in UTF-8, and bytes as BINARY: so the receiver gets the same type."),
    },
)
def sending_half(t: Transcript, SendingHalf: Any) -> None:  # noqa: N803 - the answer is a class
    _sends(t, SendingHalf)
    _begins_to_close(t, SendingHalf)
    _ends(t, SendingHalf)


def _one_end(make: Any, role: str = "server") -> Any:
    return make(role, random=lambda size: KEY[:size])


def _says(t: Transcript, one: Any, expected: list[str], id: str = "", because: str = "") -> None:
    got = frames_in_words(one.take())
    t.equal(f"it says {', '.join(expected) or 'nothing'}", got, expected, id=id, because=because)


def _sends(t: Transcript, make: Any) -> None:
    t.say("a server sends text, then bytes, then a ping")
    one = _one_end(make)
    one.send("Hi")
    one.send(b"\0")
    one.ping(b"p")
    _says(t, one, [SAYS_HI, "BINARY fin 1 byte 00", "PING 1 byte 70"], "text-is-binary")
    keys = iter([b"aaaa", b"bbbb"])
    client = make("client", random=lambda _: next(keys))
    client.send("Hi")
    client.ping(b"")
    t.equal("a client masks each frame with a key of its own (section 5.3)", client.take().hex(" "),
            "81 82 61 61 61 61 29 08 89 80 62 62 62 62", id="client-does-not-mask")  # fmt: skip
    t.raises("ping() with 126 bytes is refused", lambda: one.ping(bytes(126)), ValueError, id="ping-too-long")
    _says(t, one, [])


def _begins_to_close(t: Transcript, make: Any) -> None:
    t.say("we close with 1000, and ask again with 1001")
    one = _one_end(make)
    one.close(1000, "enough")
    one.close(1001)
    _says(t, one, ['CLOSE 1000 "enough"'], "second-close")
    t.equal("send() is refused now", outcome(one.send, "late"), "Closed 1006", id="data-after-close")
    t.equal("ping() is refused now", outcome(one.ping), "Closed 1006", id="data-after-close")
    t.true("TCP may not close yet", not one.done, got="done", expected="not done", id="done-too-early")


def _ends(t: Transcript, make: Any) -> None:
    t.say("the stream ends")
    one = _one_end(make)
    one.eof()
    t.equal("without a close: 1006 (section 7.1.5)", (one.done, one.close_code), (True, 1006), id="eof-is-1000")
    t.equal("send() is refused now", outcome(one.send, "late"), "Closed 1006", id="data-after-close")
    one.close()
    t.equal("close() after eof() sends nothing", frames_in_words(one.take()), [], id="second-close")
    one = _one_end(make)
    one.close_code = 1000
    t.say("the stream ends behind a close of the peer: close_code is 1000 already")
    one.eof()
    t.equal("the close's code stays", (one.done, one.close_code), (True, 1000), id="eof-forgets-close")


# Step 7b: what a connection receives (RFC 6455, sections 5.5 and 7).


@lab.step(
    "What we receive",
    minutes=29,
    lines=16,
    points=4,
    hints=(
        "receive is one loop over parser.feed(data), with a branch for each of four kinds of "
        "frame. A fifth branch handles a Violation.",
        "receive is a generator: `yield message` stops until the caller asks for the next one. "
        "So the answer to a message is in `out` before the bytes after the message are read.",
        "finish(payload): write a CLOSE unless close_sent, then done = True. A peer's close: close_code, "
        "close_reason = parse_close(...), then finish with its first two bytes, then return. A Violation: "
        "finish with close_payload(code, why).",
    ),
    words={
        "pong-without-payload": (
            "A pong has the same payload as its ping: so the sender of the ping knows which ping was answered."
        ),
        "control-breaks-message": (
            "A control frame between two fragments is not part of the message, and does not end it."
        ),
        "answers-after-all": (
            "Read the bytes after a message only when the caller asks for the next message. "
            "Otherwise the close for a later violation is written before the answer."
        ),
        "close-not-answered": "Answer a close with a close: then both ends have sent one.",
        "close-not-checked": "The payload of a close can break the rules too: read it before you answer the close.",
        "violation-not-told": ("After a violation, send a close with its code, and process no more bytes."),
    },
)
def connection(t: Transcript, Connection: Any) -> None:  # noqa: N803 - the answer is a class
    _messages(t, Connection)
    _pongs(t, Connection)
    _violations(t, Connection)
    _their_close(t, Connection)
    _our_close(t, Connection)
    t.say("the stream ends behind a close of a server")
    one = _one_end(Connection, "client")
    _heard(t, one, server_frame(CLOSE, b"\x03\xe8"), [])
    one.eof()
    t.equal("the close's code stays", one.close_code, 1000, id="eof-forgets-close")


def _heard(t: Transcript, one: Any, data: bytes, expected: list[object], id: str = "", what: str = "") -> None:
    got = outcome(lambda: list(one.receive(data)))
    t.equal(what or f"it hears {expected}", got, expected, id=id)


def _messages(t: Transcript, make: Any) -> None:
    t.say("messages, both ways")
    one = _one_end(make)
    _heard(t, one, HI_FRAME + client_frame(BINARY, b"\0"), ["Hi", b"\0"])
    one.send("Hi")
    _says(t, one, [SAYS_HI])


def _pongs(t: Transcript, make: Any) -> None:
    t.say("section 5.5.2: H, a ping in between, then i")
    one = _one_end(make)
    data = client_frame(TEXT, b"H", False) + client_frame(PING, b"p") + client_frame(CONTINUATION, b"i")
    _heard(t, one, data, ["Hi"], "control-breaks-message")
    _says(t, one, ["PONG 1 byte 70"], "pong-without-payload")
    _heard(t, one, client_frame(PONG, b"unasked"), [], what="section 5.5.3: a pong without a ping is no message")
    t.equal("its payload is kept in .pong", one.pong, b"unasked")


def _their_close(t: Transcript, make: Any) -> None:
    t.say("section 5.5.1: Hi, a close with 1001, and two frames behind it, in one piece; we answer each message")
    one = _one_end(make)
    heard = _echoed(t, one, HI_FRAME + CLOSE_FRAME + HI_FRAME + client_frame(PING))
    t.equal("the message before the close is received", heard, ["Hi"], id="data-after-close")
    t.equal(f"it says {SAYS_HI}, {SAYS_CLOSE}", _codes(one.take()), [SAYS_HI, SAYS_CLOSE], id="close-not-answered")
    t.equal("code and reason", (one.close_code, one.close_reason, one.done), (1001, "bye", True))
    t.equal("send() is refused now", outcome(one.send, "late"), "Closed 1001", id="data-after-close")
    _heard(t, one, HI_FRAME, [], "data-after-close", "receive() is called again: it hands on nothing")
    _says(t, one, [])
    one = _one_end(make)
    _heard(t, one, client_frame(CLOSE), [], what="a close without a payload")
    _says(t, one, ["CLOSE"], "1005-sent")
    t.equal("is reported as 1005 (section 7.1.5)", one.close_code, 1005, id="empty-close-is-1000")
    for bad, code in ((b"\x03", 1002), (b"\x03\xed", 1002), (b"\x03\xe8\xff", 1007)):
        one = _one_end(make)
        _heard(t, one, client_frame(CLOSE, bad), [], "close-not-checked", f"a close with [{bad.hex(' ')}]")
        _ends_with(t, one, code, "close-not-checked")


def _our_close(t: Transcript, make: Any) -> None:
    t.say("we close with 1000; a message of the peer crosses it, then its close comes")
    one = _one_end(make)
    one.close(1000)
    _says(t, one, ["CLOSE 1000"], "second-close")
    _heard(t, one, HI_FRAME, ["Hi"], "done-too-early")
    _heard(t, one, client_frame(CLOSE, b"\x03\xe8") + HI_FRAME, [], "data-after-close")
    _says(t, one, [], "second-close")
    t.equal("both have closed", (one.done, one.close_code), (True, 1000))


def _violations(t: Transcript, make: Any) -> None:
    for data, code, what in (
        (b"\x83", 1002, "a reserved opcode"),
        (client_frame(TEXT, b"\xff"), 1007, "text that is not UTF-8"),
        (bytes.fromhex("82ff7fffffffffffffff"), 1009, "a frame of 2**63 - 1 bytes"),
    ):
        t.say(f"section 7.1.7: Hi, {what}, and Hi again")
        one = _one_end(make)
        heard = _echoed(t, one, HI_FRAME + data + HI_FRAME)
        t.equal("only the first Hi is received", heard, ["Hi"], id="violation-not-told")
        _ends_with(t, one, code, "violation-not-told", before=[SAYS_HI])
        _heard(t, one, HI_FRAME, [], "violation-not-told", "nothing more is processed")
        _says(t, one, [])
    one = _one_end(make)
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
    return [" ".join(line.split()[:2]) if line.startswith("CLOSE") else line for line in frames_in_words(data)]


def _ends_with(t: Transcript, one: Any, code: int, id: str, before: list[str] | None = None) -> None:
    got = _codes(one.take())
    expected = [*(before or []), f"CLOSE {code}"]
    t.equal(f"it says {', '.join(expected)}", got, expected, id=id)
    t.true("and is done", one.done, got=one.done, expected="done", id=id)


# Step 8: a large message does not make a heartbeat late (RFC 6455, section 5.4). Judged in bytes, not in seconds.


SIZE, FRAGMENT = 1000, 100
HEADER = 14  # bytes of the longest frame header, key included
MOST_TAKES = 50  # more than these messages need; stops an answer that never ends


@lab.step(
    "A heartbeat is never late",
    minutes=25,
    lines=14,
    points=3,
    hints=(
        "Do not make frames in send: keep messages in a queue, and make one fragment each time `take` is called.",
        "take: what stands in `out` goes first, since control frames are written there. Only when it is empty, "
        "cut one fragment off the first message.",
        "Keep (opcode, memoryview) in `waiting`; what is left of a message goes back to the front as "
        "CONTINUATION. Our own close waits in the same queue.",
    ),
    words={
        "whole-message-first": (
            "A frame cannot be interrupted: a ping that becomes due waits until the whole frame is "
            "sent. It can only be sent between two fragments."
        ),
        "control-waits-in-line": (
            "Control frames do not wait for the messages in the queue: they are sent before the next fragment."
        ),
        "fragments-mixed": (
            "Fragments of two messages must not mix: the second message begins after the first has ended."
        ),
        "fragment-opcode": (
            "The first fragment has the message's opcode, the later ones have CONTINUATION, and the last one has FIN."
        ),
        "close-overtakes": (
            "Our own close is sent after the messages that were sent before it; no frame may follow it."
        ),
        "answer-waits": (
            "The answer to the peer's close does not wait for our queued messages: the peer wants no more."
        ),
    },
)
def patient_connection(t: Transcript, PatientConnection: Any) -> None:  # noqa: N803 - the answer is a class
    _fragments(t, PatientConnection)
    _pings_pass(t, PatientConnection)
    _order(t, PatientConnection)
    _closes(t, PatientConnection)


def _patient_end(make: Any, role: str = "server") -> Any:
    return make(role, 2**20, lambda size: KEY[:size], fragment_size=FRAGMENT)


def _all_taken(one: Any) -> list[bytes]:
    """Call `take` until it gives nothing; return what each call gave."""
    return [data for _, data in zip(range(MOST_TAKES), iter(one.take, b""), strict=False)]


def _fragments(t: Transcript, make: Any) -> None:
    t.say(f"a text of {SIZE} bytes, in fragments of {FRAGMENT}")
    one = _patient_end(make)
    one.send("x" * SIZE)
    taken = _all_taken(one)
    longest, most = max(map(len, taken), default=0), f"at most {FRAGMENT} bytes and a header"
    t.true("each take is one fragment at most", longest <= FRAGMENT + HEADER, got=f"{longest} bytes", expected=most,
           id="whole-message-first")  # fmt: skip
    frames, rest = read_frames(b"".join(taken))
    t.equal("together they are whole frames", rest, b"")
    t.equal("their payloads are the message", b"".join(frame.payload for frame in frames), b"x" * SIZE)
    opcodes = [(frame.opcode, frame.fin) for frame in frames]
    middle = [(CONTINUATION, False)] * (len(frames) - 2)
    t.equal("opcodes and FIN", opcodes, [(TEXT, False), *middle, (CONTINUATION, True)], id="fragment-opcode")
    for message in ("", b"", "x", b"xy"):
        one.send(message)
        frames, _ = read_frames(b"".join(_all_taken(one)))
        kind = TEXT if isinstance(message, str) else BINARY
        what = f"{type(message).__name__} of length {len(message)} is one frame"
        t.equal(what, [(f.opcode, f.fin) for f in frames], [(kind, True)], id="fragment-opcode")
    client = _patient_end(make, "client")
    client.send(b"x" * SIZE)
    frames, _ = read_frames(b"".join(_all_taken(client)))
    t.equal("a client masks each fragment", {f.masked for f in frames}, {True}, id="client-does-not-mask")


def _pings_pass(t: Transcript, make: Any) -> None:
    for before in (0, 1, 5):
        t.say(f"a message of {SIZE} bytes; {before} of its fragments are taken; then a ping is due")
        one = _patient_end(make)
        one.send(bytes(SIZE))
        for _ in range(before):
            one.take()
        one.ping(b"now")
        ahead = 0
        for data in _all_taken(one):
            if data[:1] == b"\x89":
                break
            ahead += len(data)
        t.equal("bytes of the message in front of the ping", ahead, 0, id="control-waits-in-line")
    t.say("a pong that is due in the middle of a message")
    one = _patient_end(make)
    one.send(bytes(SIZE))
    one.take()
    t.equal("a ping arrives", list(one.receive(client_frame(PING, b"p"))), [])
    t.equal(
        "its pong goes out at once", frames_in_words(one.take())[:1], ["PONG 1 byte 70"], id="control-waits-in-line"
    )


def _order(t: Transcript, make: Any) -> None:
    t.say("two long messages, a ping in the first")
    one = _patient_end(make)
    one.send("a" * 3 * FRAGMENT)
    one.send("b" * 3 * FRAGMENT)
    first = one.take()
    one.ping()
    frames, _ = read_frames(first + b"".join(_all_taken(one)))
    letters = "".join(chr(frame.payload[0]) for frame in frames if frame.opcode != PING)
    behind = letters.lstrip("a")
    t.equal("the second begins when the first has ended", behind, "b" * letters.count("b"), id="fragments-mixed")
    t.equal("nothing is missing", sum(len(f.payload) for f in frames), 6 * FRAGMENT)


def _closes(t: Transcript, make: Any) -> None:
    t.say("we send, then close")
    one = _patient_end(make)
    one.send("x" * 2 * FRAGMENT)
    one.close(1000, "enough")
    one.close(1001)
    t.equal("to send now", outcome(one.send, "late"), "Closed 1006", id="data-after-close")
    frames, _ = read_frames(b"".join(_all_taken(one)))
    got = [str(frame) if frame.opcode == CLOSE else "data" for frame in frames]
    t.equal("the close comes last", got[-1:], ['CLOSE 1000 "enough"'], id="close-overtakes")
    size = sum(len(frame.payload) for frame in frames if frame.opcode != CLOSE)
    t.equal("behind all that was sent", size, 2 * FRAGMENT, id="close-overtakes")
    t.equal("once", got.count(got[-1]), 1, id="second-close")
    for data, expected, what in (
        (client_frame(CLOSE, b"\x03\xe9"), "CLOSE 1001", "the peer closes"),
        (b"\x83", "CLOSE 1002", "the peer breaks a rule"),
    ):
        t.say(f"{what} while a long message goes out")
        one = _patient_end(make)
        one.send(bytes(SIZE))
        one.close()
        one.take()
        t.equal("nothing is heard", list(one.receive(data)), [])
        t.equal("the close goes out, and nothing else", _codes(b"".join(_all_taken(one))), [expected],
                id="answer-waits")  # fmt: skip
