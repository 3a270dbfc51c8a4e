"""Steps 10a and 10b: refuse what cannot be used."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.attachments import placeholder
from midspan.labs.lab2_events.given import MAX_ID, Envelope, Limits
from midspan.labs.lab2_events.lab import VIOLATION, lab, outcome

Rule = Callable[[Any, Any], str]
LIMITS = Limits(name_chars=10, depth=4, attachments=3)
ACCEPTED = (
    Envelope("join"),
    Envelope("join", {"token": [1, {"a": 2}]}, "/chat"),
    Envelope("leave", None, "/chat"),
    Envelope("event", ["name"]),
    Envelope("event", ["n" * 10, None, True, 1.5, -1, "", [], {}], "/" + "c" * 9, MAX_ID, 3),
    Envelope("event", [""], "/", 0),
    Envelope("event", ["x", [[[1]]]]),
    Envelope("event", ["x", {"a": [{}]}]),
    Envelope("answer", [], "/", 0),
    Envelope("answer", [1, "connect"], "/", 1, 1),
    Envelope("refused", {"message": "no"}),
    Envelope("refused", "no"),
    Envelope("error", {"message": "no"}, "/", 1),
)
REFUSED = {
    "not-finite": (
        Envelope("event", ["x", math.inf]),
        Envelope("event", ["x", {"a": [-math.inf]}]),
        Envelope("answer", [math.nan], "/", 1),
        Envelope("join", {"a": math.nan}),
    ),
    "true-is-a-number": (
        Envelope("event", ["x"], "/", True),
        Envelope("answer", [], "/", True),
    ),
    "name-is-no-name": (
        Envelope("event", []),
        Envelope("event", [1]),
        Envelope("event", [None, "x"]),
        Envelope("event", [["x"]]),
        Envelope("event", [placeholder(0)], attachments=1),
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
        Envelope("event", ["x"], "/", MAX_ID + 1),
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
        Envelope("event", ["x"], attachments=True),
        Envelope("event", ["x"], attachments=False),
        Envelope("event", ["x"], attachments=4),
        Envelope("event", ["x"], attachments=-1),
        Envelope("event", ["x"], attachments=1.0),  # type: ignore[arg-type]
        Envelope("event", ["x"], attachments="1"),  # type: ignore[arg-type]
        Envelope("join", {}, attachments=1),
        Envelope("refused", "no", attachments=1),
    ),
}


BY_RULE = {
    "shape_rule": ("name-is-no-name", "reserved-name", "shape-not-checked"),
    "id_rule": ("true-is-a-number", "id-anywhere"),
}


@lab.step(
    "Two rules",
    minutes=30,
    lines=17,
    points=2,
    hints=(
        "Each rule reads one field and the kind. Which shape of data does each of the six kinds "
        "have? Which kinds may have an id, and which must have one?",
        "A table from the kind to whether its data has the right shape replaces six branches. `type(id) is int` "
        "tells True from 1.",
        "name = data[0] if isinstance(data, list) and data else None; shapes = {'join': data is None or "
        "isinstance(data, dict), 'leave': data is None, ...}; return '' if shapes[envelope.kind] else a text. id_rule: "
        "without an id, the kind must not be answer or error; with one, the kind, the type and the range are checked.",
    ),
    words={
        "true-is-a-number": "True is an int in Python, but not in JSON.",
        "name-is-no-name": "The first item of an event's data is its name: a text that is not too long.",
        "reserved-name": (
            "A client must not send names that the framework itself emits: they would run the "
            "application's handlers for them."
        ),
        "shape-not-checked": "Each kind has its own shape of data. The later code relies on it: check it here.",
        "id-anywhere": "Only events, answers and errors may have an id; answers and errors must have one.",
        "good-refused": "A rule must also accept: everything that the text allows has to pass.",
    },
)
def rules(t: Transcript, shape_rule: Rule, id_rule: Rule) -> None:
    t.say(f"limits: names of {LIMITS.name_chars} characters")
    for envelope in ACCEPTED:
        got = outcome(shape_rule, envelope, LIMITS), outcome(id_rule, envelope, LIMITS)
        t.equal(f"both take: {_shown(envelope)}", got, ("", ""), id="good-refused")
    for name, rule in (("shape_rule", shape_rule), ("id_rule", id_rule)):
        for id in BY_RULE[name]:
            for envelope in REFUSED[id]:
                _is_refused(t, name, rule, envelope, id)


def _is_refused(t: Transcript, name: str, rule: Rule, envelope: Envelope, id: str) -> None:
    got = outcome(rule, envelope, LIMITS)
    words = isinstance(got, str) and got != ""
    what = f"{name} refuses: {_shown(envelope)}"
    t.true(what, words, got=got, expected="words that say what is wrong", id=id)


@lab.step(
    "Only what we can use",
    minutes=27,
    lines=15,
    points=2,
    hints=(
        "Two functions. `fits` walks through data and counts the depth. `guarded` returns a function that decodes, and "
        "raises a Violation for each thing that is wrong.",
        "math.isfinite knows inf and nan. An inner function strict(text) can use decode and limits; return it.",
        "fits: for a list or a dict, `depth > 0 and all(fits(item, depth - 1) for item in ...)`; for a float "
        "math.isfinite(value); else True. It never goes deeper than the limit. strict: decode inside try/except "
        "(ValueError, RecursionError), then fits, then `for rule in RULES: if why := rule(envelope, limits): raise`.",
    ),
    words={
        "depth-crashes": "Deep nesting makes json.loads raise RecursionError, which is no ValueError.",
        "not-finite": "Infinity and NaN are not JSON: the next program that reads them fails.",
        "limits-not-kept": "A limit protects only if it is checked.",
        "rules-not-asked": "`guarded` asks every rule in RULES, and a complaint is a Violation.",
    },
)
def guarded(t: Transcript, guarded: Callable[..., Callable[[str], Any]], decode_envelope: Callable[[str], Any]) -> None:
    t.say(f"limits: names of {LIMITS.name_chars} characters, depth {LIMITS.depth}, {LIMITS.attachments} attachments")
    for envelope in ACCEPTED:
        got = outcome(guarded(lambda _, it=envelope: it, LIMITS), "text")
        t.equal(f"taken: {_shown(envelope)}", got, envelope, id="good-refused")
    for id, envelopes in REFUSED.items():
        for envelope in envelopes:
            got = outcome(guarded(lambda _, it=envelope: it, LIMITS), "text")
            known = id if id in ("not-finite", "limits-not-kept") else "rules-not-asked"
            t.equal(f"refused: {_shown(envelope)}", got, VIOLATION, id=known)
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
