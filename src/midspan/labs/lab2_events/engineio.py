"""Steps 6a and 6b: Engine.IO v4 over one WebSocket: the request, and the packets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Options
from midspan.labs.lab2_events.lab import LEFT, VIOLATION, lab, outcome

GOOD = "/socket.io/?EIO=4&transport=websocket"
UNKNOWN, SESSION = (400, 0, "Transport unknown"), (400, 1, "Session ID unknown")
BAD, VERSION = (400, 3, "Bad request"), (400, 5, "Unsupported protocol version")
REFUSED: tuple[tuple[str, tuple[int, int, str], str], ...] = (
    ("/socket.io/?EIO=4", UNKNOWN, "request-not-checked"),
    ("/socket.io/", UNKNOWN, "request-not-checked"),
    ("/socket.io/?EIO=4&transport=", UNKNOWN, "request-not-checked"),
    ("/socket.io/?EIO=4&transport=polling", UNKNOWN, "request-not-checked"),
    ("/socket.io/?EIO=4&transport=websocket&transport=polling", UNKNOWN, "request-not-checked"),
    ("/socket.io/?transport=websocket", VERSION, "request-not-checked"),
    ("/socket.io/?EIO=&transport=websocket", VERSION, "request-not-checked"),
    ("/socket.io/?EIO=3&transport=websocket", VERSION, "request-not-checked"),
    ("/socket.io/?EIO=44&transport=websocket", VERSION, "request-not-checked"),
    ("/socket.io/?xEIO=4&transport=websocket", VERSION, "request-not-checked"),
    ("/socket.io/?EIO=abc&transport=websocket", VERSION, "request-not-checked"),
    (f"{GOOD}&sid=nobody", SESSION, "request-not-checked"),
    (f"{GOOD}&sid=", SESSION, "request-not-checked"),
    (f"{GOOD}&sid=known", BAD, "upgrades-offered"),
    ("/socket.io/?EIO=3&transport=abc&sid=nobody", UNKNOWN, "refusal-order"),
    ("/socket.io/?EIO=3&transport=websocket&sid=nobody", SESSION, "refusal-order"),
    ("/engine.io/?EIO=4&transport=websocket", (404, 3, "Bad request"), "request-not-checked"),
    ("/?EIO=4&transport=websocket", (404, 3, "Bad request"), "request-not-checked"),
)
NO_PACKETS = ("", "0", "0{}", "2", "2probe", "3probe", "1x", "5", "6", "7", "b", "bAQID", "abc", " 4", "\u0664", "33")


@lab.step(
    "The request",
    minutes=23,
    lines=13,
    points=1,
    hints=(
        "A target is a path and a query: take them apart before you look. Then one `if` for each refusal, in the order "
        "of the text.",
        "urllib.parse.parse_qs(query, keep_blank_values=True) gives a list for each name: compare with ['websocket'].",
        "path, _, query = target.partition('?'); asked = parse_qs(...). `if path != '/socket.io/': return 404, "
        "{'code': 3, 'message': 'Bad request'}`; `if asked.get('transport') != ['websocket']: ...`; then sid, then "
        "upgrade, then `asked.get('EIO') != ['4']`; at the end return None.",
    ),
    words={
        "request-not-checked": (
            "Refuse a request that the server cannot serve with an HTTP status, before there is a WebSocket."
        ),
        "refusal-order": "Check the transport first, then the session, then the version.",
        "upgrades-offered": "A client that is on a WebSocket already has nothing to upgrade to.",
    },
)
def refusal(t: Transcript, refusal: Callable[..., Any]) -> None:
    t.equal(f"GET {GOOD} is fine", refusal(GOOD, True, {"known"}), None)
    also = "/socket.io/?transport=websocket&t=x%2Cy&EIO=4"
    t.equal("in any order, with more", refusal(also, True, set()), None)
    for target, (status, code, message), id in REFUSED:
        expected = (status, {"code": code, "message": message})
        t.equal(f"GET {target}", refusal(target, True, {"known"}), expected, id=id)
    expected = (400, {"code": 3, "message": "Bad request"})
    t.equal("without an Upgrade header", refusal(GOOD, False, set()), expected, id="request-not-checked")


@lab.step(
    "Engine.IO packets",
    minutes=22,
    lines=12,
    points=2,
    hints=(
        "`opening` is 0 and a JSON object. `receive` looks at the first character: which packets "
        "may a client send on a connection that began as a WebSocket, and what does each mean?",
        "round(1000 * seconds) is an int; json.dumps(..., separators=(',', ':')) writes no spaces. startswith('4') is "
        "true for '4' alone too; compare '1' and '3' with ==.",
        "receive: bytes are returned as they are; '4...' gives packet[1:]; '1' raises Left; all but '3' is a "
        "Violation; '3' gives None.",
    ),
    words={
        "seconds-on-the-wire": "The specification gives times in milliseconds.",
        "ping-answered": "In version 4 the server sends the pings: a ping from a client is wrong.",
        "packet-not-checked": (
            "A packet that a client does not send on a connection that began as a WebSocket closes the session."
        ),
        "close-is-no-error": "A client may close at any time: that is Left, not a Violation.",
    },
)
def engine_packets(t: Transcript, EnginePackets: Any) -> None:  # noqa: N803 - the answer is a class
    _opening(t, EnginePackets)
    _packets(t, EnginePackets)


def _opening(t: Transcript, make: Any) -> None:
    first, second = (make(Options(0.3, 20.5, 12345)) for _ in range(2))
    packet = first.opening()
    t.true("the opening is a packet of type 0", packet[:2] == "0{", got=packet, expected="0 and a JSON object")
    said = json.loads(packet[1:])
    fields = ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    t.equal("with these fields", sorted(said), sorted(fields))
    t.equal("nothing to upgrade to", said["upgrades"], [], id="upgrades-offered")
    times = [said["pingInterval"], said["pingTimeout"]]
    t.equal("an interval of 0.3 s, a timeout of 20.5 s", times, [300, 20500], id="seconds-on-the-wire")
    t.equal("the most that we take", said["maxPayload"], 12345)
    t.equal("the session's id", said["sid"], first.sid)
    t.true("each session has its own", first.sid != second.sid, got=second.sid, expected="another one")


def _packets(t: Transcript, make: Any) -> None:
    engine = make(Options())
    for packet, message in (("4", ""), ('42["x"]', '2["x"]'), ("44", "4"), (b"\x00\x04", b"\x00\x04"), (b"", b"")):
        t.equal(f"the message in {packet!r}", outcome(engine.receive, packet), message)
    t.equal("1 closes", outcome(engine.receive, "1"), LEFT, id="close-is-no-error")
    for packet in NO_PACKETS:
        id = "ping-answered" if packet.startswith("2") else "packet-not-checked"
        t.equal(f"{packet!r} closes too", outcome(make(Options()).receive, packet), VIOLATION, id=id)
    t.equal("a pong is no message", outcome(make(Options()).receive, "3"), None)
