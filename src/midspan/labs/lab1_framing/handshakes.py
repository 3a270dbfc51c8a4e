"""Steps 9 to 11: the opening handshake on both ends, without a socket (RFC 6455 section 4)."""

from __future__ import annotations

from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import HELLO, lab, outcome

SAMPLE_KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
OTHER = "HSmrc0sMlYUkAGmm5OPpG2HaGWk="  # the answer to another key
HEADER_LINES = f"Host: server.example\r\nSec-WebSocket-Key:{SAMPLE_KEY}\r\nX: 1\r\nx:  2 \r\n"
HEAD = f"GET /chat HTTP/1.1\r\n{HEADER_LINES}\r\n".encode()
HEADERS = {"host": ["server.example"], "sec-websocket-key": [SAMPLE_KEY], "x": ["1", "2"]}
REQUEST_HEADERS = {
    "host": ["server.example"],
    "upgrade": ["websocket"],
    "connection": ["Upgrade"],
    "sec-websocket-key": [SAMPLE_KEY],
    "sec-websocket-version": ["13"],
}
GET = "GET /chat HTTP/1.1"
SWITCHING = "HTTP/1.1 101 Switching Protocols"
RESPONSE_HEADERS = {"upgrade": ["websocket"], "connection": ["Upgrade"], "sec-websocket-accept": [ACCEPT]}

GOOD_VARIANTS: tuple[dict[str, list[str]], ...] = (
    {"upgrade": ["h2c, WebSocket"]},
    {"upgrade": ["h2c", "websocket"]},
    {"connection": ["keep-alive, upgrade"]},
    {"connection": ["keep-alive", "UPGRADE"]},
    {"content-length": ["0"]},
    {"sec-websocket-extensions": ["permessage-deflate"]},
)

