"""Steps 6 and 7: bytes beside JSON, and refused input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.lab import VALUE_ERROR, VIOLATION, Envelope, Limits, lab, outcome


def hole(number: Any) -> dict[str, Any]:
    """Return a placeholder as it is on the wire."""
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


@lab.step(
    "Attachments",
    minutes=35,
    lines=45,
    points=3,
    hints=(
        "split and restore walk through lists and dicts, and are called again for what is inside. The assembler "
        "remembers one envelope, and what has come for it.",
        "An inner function walk(value) with three cases: bytes, dict, list; everything else is returned as it is. "
        "dict(enumerate(attachments)) and .pop(number) name each attachment once.",
        "receive: `binary != (self.envelope is not None)` is the violation, in both directions. Then append, or "
        "decode; add len(message) to self.size; return None while fewer attachments are here than announced; else "
        "forget the envelope and return it with restore(...) as its data and attachments=0.",
    ),
    words={
        "bytes-at-the-top-only": "Bytes can stand anywhere in the data: in a list in a dict in a list.",
        "placeholder-forged": "A dict that looks like a placeholder cannot be told from ours: refuse it beside bytes.",
        "plain-data-restored": "Without attachments a dict that looks like a placeholder is data like any other.",
        "number-trusted": "A placeholder's number comes from a stranger: -1, True and 7 are no index.",
        "named-twice": "Each attachment is named once: twice, and a small message grows large.",
        "attachment-lost": "An attachment that no placeholder names would be dropped in silence.",
        "announced-not-kept": (
            "A text where an attachment is due, bytes that nobody announced: somebody lost the thread."
        ),
        "gives-too-early": "The envelope is whole when its last attachment is here.",
        "size-of-the-text": "The limit is for all of it: many attachments, each allowed, are still too much.",
        "state-kept": "What is whole is handed on and forgotten: the next envelope begins with nothing.",
    },
)
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


LIMITS = Limits(name_chars=10, depth=4, attachments=3)
MOST = 2**53 - 1
GOOD = (
    Envelope("join"),
    Envelope("join", {"token": [1, {"a": 2}]}, "/chat"),
    Envelope("leave", None, "/chat"),
    Envelope("event", ["name"]),
    Envelope("event", ["n" * 10, None, True, 1.5, -1, "", [], {}], "/" + "c" * 9, MOST, 3),
    Envelope("event", [""], "/", 0),
    Envelope("event", ["x", [[[1]]]]),
    Envelope("event", ["x", {"a": [{}]}]),
    Envelope("answer", [], "/", 0),
    Envelope("answer", [1, "connect"], "/", 1, 1),
    Envelope("refused", {"message": "no"}),
    Envelope("refused", "no"),
    Envelope("error", {"message": "no"}, "/", 1),
)
HOSTILITY_BAD = {
    "not-finite": (
        Envelope("event", ["x", math.inf]),
        Envelope("event", ["x", {"a": [-math.inf]}]),
        Envelope("answer", [math.nan], "/", 1),
        Envelope("join", {"a": math.nan}),
    ),
    "true-is-a-number": (
        Envelope("event", ["x"], "/", True),
        Envelope("answer", [], "/", True),
        Envelope("event", ["x"], "/", 1, True),
        Envelope("event", ["x"], "/", None, False),
    ),
    "name-is-no-name": (
        Envelope("event", []),
        Envelope("event", [1]),
        Envelope("event", [None, "x"]),
        Envelope("event", [["x"]]),
        Envelope("event", [{"_placeholder": True, "num": 0}], attachments=1),
        Envelope("event", ["n" * 11]),
    ),
    "reserved-name": (Envelope("event", ["disconnect"]), Envelope("event", ["connect", 1])),
    "shape-not-checked": (
        Envelope("event", None),
        Envelope("event", "name"),
        Envelope("event", {"name": 1}),
        Envelope("answer", None, "/", 1),
        Envelope("answer", {"a": 1}, "/", 1),
        Envelope("join", []),
        Envelope("join", "token"),
        Envelope("join", 0),
        Envelope("leave", {}),
        Envelope("leave", []),
        Envelope("refused", None),
        Envelope("refused", ["no"]),
        Envelope("error", None, "/", 1),
        Envelope("error", {}, "/", 1),
        Envelope("error", {"message": 5}, "/", 1),
        Envelope("error", "no", "/", 1),
    ),
    "id-anywhere": (
        Envelope("answer", []),
        Envelope("error", {"message": "no"}),
        Envelope("join", None, "/", 1),
        Envelope("leave", None, "/", 0),
        Envelope("refused", "no", "/", 1),
        Envelope("event", ["x"], "/", -1),
        Envelope("event", ["x"], "/", MOST + 1),
        Envelope("event", ["x"], "/", 1.0),  # type: ignore[arg-type]
        Envelope("event", ["x"], "/", "1"),  # type: ignore[arg-type]
    ),
    "limits-not-kept": (
        Envelope("event", ["x"], "/" + "c" * 10),
        Envelope("event", ["x"], "chat"),
        Envelope("event", ["x"], ""),
        Envelope("event", ["x"], "/a,b"),
        Envelope("event", ["x"], None),  # type: ignore[arg-type]
        Envelope("event", ["x"], ["/"]),  # type: ignore[arg-type]
        Envelope("event", ["x", [[[[]]]]]),
        Envelope("event", ["x", {"a": {"b": {"c": {}}}}]),
        Envelope("event", ["x"], attachments=4),
        Envelope("event", ["x"], attachments=-1),
        Envelope("event", ["x"], attachments=1.0),  # type: ignore[arg-type]
        Envelope("event", ["x"], attachments="1"),  # type: ignore[arg-type]
        Envelope("join", {}, attachments=1),
        Envelope("refused", "no", attachments=1),
    ),
}


@lab.step(
    "Hostile input",
    minutes=30,
    lines=34,
    points=3,
    hints=(
        "Two layers: what decode raises becomes a Violation; what it returns is looked at, field by field. Write the "
        "second as a function that says what is wrong, or nothing.",
        "A table from the kind to whether its data has the right shape replaces six branches. `type(id) is int` "
        "knows True from 1; math.isfinite knows inf and nan.",
        "fits(value, depth): for a list or a dict, `depth > 0 and all(fits(item, depth - 1) for item in ...)`; for a "
        "float math.isfinite(value); else True. It never goes deeper than the limit, so it cannot overflow itself.",
    ),
    words={
        "depth-crashes": "Deep nesting makes json.loads raise RecursionError, which is no ValueError.",
        "not-finite": "Infinity and NaN are not JSON: whoever we pass them to fails.",
        "true-is-a-number": "True is an int for Python; on the wire it is none.",
        "name-is-no-name": "The first item of an event's data is its name: a text that is not too long.",
        "reserved-name": "Names that the framework itself emits are not for clients: they would run its handlers.",
        "shape-not-checked": "Each kind has its own shape of data; what code behind relies on is checked here.",
        "id-anywhere": "An id belongs to events, answers and errors; the last two cannot be without one.",
        "limits-not-kept": "A limit that is not checked is a wish.",
        "good-refused": "Strict is not deaf: what the rules allow must pass.",
    },
)
def guarded(t: Transcript, guarded: Callable[..., Callable[[str], Any]], decode_envelope: Callable[[str], Any]) -> None:
    t.say(f"limits: names of {LIMITS.name_chars} characters, depth {LIMITS.depth}, {LIMITS.attachments} attachments")
    for envelope in GOOD:
        got = outcome(guarded(lambda _, it=envelope: it, LIMITS), "text")
        t.equal(f"taken: {_shown(envelope)}", got, envelope, id="good-refused")
    for id, envelopes in HOSTILITY_BAD.items():
        for envelope in envelopes:
            got = outcome(guarded(lambda _, it=envelope: it, LIMITS), "text")
            t.equal(f"refused: {_shown(envelope)}", got, VIOLATION, id=id)
    t.say("decode_envelope, guarded, with the limits of the lab")
    strict = guarded(decode_envelope)
    t.equal("an event", outcome(strict, '{"kind":"event","data":["x"]}'), Envelope("event", ["x"]), id="good-refused")
    for what, text, id in (
        ("no JSON", "{", "not-json-crashes"),
        ("lists 100,000 deep", '{"kind":"event","data":' + "[" * 100_000, "depth-crashes"),
        ("lists 500 deep", '{"kind":"event","data":["x",' + "[" * 500 + "]" * 500 + "]}", "limits-not-kept"),
        ("a number of 5,000 digits", '{"kind":"event","data":["x"],"id":' + "1" * 5000 + "}", "depth-crashes"),
        ("1e999", '{"kind":"event","data":["x",1e999]}', "not-finite"),
        ("NaN", '{"kind":"event","data":["x",NaN]}', "not-finite"),
    ):
        t.equal(what, outcome(strict, text), VIOLATION, id=id)

    def unreadable(text: str) -> Any:
        raise ValueError(text)

    t.equal("a decode that raises ValueError", outcome(guarded(unreadable), "x"), VIOLATION, id="not-json-crashes")


def _shown(envelope: Envelope) -> str:
    """Show the kind, and the fields that differ from their defaults."""
    usual = Envelope._field_defaults
    fields = envelope._asdict().items()
    return ", ".join(
        [envelope.kind, *(f"{name}={value!r}" for name, value in fields if value is not usual.get(name, value))]
    )
