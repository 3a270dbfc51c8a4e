"""Steps 1 and 2: the envelope as text, events and their handlers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Envelope
from midspan.labs.lab2_events.lab import (
    FAILED,
    VIOLATION,
    EnvelopeOutbox,
    Raises,
    awaited_outcome,
    lab,
    of_values,
    outcome,
)

ENVELOPES = (
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


@lab.step(
    "The envelope",
    minutes=18,
    lines=10,
    points=1,
    hints=(
        "To write, return what the cell above computes. To read, check three things: is it JSON, "
        "is it an object with fields of Envelope only, is its kind one of KINDS?",
        "`_asdict()` and `_field_defaults` belong to every NamedTuple. `said.keys() <= set(Envelope._fields)` asks "
        "whether all keys are fields.",
        "try: said = json.loads(text), except ValueError: raise Violation(...). Then one `if not isinstance(said, "
        "dict) or ... or said.get('kind') not in KINDS: raise Violation(...)`, and return Envelope(**said).",
    ),
    words={
        "defaults-written": "Fields with their default values stay out: most envelopes need two of the five.",
        "false-left-out": (
            "0 is an id and [] is data: leave out a value that equals the default, not every value that is false."
        ),
        "spaces-in-json": "json.dumps writes a space after each comma and colon, unless you pass `separators`.",
        "not-json-crashes": (
            "A text from the other end may be no JSON: turn the ValueError of json.loads into a Violation."
        ),
        "unknown-field": "Refuse an unknown field: its sender relies on a feature that this end does not have.",
        "kind-not-checked": "The kind must be one of KINDS.",
    },
)
def envelope(t: Transcript, encode_envelope: Callable[[Any], str], decode_envelope: Callable[[str], Any]) -> None:
    for envelope, text in ENVELOPES:
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


async def _awaited(t: Transcript, what: str, got: Any) -> Any:
    """Await the result and return its value; a plain function gives nothing to await."""
    if not inspect.isawaitable(got):
        t.fail(
            f"{what} is async", got=got, expected="something to await, as `async def` gives", id="handler-not-awaited"
        )
    return await got


@lab.step(
    "Events",
    minutes=16,
    lines=9,
    points=2,
    hints=(
        "A dictionary from names to functions is all there is. The event's data is a list: its first item is the name.",
        "`name, *arguments = envelope.data` takes the list apart; `handler(*arguments)` puts it in again. An async "
        "function is awaited.",
        "on: define register(handler): self.handlers[name] = handler; return handler; and return register. emit: "
        "await self.send(Envelope('event', [name, *arguments], self.namespace)).",
    ),
    words={
        "decorator-returns-nothing": "A decorator gives the function back; else its name holds None afterwards.",
        "arguments-in-a-list": "Each argument of emit is one argument of the handler: the star goes on both sides.",
        "handler-not-awaited": "Calling an async function makes a coroutine; nothing happens before it is awaited.",
        "unknown-event-crashes": (
            "An event without a handler is normal: raise Failed for it. A KeyError would be taken for a bug."
        ),
        "namespace-forgotten": "An envelope names its namespace; the default is only right in `/`.",
        "result-not-returned": "handle gives back what the handler returned: without `return` that is None.",
        "on-takes-the-name": (
            "on(name) takes the name alone and returns a decorator: a function that takes the handler."
        ),
        "bug-told-as-failed": (
            "A handler's own KeyError is a bug in it: look the name up first, outside of any `except`."
        ),
    },
)
async def events(t: Transcript, Events: Any) -> None:  # noqa: N803 - the answer is a class
    out = EnvelopeOutbox()
    await _awaited(t, "emit", Events(out).emit("typing_start", "ann", {"at": [1, 2]}))
    sent = len(out.sent)
    t.equal("the number of envelopes that emit has sent", sent, 1, id="handler-not-awaited")
    expected = [Envelope("event", ["typing_start", "ann", {"at": [1, 2]}])]
    t.equal('emit("typing_start", "ann", {...}) sends', out.take(), expected, id="arguments-in-a-list")
    chat = Events(out, "/chat")
    await chat.emit("ping")
    t.equal("emit in /chat sends", out.take(), [Envelope("event", ["ping"], "/chat")], id="namespace-forgotten")
    heard: list[tuple[Any, ...]] = []

    async def handler(*arguments: Any) -> str:
        heard.append(arguments)
        return f"{len(arguments)} arguments"

    register = outcome(chat.on, "message")
    wanted = "a function that takes the handler"
    t.true("on(name) returns a decorator", callable(register), got=register, expected=wanted, id="on-takes-the-name")
    t.equal("the decorator gives the handler back", register(handler), handler, id="decorator-returns-nothing")
    t.equal("registering calls nothing", heard, [])
    message = Envelope("event", ["message", 1, b"two", None], "/chat")
    got = await awaited_outcome(_awaited(t, "handle", chat.handle(message)))
    id = "handler-not-awaited" if not heard else "result-not-returned" if got is None else "arguments-in-a-list"
    t.equal("handle returns what the handler returns", got, "3 arguments", id=of_values(got, id))
    t.equal("the handler was called with", heard, [(1, b"two", None)], id=id)
    await chat.handle(Envelope("event", ["message"], "/chat"))
    t.equal("an event without arguments calls it with", heard[1:], [()])
    got = await awaited_outcome(chat.handle(Envelope("event", ["nobody", 1], "/chat")))
    t.equal("an event without a handler", got, FAILED, id="unknown-event-crashes")

    async def breaks() -> None:
        raise KeyError("a bug of the handler")

    chat.on("breaks")(breaks)
    got = await awaited_outcome(chat.handle(Envelope("event", ["breaks"], "/chat")))
    t.equal("a handler's own KeyError comes through", got, Raises("KeyError"), id="bug-told-as-failed")
    t.equal("each end has handlers of its own", Events(out).handlers, {})
