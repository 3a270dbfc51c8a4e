"""Step 7: nothing that we cannot use."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import VIOLATION, Envelope, Limits, outcome

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
BAD = {
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


@lab.step("Hostile input", minutes=30, lines=34, points=3, hints=HINTS["guarded"])
def guarded(t: Transcript, guarded: Callable[..., Callable[[str], Any]], decode_envelope: Callable[[str], Any]) -> None:
    t.say(f"limits: names of {LIMITS.name_chars} characters, depth {LIMITS.depth}, {LIMITS.attachments} attachments")
    for envelope in GOOD:
        got = outcome(guarded(lambda _, it=envelope: it, LIMITS), "text")
        t.equal(f"taken: {_shown(envelope)}", got, envelope, id="good-refused")
    for id, envelopes in BAD.items():
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
    """The kind, and the fields that are not as usual."""
    usual = Envelope._field_defaults
    fields = envelope._asdict().items()
    return ", ".join(
        [envelope.kind, *(f"{name}={value!r}" for name, value in fields if value is not usual.get(name, value))]
    )
