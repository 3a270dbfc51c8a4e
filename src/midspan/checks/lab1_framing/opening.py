"""Steps 8 to 10: the opening handshake (RFC 6455, section 4)."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import HELLO, outcome

SAMPLE_KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
OTHER = "HSmrc0sMlYUkAGmm5OPpG2HaGWk="  # the answer to another key
FIELDS = f"Host: server.example\r\nSec-WebSocket-Key:{SAMPLE_KEY}\r\nX: 1\r\nx:  2 \r\n"
HEAD = f"GET /chat HTTP/1.1\r\n{FIELDS}\r\n".encode()
HEADERS = {"host": ["server.example"], "sec-websocket-key": [SAMPLE_KEY], "x": ["1", "2"]}
ASKED = {
    "host": ["server.example"],
    "upgrade": ["websocket"],
    "connection": ["Upgrade"],
    "sec-websocket-key": [SAMPLE_KEY],
    "sec-websocket-version": ["13"],
}
GET = "GET /chat HTTP/1.1"
SWITCHING = "HTTP/1.1 101 Switching Protocols"
ANSWERED = {"upgrade": ["websocket"], "connection": ["Upgrade"], "sec-websocket-accept": [ACCEPT]}

AS_GOOD: tuple[dict[str, list[str]], ...] = (
    {"upgrade": ["h2c, WebSocket"]},
    {"upgrade": ["h2c", "websocket"]},
    {"connection": ["keep-alive, upgrade"]},
    {"connection": ["keep-alive", "UPGRADE"]},
    {"content-length": ["0"]},
    {"sec-websocket-extensions": ["permessage-deflate"]},
)

# what; start line; headers that differ (an empty list: not there); status; misconception
REFUSALS: list[tuple[str, str, dict[str, list[str]], int, str]] = [
    ("the method is POST", "POST /chat HTTP/1.1", {}, 405, "request-not-checked"),
    ("HTTP/1.0", "GET /chat HTTP/1.0", {}, 400, "request-not-checked"),
    ("no target", "GET HTTP/1.1", {}, 400, "request-not-checked"),
    ("a fragment in the target (section 3)", "GET /chat#here HTTP/1.1", {}, 400, "request-not-checked"),
    ("no Host", GET, {"host": []}, 400, "request-not-checked"),
    ("two Hosts", GET, {"host": ["a.example", "b.example"]}, 400, "request-not-checked"),
    ("no Upgrade", GET, {"upgrade": []}, 426, "request-not-checked"),
    ("Upgrade: h2c", GET, {"upgrade": ["h2c"]}, 426, "request-not-checked"),
    ("Upgrade: websockets", GET, {"upgrade": ["websockets"]}, 426, "header-value-not-list"),
    ("no Connection", GET, {"connection": []}, 400, "request-not-checked"),
    ("Connection: keep-alive", GET, {"connection": ["keep-alive"]}, 400, "request-not-checked"),
    ("no version", GET, {"sec-websocket-version": []}, 426, "version-not-told"),
    ("version 8", GET, {"sec-websocket-version": ["8"]}, 426, "version-not-told"),
    ("no key", GET, {"sec-websocket-key": []}, 400, "key-not-checked"),
    ("two keys", GET, {"sec-websocket-key": [SAMPLE_KEY, SAMPLE_KEY]}, 400, "key-not-checked"),
    ("a key of 15 bytes", GET, {"sec-websocket-key": ["AAAAAAAAAAAAAAAAAAAA"]}, 400, "key-not-checked"),
    ("a key of 17 bytes", GET, {"sec-websocket-key": ["AAAAAAAAAAAAAAAAAAAAAAA="]}, 400, "key-not-checked"),
    ("a key that is no base64", GET, {"sec-websocket-key": ["dGhlIHNhbXBsZSBub25j!Q=="]}, 400, "key-not-checked"),
    ("a body", GET, {"content-length": ["5"]}, 400, "request-not-checked"),
    ("a body of unknown length", GET, {"transfer-encoding": ["chunked"]}, 400, "request-not-checked"),
]  # fmt: skip
ANSWERS: list[tuple[str, str, dict[str, list[str]], int, str]] = [
    ("status 200", "HTTP/1.1 200 OK", {}, 200, "status-not-checked"),
    ("status 403", "HTTP/1.1 403 Forbidden", {}, 403, "status-not-checked"),
    ("HTTP/1.0", "HTTP/1.0 101 Switching Protocols", {}, 400, "status-not-checked"),
    ("no Upgrade", SWITCHING, {"upgrade": []}, 101, "request-not-checked"),
    ("Upgrade: h2c", SWITCHING, {"upgrade": ["h2c"]}, 101, "request-not-checked"),
    ("no Connection", SWITCHING, {"connection": []}, 101, "request-not-checked"),
    ("no Accept", SWITCHING, {"sec-websocket-accept": []}, 101, "accept-not-checked"),
    ("the Accept of another key", SWITCHING, {"sec-websocket-accept": [OTHER]}, 101, "accept-not-checked"),
    ("Accept in lower case", SWITCHING, {"sec-websocket-accept": [ACCEPT.lower()]}, 101, "accept-not-checked"),
    ("an extension", SWITCHING, {"sec-websocket-extensions": ["permessage-deflate"]}, 101, "unasked-extension"),
    ("a subprotocol", SWITCHING, {"sec-websocket-protocol": ["chat"]}, 101, "unasked-extension"),
]  # fmt: skip


def _with(good: dict[str, list[str]], change: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in {**good, **change}.items() if values}


@lab.step(
    "The head of a request",
    minutes=10,
    lines=15,
    points=2,
    hints=HINTS["read_head"],
)
def read_head(t: Transcript, read_head: Any) -> None:
    t.say("a request in one piece")
    t.equal("its three parts", outcome(read_head, HEAD), ("GET /chat HTTP/1.1", HEADERS, b""), id="header-case")
    got = outcome(read_head, HEAD + HELLO)
    t.equal("a frame behind it", got[2] if isinstance(got, tuple) else got, HELLO, id="rest-dropped")
    t.say(f"the same {len(HEAD)} bytes, as they come in one by one")
    early = [at for at in range(len(HEAD)) if outcome(read_head, HEAD[:at]) is not None]
    t.equal("before the last byte there is nothing", early, [], id="head-one-recv")
    t.say("what is no head")
    for line in ("no colon", ": no name", "na me: x", "name : x", " folded: x", "x: a\0b"):
        head = f"GET / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode()
        t.equal(f"a line {line!r}", outcome(read_head, head), "Refused 400", id="header-line-accepted")
    got = outcome(read_head, b"GET / HTTP/1.1\r\nHost: x\n")
    t.equal("a line that ends with LF alone", got, "Refused 400", id="header-line-accepted")
    t.equal("99 bytes and no end yet, of at most 99", outcome(read_head, b"x" * 99, 99), None)
    t.equal("one more (status 431)", outcome(read_head, b"x" * 100, 99), "Refused 431", id="head-unlimited")
    whole = b"x: " + b"y" * 97 + b"\r\n\r\n"
    t.equal("one more, and the end is there", outcome(read_head, whole, 99), "Refused 431", id="head-unlimited")


@lab.step(
    "The server's answer",
    minutes=20,
    lines=23,
    points=3,
    hints=HINTS["answer_request"],
)
def answer_request(t: Transcript, answer_request: Any) -> None:
    t.say("the example of section 1.3")
    got = outcome(answer_request, GET, ASKED)
    t.true("the answer is bytes", isinstance(got, bytes), got=got, expected="bytes")
    start, *lines = got.decode().split("\r\n")
    t.true("a status line of 101", start.startswith("HTTP/1.1 101 "), got=start, expected=SWITCHING)
    for line in ("upgrade: websocket", "connection: upgrade", f"sec-websocket-accept: {ACCEPT}".lower()):
        t.true(f"with {line}", line in map(str.lower, lines), got=lines, expected="that header")
    t.equal("the head ends with an empty line, and nothing follows", got[-4:], b"\r\n\r\n")
    t.true(
        f"the accept key is {ACCEPT}", ACCEPT in got.decode(), got=lines, expected="upper and lower case as they are"
    )
    t.say("what is as good")
    for change in AS_GOOD:
        got = outcome(answer_request, GET, _with(ASKED, change))
        t.true(f"{change}", isinstance(got, bytes), got=got, expected="101", id="header-value-not-list")
    t.say("what is refused, and with which status")
    for what, start, change, status, id in REFUSALS:
        got = outcome(answer_request, start, _with(ASKED, change))
        t.equal(what, got, f"Refused {status}", id=id)
    error = t.raises(
        "version 8, once more", lambda: answer_request(GET, _with(ASKED, {"sec-websocket-version": ["8"]})), Exception
    )
    told = {name.lower(): value for name, value in getattr(error, "headers", {}).items()}
    t.equal(
        "section 4.4: the answer says what we speak", told.get("sec-websocket-version"), "13", id="version-not-told"
    )


@lab.step(
    "The client's side",
    minutes=10,
    lines=13,
    points=2,
    hints=HINTS["check_answer"],
)
def check_answer(t: Transcript, request_bytes: Any, check_answer: Any) -> None:
    t.say("what we ask")
    asked = request_bytes("server.example:8080", "/chat?a=b", SAMPLE_KEY)
    t.true("the request is bytes", isinstance(asked, bytes), got=asked, expected="bytes")
    start, *lines = asked.decode().split("\r\n")
    t.equal("its first line", start, "GET /chat?a=b HTTP/1.1")
    for line in (
        "host: server.example:8080",
        "upgrade: websocket",
        "connection: upgrade",
        f"sec-websocket-key: {SAMPLE_KEY}",
        "sec-websocket-version: 13",
    ):
        t.true(f"with {line}", line.lower() in map(str.lower, lines), got=lines, expected="that header")
    t.equal("an empty line ends it", asked[-4:], b"\r\n\r\n")
    t.say("an answer that is good")
    t.equal("the example of section 1.3", outcome(check_answer, SWITCHING, ANSWERED, SAMPLE_KEY), None)
    other = _with(ANSWERED, {"upgrade": ["WebSocket"], "connection": ["keep-alive, UPGRADE"]})
    t.equal(
        "in another case, among others",
        outcome(check_answer, "HTTP/1.1 101 ", other, SAMPLE_KEY),
        None,
        id="header-case",
    )
    t.say("answers that are not")
    for what, start, change, status, id in ANSWERS:
        got = outcome(check_answer, start, _with(ANSWERED, change), SAMPLE_KEY)
        t.equal(what, got, f"Refused {status}", id=id)
