"""Opening handshakes of RFC 6455, section 4, as rows: one change to a good request or answer, and what comes of it."""

# ruff: noqa: E501 - a sentence of the RFC is a line
# fmt: off

from __future__ import annotations

from typing import NamedTuple

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
REQUEST = "GET /chat?room=a HTTP/1.1"
ASKED = {
    "Host": "server.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
ANSWER = "HTTP/1.1 101 Switching Protocols"
ANSWERED = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}


class Opening(NamedTuple):
    """A request (or an answer) and the status that refuses it; 101 when it is good."""

    section: str
    claim: str
    status: int
    start: str
    headers: list[tuple[str, str]]

    @property
    def head(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" if name else value for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def asked(
    section: str, claim: str, status: int, start: str = REQUEST, more: list[tuple[str, str]] | None = None, **change: str
) -> Opening:
    """A request with headers changed (`Upgrade="h2c"`), left out (`Upgrade=""`) or added."""
    return Opening(section, claim, status, start, [*changed(ASKED, change), *(more or [])])


def answered(section: str, claim: str, status: int, start: str = ANSWER, more: list[tuple[str, str]] | None = None, **change: str) -> Opening:
    """The same for the server's answer."""
    return Opening(section, claim, status, start, [*changed(ANSWERED, change), *(more or [])])


def changed(good: dict[str, str], change: dict[str, str]) -> list[tuple[str, str]]:
    change = {name.replace("_", "-"): value for name, value in change.items()}
    return [(name, change.get(name, value)) for name, value in good.items() if change.get(name, value)]


