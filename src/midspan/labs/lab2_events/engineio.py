"""Steps 8 and 9: Engine.IO over one WebSocket, and the text of a Socket.IO packet."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from socketio import packet as library

from midspan.grading import Transcript
from midspan.labs.lab2_events.lab import LEFT, VALUE_ERROR, VIOLATION, Envelope, Options, lab, outcome

# Step 8: Engine.IO v4 over one WebSocket: the request, the opening, packets, the heartbeat.


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
    "Engine.IO",
    minutes=30,
    lines=33,
    points=3,
    hints=(
        "The request is a path and a query: take them apart before you look. For the heartbeat two times are enough: "
        "when the next ping is to be sent, until when its pong must be here.",
        "urllib.parse.parse_qs(query, keep_blank_values=True) gives a list for each name: compare with ['websocket']. "
        "math.inf is a time that never comes.",
        "due: `if now >= self.pong_by` raise; `if now < self.ping_at` return None; else ping_at = inf, pong_by = now + "
        "timeout, return '2'. A pong: only when pong_by is not inf, ping_at = now + interval and pong_by = inf.",
    ),
    words={
        "request-not-checked": "A request that we cannot serve is refused by HTTP, before there is a WebSocket.",
        "refusal-order": "The transport is looked at first, then the session, then the version.",
        "seconds-on-the-wire": "The specification gives times in milliseconds.",
        "upgrades-offered": "Who is on a WebSocket already has nothing to upgrade to.",
        "ping-answered": "In version 4 the server pings; a client's ping goes in the wrong direction.",
        "packet-not-checked": "A packet that a client does not send over a WebSocket closes the session.",
        "close-is-no-error": "A close is the client's good right: Left, not a Violation.",
        "anything-is-a-pong": "Only a pong is an answer to a ping: a client that talks may have stopped listening.",
        "late-pong-forgiven": "When the time for the pong is over, so is the session.",
        "pings-too-often": "One ping is on its way at a time, and the next interval begins with its pong.",
    },
)
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


# Step 9: the text of a Socket.IO packet, v5. python-socketio's own class reads what we write, and the reverse.


HOLE = {"_placeholder": True, "num": 0}
PAIRS: tuple[tuple[Envelope, str, str], ...] = (
    (Envelope("join"), "0", "main-namespace-written"),
    (Envelope("join", {"sid": "x"}), '0{"sid":"x"}', "main-namespace-written"),
    (Envelope("join", None, "/admin"), "0/admin,", "comma-missing"),
    (Envelope("join", {}, "/admin"), "0/admin,{}", "comma-missing"),
    (Envelope("leave"), "1", "main-namespace-written"),
    (Envelope("leave", None, "/admin"), "1/admin,", "comma-missing"),
    (Envelope("event", ["foo"]), '2["foo"]', "main-namespace-written"),
    (Envelope("event", ["foo", "a-b", 1], "/a-b"), '2/a-b,["foo","a-b",1]', "dash-anywhere"),
    (Envelope("event", ["foo"], "/", 0), '20["foo"]', "false-left-out"),
    (Envelope("event", ["foo"], "/admin", 13), '2/admin,13["foo"]', "id-anywhere"),
    (Envelope("answer", [], "/", 12), "312[]", "false-left-out"),
    (Envelope("answer", ["bar"], "/admin", 13), '3/admin,13["bar"]', "id-anywhere"),
    (Envelope("refused", {"message": "no"}), '4{"message":"no"}', "main-namespace-written"),
    (Envelope("event", ["baz", HOLE], attachments=1), '51-["baz",{"_placeholder":true,"num":0}]', "binary-type"),
    (Envelope("event", ["baz"], "/a", 9, 12), '512-/a,9["baz"]', "binary-type"),
    (Envelope("answer", [HOLE], "/", 15, 1), '61-15[{"_placeholder":true,"num":0}]', "binary-type"),
)
ALSO = (
    ("0/admin", Envelope("join", None, "/admin"), "comma-required"),
    ("1/admin", Envelope("leave", None, "/admin"), "comma-required"),
    ('2/,["x"]', Envelope("event", ["x"]), "comma-required"),
    ("2/a-b,7", Envelope("event", None, "/a-b", 7), "dash-anywhere"),
    ('2["1-2"]', Envelope("event", ["1-2"]), "dash-anywhere"),
    ("42", Envelope("refused", None, "/", 2), "id-anywhere"),
)
UNREADABLE = (
    ("", "anything-is-read"),
    ("7", "anything-is-read"),
    ("abc", "anything-is-read"),
    ("2abc", "anything-is-read"),
    ('2["foo"', "anything-is-read"),
    ('2["foo"]]', "rest-ignored"),
    ('2["foo"] x', "rest-ignored"),
    ("0null", "null-is-nothing"),
    ("1null", "null-is-nothing"),
    ('2007["foo"]', "digits-of-all-scripts"),
    ('2\u0663["foo"]', "digits-of-all-scripts"),
    ('2\u00b2["foo"]', "digits-of-all-scripts"),
    ("\u0662", "digits-of-all-scripts"),
    ('5\u0661-["foo"]', "digits-of-all-scripts"),
    ('2-1["foo"]', "dash-anywhere"),
    ('5["foo"]', "binary-type"),
    ('5-["foo"]', "binary-type"),
    ('51["foo"]', "binary-type"),
    ('501-["foo"]', "digits-of-all-scripts"),
    ('21-["foo"]', "binary-type"),
    ('2chat,["foo"]', "anything-is-read"),
    ("0" * 5000, "anything-is-read"),
    ("2" + "1" * 5000 + '["foo"]', "digits-of-all-scripts"),
)


@lab.step(
    "Socket.IO packets",
    minutes=20,
    lines=15,
    points=3,
    hints=(
        "One pattern reads all seven types, if its parts stand in the order of the format, each of them optional.",
        "Two ways to begin: `([0-4])` or `([56])(number)-`. A namespace is `/` and all up to a comma or the end. "
        "`[0-9]` is ten digits, `\\d` is hundreds. re.DOTALL lets the JSON contain line ends.",
        "number = '(0|[1-9][0-9]*)'; re.fullmatch(f'(?:([0-4])|([56]){number}-)(?:(/[^,]*),?)?{number}?(.*)', text, "
        "re.DOTALL). Then json.loads(rest) if there is a rest, and a ValueError if that is None.",
    ),
    words={
        "main-namespace-written": "The main namespace is not written: it is what is meant when none is named.",
        "comma-missing": "A namespace ends with a comma when we write it, also when nothing follows.",
        "comma-required": "When nothing follows the namespace, its comma may be missing.",
        "binary-type": "With attachments an event has type 5, an answer type 6; their number stands before the dash.",
        "dash-anywhere": "A dash in the data says nothing: attachments are counted in front of the namespace only.",
        "digits-of-all-scripts": "isdigit() and \\d know the digits of many scripts; the wire has ten.",
        "order-of-fields": (
            "Type, attachments, namespace, id, JSON: in this order, and each but the first may be missing."
        ),
        "anything-is-read": "Whatever the text is, it is an envelope or a ValueError: nothing in between.",
        "rest-ignored": "What stands behind the JSON belongs to no field: the packet is not readable.",
        "null-is-nothing": "null is data of the wrong type, not the absence of data.",
        "error-has-no-packet": (
            "Socket.IO has no packet for an error: an answer in its place would be taken for a result."
        ),
    },
)
def packet(t: Transcript, encode_packet: Callable[[Any], str], decode_packet: Callable[[str], Any]) -> None:
    for envelope, text, id in PAIRS:
        t.equal(f"{text} is written", outcome(encode_packet, envelope), text, id=id)
        read = id if id == "dash-anywhere" else "order-of-fields"
        t.equal("and read", outcome(decode_packet, text), envelope, id=read)
    t.equal(
        "an error",
        outcome(encode_packet, Envelope("error", {"message": "x"}, "/", 1)),
        VALUE_ERROR,
        id="error-has-no-packet",
    )
    for text, envelope, id in ALSO:
        t.equal(f"{text} is read", outcome(decode_packet, text), envelope, id=id)
    for text, id in UNREADABLE:
        shown = text if len(text) < 30 else f"{text[:10]}... of {len(text)} characters"
        t.equal(f"{shown!r} is not", outcome(decode_packet, text), VALUE_ERROR, id=id)
    t.say("python-socketio's own packets")
    for kind, number in (("event", library.EVENT), ("answer", library.ACK)):
        theirs = library.Packet(number, data=["x", "é", {"a": [1.5, None]}], namespace="/chat", id=3)
        ours = Envelope(kind, ["x", "é", {"a": [1.5, None]}], "/chat", 3)
        t.equal(f"we read its {kind}", outcome(decode_packet, theirs.encode()), ours)
        seen = library.Packet(encoded_packet=encode_packet(ours))
        t.equal(
            "it reads ours", (seen.packet_type, seen.namespace, seen.id, seen.data), (number, "/chat", 3, ours.data)
        )
