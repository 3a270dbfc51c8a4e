"""Step 8: Engine.IO v4 over one WebSocket: the request, the opening, packets, the heartbeat."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import LEFT, VIOLATION, Options, outcome

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


@lab.step("Engine.IO", minutes=30, lines=33, points=3, hints=HINTS["engine"])
def engine(t: Transcript, refusal: Callable[..., Any], Engine: Any) -> None:  # noqa: N803 - the answer is a class
    _requests(t, refusal)
    _opening(t, Engine)
    _packets(t, Engine)
    _heartbeat(t, Engine)


def _requests(t: Transcript, refusal: Callable[..., Any]) -> None:
    t.equal(f"GET {GOOD} is fine", refusal(GOOD, True, {"known"}), None)
    also = "/socket.io/?transport=websocket&t=x%2Cy&EIO=4"
    t.equal("in any order, with more", refusal(also, True, set()), None)
    for target, (status, code, message), id in REFUSED:
        expected = (status, {"code": code, "message": message})
        t.equal(f"GET {target}", refusal(target, True, {"known"}), expected, id=id)
    expected = (400, {"code": 3, "message": "Bad request"})
    t.equal("without an Upgrade header", refusal(GOOD, False, set()), expected, id="request-not-checked")


def _opening(t: Transcript, make: Any) -> None:
    first, second = (make(Options(0.3, 20.5, 12345), 0.0) for _ in range(2))
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
    engine = make(Options(), 0.0)
    for packet, message in (("4", ""), ('42["x"]', '2["x"]'), ("44", "4"), (b"\x00\x04", b"\x00\x04"), (b"", b"")):
        t.equal(f"the message in {packet!r}", outcome(engine.receive, packet, 1.0), message)
    t.equal("1 closes", outcome(engine.receive, "1", 1.0), LEFT, id="close-is-no-error")
    for packet in NO_PACKETS:
        id = "ping-answered" if packet.startswith("2") else "packet-not-checked"
        t.equal(f"{packet!r} closes too", outcome(make(Options(), 0.0).receive, packet, 1.0), VIOLATION, id=id)


def _heartbeat(t: Transcript, make: Any) -> None:
    engine = make(Options(10.0, 4.0), 100.0)
    t.say("an interval of 10 s, a timeout of 4 s; the session begins at 100 s")
    t.equal("the deadline", engine.deadline, 110.0, id="pings-too-often")
    t.equal("at 109 s nothing is due", outcome(engine.due, 109.0), None, id="pings-too-often")
    t.equal("at 110 s a ping", outcome(engine.due, 110.0), "2", id="no-heartbeat")
    t.equal("once", outcome(engine.due, 111.0), None, id="pings-too-often")
    t.equal("the pong is due at", engine.deadline, 114.0, id="late-pong-forgiven")
    t.equal("a pong at 112 s", outcome(engine.receive, "3", 112.0), None)
    t.equal("the next ping is due at", engine.deadline, 122.0, id="pings-too-often")
    t.equal("a pong that nobody asked for, at 113 s", outcome(engine.receive, "3", 113.0), None)
    t.equal("changes nothing", engine.deadline, 122.0, id="pings-too-often")
    t.equal("at 123 s a ping", outcome(engine.due, 123.0), "2", id="no-heartbeat")
    t.equal("a message at 124 s is no pong", outcome(engine.receive, '42["x"]', 124.0), '2["x"]')
    t.equal("nor is a binary one", outcome(engine.receive, b"x", 125.0), b"x")
    t.equal("the pong is still due at", engine.deadline, 127.0, id="anything-is-a-pong")
    t.equal("at 126.9 s we wait", outcome(engine.due, 126.9), None)
    t.equal("at 127 s it is over", outcome(engine.due, 127.0), VIOLATION, id="late-pong-forgiven")