REQUESTS = [
    asked("4.1", "the RFC's example", 101),
    asked("4.2.1", "header names in any case", 101, more=[("origin", "http://example.com")], Upgrade="WebSocket"),
    asked("4.2.1", "Upgrade among other protocols", 101, Upgrade="h2c, WEBSOCKET"),
    asked("4.2.1", "Upgrade over two lines", 101, Upgrade="h2c", more=[("upgrade", "websocket")]),
    asked("4.2.1", "Connection is a list", 101, Connection="keep-alive, Upgrade"),
    asked("4.2.1", "Connection over two lines", 101, Connection="keep-alive", more=[("Connection", "uPGRADE")]),
    asked("4.2.1", "spaces around values", 101, Upgrade="  websocket \t", Sec_WebSocket_Key=f" {KEY}  "),
    asked("4.2.1", "no spaces after colons", 101, more=[("", "X-Tight:1")]),
    asked("9.1", "extensions that we do not speak", 101, more=[("Sec-WebSocket-Extensions", "permessage-deflate; a=1")]),
    asked("1.9", "subprotocols that we do not speak", 101, more=[("Sec-WebSocket-Protocol", "chat, superchat")]),
    asked("4.2.1", "an absolute target", 101, start="GET http://server.example/chat HTTP/1.1"),
    asked("4.2.1", "a higher version of HTTP", 101, start="GET / HTTP/1.2"),
    asked("4.2.1", "an empty body", 101, more=[("Content-Length", "0")]),
    *(asked("4.2.1", f"method {m}", 405, start=f"{m} /chat HTTP/1.1") for m in ("POST", "PUT", "HEAD", "OPTIONS", "get", "CONNECT")),
    *(
        asked("4.2.1", f"request line {line!r}", 400, start=line)
        for line in (
            "GET /chat HTTP/1.0", "GET /chat HTTP/0.9", "GET /chat", "GET  /chat HTTP/1.1", "GET chat HTTP/1.1", "GET * HTTP/1.1",
            "GET /a b HTTP/1.1", "GET /chat#part HTTP/1.1", "/chat GET HTTP/1.1", "GET /chat HTTP/1.1 ", "", "GET /chat HTTPS/1.1",
            "GET /chat http/1.1", "GET /chat HTTP/1.1.1", "GET /ch\xe4t HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /chat\tHTTP/1.1",
        )
    ),
    asked("4.2.1", "no Host", 400, Host=""),
    asked("4.2.1", "two Hosts", 400, more=[("Host", "server.example")]),
    asked("4.2.1", "an empty Host", 400, Host=" "),
    asked("4.2.1", "no Upgrade", 426, Upgrade=""),
    asked("4.2.1", "another protocol", 426, Upgrade="h2c"),
    asked("4.2.1", "websocket as part of a word", 426, Upgrade="websockets"),
    asked("4.2.1", "no Connection", 400, Connection=""),
    asked("4.2.1", "Connection without Upgrade", 400, Connection="keep-alive"),
    asked("4.2.1", "Upgrade as part of a word", 400, Connection="Upgraded"),
    asked("4.2.1", "no key", 400, Sec_WebSocket_Key=""),
    asked("11.3.1", "two keys", 400, more=[("Sec-WebSocket-Key", KEY)]),
    *(
        asked("4.2.1", f"key {key!r}", 400, Sec_WebSocket_Key=key)
        for key in (
            " ", "x", "AAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAA", "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBu b25jZQ==", KEY + KEY, KEY + "=", "dGhlIHNhbXBsZSBub25-_Q==", KEY + ", " + KEY,
        )
    ),
    *(asked("4.2.2", f"version {v!r}", 426, Sec_WebSocket_Version=v) for v in ("", "8", "12", "14", "0", "013", "13, 8", "13.0", "x", "+13")),
    asked("11.3.5", "two versions", 426, more=[("Sec-WebSocket-Version", "13")]),
    asked("4.2.1", "a body", 400, more=[("Content-Length", "1")]),
    asked("4.2.1", "a body of unknown length", 400, more=[("Transfer-Encoding", "chunked")]),
    asked("4.2.1", "two lengths", 400, more=[("Content-Length", "0"), ("Content-Length", "5")]),
    *(
        asked("4.2.1", f"header line {line!r}", 400, more=[("", line)])
        for line in ("no colon", ": no name", "a name: x", "name : x", "n\xe4me: x", " folded", "\tfolded", "x: a\0b", "x: a\rb", "x: a\nb", "x: \x7f")
    ),
    asked("10", "a head that is too long", 431, more=[("X", "x" * 16384)]),
    asked("10", "too many headers", 431, more=[("X", "x" * 100)] * 200),
]
ANSWERS = [
    answered("4.1", "the RFC's example", 101),
    answered("4.1", "header names and tokens in any case", 101, Upgrade="WebSocket", Connection="keep-alive, uPGRADE"),
    answered("4.1", "no reason phrase", 101, start="HTTP/1.1 101"),
    answered("4.1", "an empty reason phrase", 101, start="HTTP/1.1 101 "),
    *(answered("4.1", f"status {n}", n, start=f"HTTP/1.1 {n} No") for n in (100, 102, 200, 204, 301, 400, 403, 426, 500)),
    *(
        answered("4.1", f"status line {line!r}", 400, start=line)
        for line in ("HTTP/1.0 101 Switching Protocols", "101 Switching Protocols", "HTTP/1.1 1010 x", "HTTP/1.1  101 x", "", "HTTP/1.1 101x")
    ),
    answered("4.1", "no Upgrade", 101, Upgrade=""),
    answered("4.1", "another Upgrade", 101, Upgrade="h2c"),
    answered("4.1", "Upgrade is no list here", 101, Upgrade="h2c, websocket"),
    answered("4.1", "no Connection", 101, Connection=""),
    answered("4.1", "Connection without Upgrade", 101, Connection="close"),
    answered("4.1", "no Accept", 101, Sec_WebSocket_Accept=""),
    answered("4.1", "the answer to another key", 101, Sec_WebSocket_Accept="HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    answered("4.1", "Accept in lower case", 101, Sec_WebSocket_Accept=ACCEPT.lower()),
    answered("11.3.3", "two Accepts", 101, more=[("Sec-WebSocket-Accept", ACCEPT)]),
    answered("4.1", "an extension that we did not ask for", 101, more=[("Sec-WebSocket-Extensions", "permessage-deflate")]),
    answered("4.1", "a subprotocol that we did not ask for", 101, more=[("Sec-WebSocket-Protocol", "chat")]),
]
GOOD_ANSWERS = 4  # the first rows of ANSWERS: the client goes on
