"""Steps 9a to 9c: bytes beside JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Envelope, Limits
from midspan.labs.lab2_events.lab import VALUE_ERROR, VIOLATION, lab, outcome


def placeholder(number: Any) -> dict[str, Any]:
    """Return a placeholder as it is on the wire."""
    return {"_placeholder": True, "num": number}


LOOKALIKE = placeholder(0)
SPLITS: tuple[tuple[Any, Any, list[bytes]], ...] = (
    (["file", b"abc"], ["file", placeholder(0)], [b"abc"]),
    (
        ["file", b"", {"a": [b"x", {"b": bytearray(b"y")}]}],
        ["file", placeholder(0), {"a": [placeholder(1), {"b": placeholder(2)}]}],
        [b"", b"x", b"y"],
    ),
    (["pair", (b"x", 1), b"x"], ["pair", [placeholder(0), 1], placeholder(1)], [b"x", b"x"]),
    (["none", {"a": None, "b": [True, 1.5, "x"]}], ["none", {"a": None, "b": [True, 1.5, "x"]}], []),
    ({"token": "x"}, {"token": "x"}, []),
    (None, None, []),
    (["like", LOOKALIKE], ["like", LOOKALIKE], []),
)
WRONG_PLACEHOLDERS: tuple[tuple[str, Any, list[bytes], str], ...] = (
    ("number 1 of one attachment", ["x", placeholder(1)], [b"a"], "number-trusted"),
    ("number -1", ["x", placeholder(-1)], [b"a"], "number-trusted"),
    ("number True of two", ["x", placeholder(0), placeholder(True)], [b"a", b"b"], "number-trusted"),
    ("number 0.0", ["x", placeholder(0.0)], [b"a"], "number-trusted"),
    ("number '0'", ["x", placeholder("0")], [b"a"], "number-trusted"),
    ("no number", ["x", {"_placeholder": True}], [b"a"], "number-trusted"),
    ("a number that is a list", ["x", placeholder([])], [b"a"], "number-trusted"),
    ("more fields, which would be lost", ["x", {**placeholder(0), "name": "a"}], [b"a"], "number-trusted"),
    ("number 0 twice", ["x", placeholder(0), [placeholder(0)]], [b"a"], "named-twice"),
    ("number 0 twice, of two", ["x", placeholder(0), placeholder(0)], [b"a", b"b"], "named-twice"),
    ("only the second named", ["x", placeholder(1)], [b"a", b"b"], "attachment-lost"),
    ("none named", ["x", 1], [b"a"], "attachment-lost"),
)
Split = Callable[[Any], tuple[Any, list[bytes]]]


@lab.step(
    "Bytes out",
    minutes=25,
    lines=14,
    points=1,
    hints=(
        "Walk through lists and dicts with a function that calls itself for each item. Replace "
        "bytes by a placeholder, and keep them in order.",
        "An inner function walk(value) with three cases: bytes, dict, list or tuple; all else is returned as it is. "
        "isinstance(value, bytes | bytearray) knows both kinds of bytes.",
        "bytes: attachments.append(bytes(value)); return {'_placeholder': True, 'num': len(attachments) - 1}. dict: "
        "remember it if value.get('_placeholder') is True; return {key: walk(item) ...}. After the walk: if both lists "
        "have something, raise ValueError.",
    ),
    words={
        "bytes-at-the-top-only": "Bytes can be anywhere in the data, for example in a list in a dict in a list.",
        "placeholder-forged": (
            "A dict that looks like a placeholder cannot be distinguished from a real one: refuse it beside bytes."
        ),
    },
)
def split(t: Transcript, split: Split) -> None:
    for data, without, attachments in SPLITS:
        before = repr(data)
        got, taken = split(data)
        t.equal(f"split({data})", got, without, id="bytes-at-the-top-only")
        t.equal("the bytes, in order", [bytes(b) for b in taken], attachments, id="bytes-at-the-top-only")
        t.equal("the data itself is as before", repr(data), before)
        t.true("the rest is JSON", json.dumps(got) is not None, got=got, expected="JSON")
    for data in (["x", b"a", LOOKALIKE], ["x", {"deep": [LOOKALIKE]}, b"a"]):
        t.equal(f"split({data}) cannot be told apart", outcome(split, data), VALUE_ERROR, id="placeholder-forged")


@lab.step(
    "Bytes back",
    minutes=25,
    lines=14,
    points=1,
    hints=(
        "The same walk in the other direction. Each attachment is named by one placeholder, no more and no less.",
        "left = dict(enumerate(attachments)) holds those that no placeholder has named yet; left.pop(number) does it.",
        "A dict with value.get('_placeholder') is True: its number must be an int (type(number) is int) and a key of "
        "left, and the dict must have two fields; else Violation. After the walk: if left: raise Violation.",
    ),
    words={
        "number-trusted": "A placeholder's number comes from a client: -1, True and 7 are no index.",
        "named-twice": ("Each attachment may be named only once: otherwise a small message can become large data."),
        "attachment-lost": "An attachment that no placeholder names would be lost without an error.",
    },
)
def restore(t: Transcript, restore: Callable[..., Any]) -> None:
    for data, without, attachments in SPLITS[:3]:
        expected = json.loads(json.dumps(without))
        got = outcome(restore, expected, list(attachments))
        t.equal(f"restore gives {data} back", got, _as_lists(data), id="bytes-at-the-top-only")
    t.equal("in any order", outcome(restore, ["x", placeholder(1), placeholder(0)], [b"a", b"b"]), ["x", b"b", b"a"])
    plain = ["x", {"_placeholder": False}]
    t.equal("without bytes all stays", outcome(restore, plain, []), plain)
    for what, data, attachments, id in WRONG_PLACEHOLDERS:
        t.equal(f"a placeholder with {what}", outcome(restore, data, list(attachments)), VIOLATION, id=id)


@lab.step(
    "Whole envelopes",
    minutes=30,
    lines=17,
    points=2,
    hints=(
        "The assembler keeps one envelope, and the attachments that have come for it. Two "
        "questions for each message: is this kind of message due now, and is the envelope "
        "complete with it?",
        "`binary != (self.envelope is not None)` is the violation, in both directions. A text is decoded; a binary "
        "message is appended.",
        "Then add len(message) to self.size and compare with the limit; return None while fewer attachments are here "
        "than announced; else forget the envelope, and return it with restore(...) as its data and attachments=0.",
    ),
    words={
        "plain-data-restored": "Without attachments a dict that looks like a placeholder is data like any other.",
        "announced-not-kept": (
            "A text where an attachment is due, or bytes that were not announced: the two ends no longer agree."
        ),
        "gives-too-early": "The envelope is whole when its last attachment is here.",
        "size-of-the-text": "The limit is for the whole envelope: many attachments can exceed it together.",
        "state-kept": "After a complete envelope, start again with no attachments and size 0.",
    },
)
def assembler(t: Transcript, Assembler: Any) -> None:  # noqa: N803 - the answer is a class
    _assembles(t, Assembler)
    _refuses_what_is_not_due(t, Assembler)


def _as_lists(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    return bytes(value) if isinstance(value, bytearray) else value


TEXTS = {
    "none": Envelope("event", ["plain", LOOKALIKE]),
    "one": Envelope("event", ["file", placeholder(0)], "/chat", 7, 1),
    "two": Envelope("answer", [placeholder(1), placeholder(0)], "/", 1, 2),
    "bad": Envelope("event", ["file", placeholder(3)], attachments=1),
}


def _made(make: Any, limits: Limits | None = None) -> Any:
    """Make an assembler that reads the texts of this check."""
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


def _refuses_what_is_not_due(t: Transcript, make: Any) -> None:
    for what, messages, id in (
        ("bytes that were not announced", (b"a",), "announced-not-kept"),
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