# what; start line; headers that differ (an empty list: not there); status; misconception
BAD_REQUESTS: list[tuple[str, str, dict[str, list[str]], int, str]] = [
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
BAD_RESPONSES: list[tuple[str, str, dict[str, list[str]], int, str]] = [
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
    minutes=27,
    lines=15,
    points=2,
    hints=(
        "The head ends with the first empty line: CR LF CR LF. All bytes after it are frames: return them.",
        'bytes.partition gives head, separator and rest; an empty separator says "not yet". HTTP heads decode '
        "as latin-1, which never fails.",
        'For each line: name, _, value = line.partition(":"); refuse a name that is no token (RFC 9110, '
        'section 5.6.2); headers.setdefault(name.lower(), []).append(value.strip(" \\t")).',
    ),
    words={
        "head-one-recv": "The head can come in pieces: it is complete when the blank line has arrived.",
        "rest-dropped": "Bytes after the blank line are frames already: they must not be lost.",
        "head-unlimited": "A head that never ends fills the memory of a server that has no limit.",
        "header-case": "Header names, and the tokens of Upgrade and Connection, are the same in any case.",
        "header-line-accepted": "A header has a name without spaces, a colon, and a value without control characters.",
    },
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
    "Request line and tokens",
    minutes=11,
    lines=6,
    points=1,
    hints=(
        "A request line has three parts with one space between them: method, target, version. A list in a header may "
        "stand on one line or on several, in any case.",
        "re.fullmatch checks the whole line at once, with one group for the method and two for the digits of the "
        'version. For tokens: two loops, over the values of the header and over value.split(",").',
        'line = re.fullmatch(r"([!-~]+) ((?:/|https?://|wss?://)[!-\\"$-~]*) HTTP/(\\d)\\.(\\d)", start): no match, or '
        'line.group(3, 4) < ("1", "1"), is 400; another method is Refused(405, why, {"Allow": "GET"}). tokens: '
        '[token.strip().lower() for value in headers.get(name, []) for token in value.split(",")].',
    ),
    words={
        "request-not-checked": "A request that is not a WebSocket handshake is refused, with the status that says why.",
        "header-value-not-list": (
            "Upgrade and Connection are lists: the token may stand among others, or on a line of its own."
        ),
        "allow-not-told": "A 405 names the allowed methods: its headers have Allow: GET (RFC 9110, 15.5.6).",
    },
)
def check_request_line(t: Transcript, check_request_line: Any, tokens: Any) -> None:
    t.say("request lines that are good")
    for start in (GET, "GET / HTTP/1.2", "GET https://server.example/chat?a=b HTTP/1.1"):
        t.equal(start, outcome(check_request_line, start), None)
    t.say("and those that are not")
    for what, start, change, status, id in BAD_REQUESTS:
        if not change:
            t.equal(what, outcome(check_request_line, start), f"Refused {status}", id=id)
    error = t.raises("POST, once more", lambda: check_request_line("POST / HTTP/1.1"), Exception)
    t.equal("the answer says what is allowed", _told(error).get("allow"), "GET", id="allow-not-told")
    t.say("the tokens of a header")
    for values in (["websocket"], ["h2c, WebSocket"], ["h2c", "websocket"], [" Websocket ,h2c"]):
        got = list(tokens({"upgrade": values}, "upgrade") or ())
        t.true(f"websocket is one of {values}", "websocket" in got, got=got, expected="websocket in lower case",
               id="header-value-not-list")  # fmt: skip
    got = list(tokens({"upgrade": ["websockets"]}, "upgrade") or ())
    t.true(
        "but not of websockets", "websocket" not in got, got=got, expected="no such token", id="header-value-not-list"
    )
    got = list(tokens({"host": ["server.example"]}, "upgrade") or ())
    t.equal("without the header there are none", got, [])


def _told(error: object) -> dict[str, str]:
    """Return the headers of a refusal, by their names in lower case."""
    return {name.lower(): value for name, value in getattr(error, "headers", {}).items()}


@lab.step(
    "The server's answer",
    minutes=30,
    lines=17,
    points=3,
    hints=(
        "Section 4.2.1 is a list of what a request must have: take it item by item, and refuse with the first "
        "that is missing.",
        "Use your `tokens` for Upgrade and Connection. Host and key must be there exactly once: "
        "compare the whole list.",
        'The key: re.fullmatch(r"[A-Za-z0-9+/]{22}==", key). 426 needs Upgrade, Connection and '
        "Sec-WebSocket-Version: 13 in its headers.",
    ),
    words={
        "version-not-told": (
            "A server that does not support the version of the request answers 426, and names the "
            "version that it supports."
        ),
        "key-not-checked": "The key is the base64 of 16 bytes: 22 characters and two `=`.",
    },
)
def answer_request(t: Transcript, answer_request: Any) -> None:
    t.say("the example of section 1.3")
    got = outcome(answer_request, GET, REQUEST_HEADERS)
    t.true("the answer is bytes", isinstance(got, bytes), got=got, expected="bytes")
    start, *lines = got.decode().split("\r\n")
    t.true("a status line of 101", start.startswith("HTTP/1.1 101 "), got=start, expected=SWITCHING)
    for line in ("upgrade: websocket", "connection: upgrade", f"sec-websocket-accept: {ACCEPT}".lower()):
        t.true(f"with {line}", line in map(str.lower, lines), got=lines, expected="that header")
    t.equal("the head ends with an empty line, and nothing follows", got[-4:], b"\r\n\r\n")
    t.true(f"the accept key is {ACCEPT}", ACCEPT in got.decode(), got=lines, expected="its upper and lower case")
    t.say("what is as good")
    for change in GOOD_VARIANTS:
        got = outcome(answer_request, GET, _with(REQUEST_HEADERS, change))
        t.true(f"{change}", isinstance(got, bytes), got=got, expected="101", id="header-value-not-list")
    t.say("what is refused, and with which status")
    for what, start, change, status, id in BAD_REQUESTS:
        got = outcome(answer_request, start, _with(REQUEST_HEADERS, change))
        t.equal(what, got, f"Refused {status}", id=id)
    old = _with(REQUEST_HEADERS, {"sec-websocket-version": ["8"]})
    error = t.raises("version 8, once more", lambda: answer_request(GET, old), Exception)
    t.equal("section 4.4: the answer names our version", _told(error).get("sec-websocket-version"), "13",
            id="version-not-told")  # fmt: skip


@lab.step(
    "The client's side",
    minutes=23,
    lines=13,
    points=2,
    hints=(
        "Write the request that answer_request accepts; then check the answer by the five rules "
        "at the end of section 4.1.",
        "The status line begins with HTTP/1.1 and three digits. Upgrade is one value here, Connection still a "
        "list, Accept exactly one value.",
        'headers.get(name, []) == [expected] tests "once, and this" in one go; for Upgrade compare in lower case.',
    ),
    words={
        "accept-not-checked": (
            "A server that answers without reading our key is no WebSocket server: it may be a cache, for instance."
        ),
        "status-not-checked": "Only 101 switches protocols; every other status is an ordinary HTTP answer.",
        "unasked-extension": "An extension or subprotocol that we did not ask for fails the connection.",
    },
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
    t.equal("the example of section 1.3", outcome(check_answer, SWITCHING, RESPONSE_HEADERS, SAMPLE_KEY), None)
    other = _with(RESPONSE_HEADERS, {"upgrade": ["WebSocket"], "connection": ["keep-alive, UPGRADE"]})
    t.equal(
        "in another case, among others",
        outcome(check_answer, "HTTP/1.1 101 ", other, SAMPLE_KEY),
        None,
        id="header-case",
    )
    t.say("answers that are not")
    for what, start, change, status, id in BAD_RESPONSES:
        got = outcome(check_answer, start, _with(RESPONSE_HEADERS, change), SAMPLE_KEY)
        t.equal(what, got, f"Refused {status}", id=id)
