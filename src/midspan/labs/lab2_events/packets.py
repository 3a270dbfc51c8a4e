"""Step 5: the text of a Socket.IO packet, v5. python-socketio's own class reads what we write, and the reverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from socketio import packet as library

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Envelope
from midspan.labs.lab2_events.lab import VALUE_ERROR, lab, outcome

PLACEHOLDER = {"_placeholder": True, "num": 0}
WRITTEN: tuple[tuple[Envelope, str, str], ...] = (
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
    (Envelope("event", ["baz", PLACEHOLDER], attachments=1), '51-["baz",{"_placeholder":true,"num":0}]', "binary-type"),
    (Envelope("event", ["baz"], "/a", 9, 12), '512-/a,9["baz"]', "binary-type"),
    (Envelope("answer", [PLACEHOLDER], "/", 15, 1), '61-15[{"_placeholder":true,"num":0}]', "binary-type"),
)
ALSO_READ = (
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
    minutes=27,
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
        "main-namespace-written": "The main namespace is not written: a packet without a namespace belongs to `/`.",
        "comma-missing": "A namespace ends with a comma when we write it, also when nothing follows.",
        "comma-required": "When nothing follows the namespace, its comma may be missing.",
        "binary-type": "With attachments an event has type 5, an answer type 6; their number stands before the dash.",
        "dash-anywhere": (
            "A dash in the data has no meaning: the number of attachments stands only before the namespace."
        ),
        "digits-of-all-scripts": "isdigit() and \\d accept the digits of many scripts; a packet may have only 0 to 9.",
        "order-of-fields": (
            "Type, attachments, namespace, id, JSON: in this order, and each but the first may be missing."
        ),
        "anything-is-read": "For any text, return an envelope or raise ValueError.",
        "rest-ignored": "Text after the JSON belongs to no field: refuse the packet.",
        "null-is-nothing": "null is data of the wrong type, not the absence of data.",
        "error-has-no-packet": (
            "Socket.IO has no packet for an error: the client would treat an answer in its place as a result."
        ),
    },
)
def packet(t: Transcript, encode_packet: Callable[[Any], str], decode_packet: Callable[[str], Any]) -> None:
    for envelope, text, id in WRITTEN:
        t.equal(f"{text} is written", outcome(encode_packet, envelope), text, id=id)
        read = id if id == "dash-anywhere" else "order-of-fields"
        t.equal("and read", outcome(decode_packet, text), envelope, id=read)
    t.equal(
        "an error",
        outcome(encode_packet, Envelope("error", {"message": "x"}, "/", 1)),
        VALUE_ERROR,
        id="error-has-no-packet",
    )
    for text, envelope, id in ALSO_READ:
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
