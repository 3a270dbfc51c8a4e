"""Step 6: bytes beside JSON: split, restore, and the assembler."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import VALUE_ERROR, VIOLATION, Envelope, Limits, outcome


def hole(number: Any) -> dict[str, Any]:
    """A placeholder as it stands on the wire."""
    return {"_placeholder": True, "num": number}


LOOKALIKE = hole(0)
SPLITS: tuple[tuple[Any, Any, list[bytes]], ...] = (
    (["file", b"abc"], ["file", hole(0)], [b"abc"]),
    (
        ["file", b"", {"a": [b"x", {"b": bytearray(b"y")}]}],
        ["file", hole(0), {"a": [hole(1), {"b": hole(2)}]}],
        [b"", b"x", b"y"],
    ),
    (["pair", (b"x", 1), b"x"], ["pair", [hole(0), 1], hole(1)], [b"x", b"x"]),
    (["none", {"a": None, "b": [True, 1.5, "x"]}], ["none", {"a": None, "b": [True, 1.5, "x"]}], []),
    ({"token": "x"}, {"token": "x"}, []),
    (None, None, []),
    (["like", LOOKALIKE], ["like", LOOKALIKE], []),
)
BAD: tuple[tuple[str, Any, list[bytes], str], ...] = (
    ("number 1 of one attachment", ["x", hole(1)], [b"a"], "number-trusted"),
    ("number -1", ["x", hole(-1)], [b"a"], "number-trusted"),
    ("number True of two", ["x", hole(0), hole(True)], [b"a", b"b"], "number-trusted"),
    ("number 0.0", ["x", hole(0.0)], [b"a"], "number-trusted"),
    ("number '0'", ["x", hole("0")], [b"a"], "number-trusted"),
    ("no number", ["x", {"_placeholder": True}], [b"a"], "number-trusted"),
    ("a number that is a list", ["x", hole([])], [b"a"], "number-trusted"),
    ("more fields, which would be lost", ["x", {**hole(0), "name": "a"}], [b"a"], "number-trusted"),
    ("number 0 twice", ["x", hole(0), [hole(0)]], [b"a"], "named-twice"),
    ("number 0 twice, of two", ["x", hole(0), hole(0)], [b"a", b"b"], "named-twice"),
    ("only the second named", ["x", hole(1)], [b"a", b"b"], "attachment-lost"),
    ("none named", ["x", 1], [b"a"], "attachment-lost"),
)
Split = Callable[[Any], tuple[Any, list[bytes]]]


@lab.step("Attachments", minutes=35, lines=45, points=3, hints=HINTS["assembler"])
def assembler(t: Transcript, split: Split, restore: Callable[..., Any], Assembler: Any) -> None:  # noqa: N803
    _splits(t, split)
    _restores(t, restore)
    _assembles(t, Assembler)
    _loses_no_thread(t, Assembler)


def _splits(t: Transcript, split: Split) -> None:
    for data, without, attachments in SPLITS:
        before = repr(data)
        got, taken = split(data)
        t.equal(f"split({data})", got, without, id="bytes-at-the-top-only")
        t.equal("the bytes, in order", [bytes(b) for b in taken], attachments, id="bytes-at-the-top-only")
        t.equal("the data itself is as before", repr(data), before)
        t.true("the rest is JSON", json.dumps(got) is not None, got=got, expected="JSON")
    for data in (["x", b"a", LOOKALIKE], ["x", {"deep": [LOOKALIKE]}, b"a"]):
        t.equal(f"split({data}) cannot be told apart", outcome(split, data), VALUE_ERROR, id="placeholder-forged")


def _restores(t: Transcript, restore: Callable[..., Any]) -> None:
    for data, without, attachments in SPLITS[:3]:
        expected = json.loads(json.dumps(without))
        got = outcome(restore, expected, list(attachments))
        t.equal(f"restore gives {data} back", got, _as_lists(data), id="bytes-at-the-top-only")
    t.equal("in any order", outcome(restore, ["x", hole(1), hole(0)], [b"a", b"b"]), ["x", b"b", b"a"])
    t.equal(
        "without bytes all stays", outcome(restore, ["x", {"_placeholder": False}], []), ["x", {"_placeholder": False}]
    )
    for what, data, attachments, id in BAD:
        t.equal(f"a placeholder with {what}", outcome(restore, data, list(attachments)), VIOLATION, id=id)


def _as_lists(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    return bytes(value) if isinstance(value, bytearray) else value


TEXTS = {
    "none": Envelope("event", ["plain", LOOKALIKE]),
    "one": Envelope("event", ["file", hole(0)], "/chat", 7, 1),
    "two": Envelope("answer", [hole(1), hole(0)], "/", 1, 2),
    "bad": Envelope("event", ["file", hole(3)], attachments=1),
}


def _made(make: Any, limits: Limits | None = None) -> Any:
    """An assembler that reads the texts of this check."""
    return make(TEXTS.__getitem__) if limits is None else make(TEXTS.__getitem__, limits)


def _assembles(t: Transcript, make: Any) -> None:
    there = _made(make)
    t.say("one assembler, message by message")
    plain = Envelope("event", ["plain", LOOKALIKE])
    t.equal("a text without attachments is whole", outcome(there.receive, "none"), plain, id="plain-data-restored")
    whole = Envelope("event", ["file", b"abc"], "/chat", 7)
    for id in ("gives-too-early", "state-kept"):
        t.equal("a text with one attachment is not", outcome(there.receive, "one"), None, id=id)
        t.equal("its attachment completes it", outcome(there.receive, b"abc"), whole, id="state-kept")
    t.equal("a text with two", outcome(there.receive, "two"), None, id="gives-too-early")
    t.equal("the first", outcome(there.receive, b"a"), None, id="gives-too-early")
    got = outcome(there.receive, b"")
    t.equal("the second, which is empty", got, Envelope("answer", [b"", b"a"], "/", 1), id="state-kept")
    t.equal("and a text again", outcome(there.receive, "none"), plain, id="state-kept")


def _loses_no_thread(t: Transcript, make: Any) -> None:
    for what, messages, id in (
        ("bytes that nobody announced", (b"a",), "announced-not-kept"),
        ("one attachment too many", ("one", b"a", b"b"), "announced-not-kept"),
        ("a text where an attachment is due", ("one", "none"), "announced-not-kept"),
        ("a placeholder that points at nothing", ("bad", b"a"), "number-trusted"),
    ):
        there = _made(make)
        got = [outcome(there.receive, message) for message in messages]
        t.equal(what, got[-1], VIOLATION, id=id)
    there = _made(make, Limits(size_bytes=1000))
    t.say("limits.size_bytes is 1000: two attachments of 600")
    outcome(there.receive, "two")
    t.equal("the first", outcome(there.receive, bytes(600)), None)
    t.equal("the second", outcome(there.receive, bytes(600)), VIOLATION, id="size-of-the-text")
    there = _made(make, Limits(size_bytes=1000))
    outcome(there.receive, "one")
    t.equal("one of 900 is taken", getattr(outcome(there.receive, bytes(900)), "kind", None), "event")
    outcome(there.receive, "one")
    t.equal(
        "another one after it too", getattr(outcome(there.receive, bytes(900)), "kind", None), "event", id="state-kept"
    )
