"""Step 1: the envelope as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import VIOLATION, Envelope, outcome

PAIRS = (
    (Envelope("event", ["typing_start", "ann"]), '{"kind":"event","data":["typing_start","ann"]}'),
    (Envelope("leave"), '{"kind":"leave"}'),
    (Envelope("join", {}), '{"kind":"join","data":{}}'),
    (Envelope("answer", [], "/chat", 0), '{"kind":"answer","data":[],"namespace":"/chat","id":0}'),
    (Envelope("event", ["file", "grüß"], id=7, attachments=2), None),
)
NO_ENVELOPES = (
    ("", "not-json-crashes"),
    ("hello", "not-json-crashes"),
    ('{"kind":"event"', "not-json-crashes"),
    ("[]", "kind-not-checked"),
    ("null", "kind-not-checked"),
    ("{}", "kind-not-checked"),
    ('{"kind":"shout"}', "kind-not-checked"),
    ('{"kind":["event"]}', "kind-not-checked"),
    ('{"kind":"event","colour":"red"}', "unknown-field"),
)


@lab.step("The envelope", minutes=15, lines=10, points=1, hints=HINTS["envelope"])
def envelope(t: Transcript, encode_envelope: Callable[[Any], str], decode_envelope: Callable[[str], Any]) -> None:
    for envelope, text in PAIRS:
        with t.folded(f"{envelope} becomes text and comes back"):
            _there_and_back(t, envelope, text, encode_envelope, decode_envelope)
    for text, id in NO_ENVELOPES:
        t.equal(f"{text!r} is no envelope", outcome(decode_envelope, text), VIOLATION, id=id)


def _there_and_back(
    t: Transcript, envelope: Envelope, text: str | None, encode: Callable[[Any], str], decode: Callable[[str], Any]
) -> None:
    t.say(f"{envelope}")
    got = encode(envelope)
    t.true("encoded it is text", isinstance(got, str), got=got, expected="str")
    t.true("it is JSON", _is_json(got), got=got, expected="a JSON object")
    compact = ", " not in got and ": " not in got
    t.true("it has no spaces between its parts", compact, got=got, expected="no space", id="spaces-in-json")
    said = {name for name, value in json.loads(got).items() if value == Envelope._field_defaults.get(name)}
    what = "it leaves out the fields that have their defaults"
    t.true(what, not said, got=got, expected="no such field", id="defaults-written")
    if text:
        t.equal("it has all other fields", json.loads(got), json.loads(text), id="false-left-out")
    t.equal("decoded it is the same again", decode(got), envelope, id="false-left-out")


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
