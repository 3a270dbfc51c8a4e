"""Steps 1 to 3: the envelope as text, events and their handlers, a peer that asks and answers."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.lab import (
    FAILED,
    LEFT,
    TIMEOUT,
    VIOLATION,
    Envelope,
    Outbox,
    Raises,
    begun,
    ending,
    lab,
    of_values,
    outcome,
    turns,
)

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


@lab.step(
    "The envelope",
    minutes=15,
    lines=10,
    points=1,
    hints=(
        "Writing is the cell above, returned. Reading has three questions: is it JSON, is it an object with our "
        "fields only, does it have a kind of ours?",
        "`_asdict()` and `_field_defaults` belong to every NamedTuple. `said.keys() <= set(Envelope._fields)` asks "
        "whether all keys are fields.",
        "try: said = json.loads(text), except ValueError: raise Violation(...). Then one `if not isinstance(said, "
        "dict) or ... or said.get('kind') not in KINDS: raise Violation(...)`, and return Envelope(**said).",
    ),
    words={
        "defaults-written": "Fields with their default values stay out: most envelopes need two of the five.",
        "false-left-out": "0 is an id and [] is data: left out is what equals the default, not what counts as false.",
        "spaces-in-json": "json.dumps writes a space after each comma and colon unless it is told not to.",
        "not-json-crashes": "A stranger's text is JSON only if json.loads says so: its ValueError becomes a Violation.",
        "unknown-field": "A field that we do not know is refused: who sends it relies on something that we do not do.",
        "kind-not-checked": "Without one of our kinds nobody can say what the envelope is for.",
    },
)
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


async def _awaited(t: Transcript, what: str, got: Any) -> Any:
    """Await the result and return its value; a plain function gives nothing to await."""
    if not inspect.isawaitable(got):
        t.fail(
            f"{what} is async", got=got, expected="something to await, as `async def` gives", id="handler-not-awaited"
        )
    return await got


@lab.step(
    "Events",
    minutes=15,
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
            "An event that nobody handles is an everyday thing: Failed says so, KeyError is a bug."
        ),
        "namespace-forgotten": "An envelope says in which namespace it speaks; the default is only right in `/`.",
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
    out = Outbox()
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
    got = await ending(_awaited(t, "handle", chat.handle(Envelope("event", ["message", 1, b"two", None], "/chat"))))
    id = "handler-not-awaited" if not heard else "result-not-returned" if got is None else "arguments-in-a-list"
    t.equal("handle returns what the handler returns", got, "3 arguments", id=of_values(got, id))
    t.equal("the handler was called with", heard, [(1, b"two", None)], id=id)
    await chat.handle(Envelope("event", ["message"], "/chat"))
    t.equal("an event without arguments calls it with", heard[1:], [()])
    got = await ending(chat.handle(Envelope("event", ["nobody", 1], "/chat")))
    t.equal("an event that nobody handles", got, FAILED, id="unknown-event-crashes")

    async def breaks() -> None:
        raise KeyError("a bug of the handler")

    chat.on("breaks")(breaks)
    got = await ending(chat.handle(Envelope("event", ["breaks"], "/chat")))
    t.equal("a handler's own KeyError comes through", got, Raises("KeyError"), id="bug-told-as-failed")
    t.equal("each end has handlers of its own", Events(out).handlers, {})


SHORT_S = 0.02
SECRET = "the password is sesame"


@lab.step(
    "Calls and answers",
    minutes=40,
    lines=41,
    points=3,
    hints=(
        "A call is a future under a number: `call` makes it, sends, waits; `answered` finds it by the number and "
        "completes it. Everything else is about how the waiting ends.",
        "asyncio.get_running_loop().create_future(), `async with asyncio.timeout(timeout_s)`, and try/finally around "
        "both, so that no way out forgets the number. A future that is done() takes no second result.",
        "Register, then send, then `reply = await answer`, all under try; `finally: del self.waiting[id]`. answered: "
        "`if not 1 <= envelope.id <= self.last: raise Violation(...)`. end: self.send becomes a function that raises "
        "Left, each future gets the result None, which `call` turns into Left.",
    ),
    words={
        "send-outside-the-limit": "A send hangs when the other end reads nothing: the time limit covers it too.",
        "cancelled-not-left": (
            "A cancelled future cancels its caller: give it a result, or Left as its exception, instead."
        ),
        "waits-for-ever": "An answer may never come: only a time limit ends the wait.",
        "call-leaks": (
            "However a call ends, nothing of it stays in `waiting`: not after a timeout or cancellation either."
        ),
        "registered-too-late": "The answer can be back before send returns: the call is registered before it is sent.",
        "id-used-twice": "Two calls under one id: the answers cannot be told apart.",
        "answers-in-order": "Answers come in any order; each belongs to the call whose id it carries.",
        "values-not-unpacked": (
            "No value is None, one value is itself, several are a tuple: as the handler returned them."
        ),
        "error-is-a-value": (
            "An error is raised at the caller; a caller that gets it as a value takes it for an answer."
        ),
        "late-answer-crashes": "An answer that nobody waits for any more is nobody's fault: it is counted and dropped.",
        "answer-never-asked": "An answer to a call that was never made is made up: a Violation.",
        "handler-takes-all-down": "A handler's exception is its own: it ends in `handle`, and the caller is told.",
        "text-of-a-bug-sent": "What a bug says may hold secrets: only the text of Failed was meant for the other end.",
        "answers-unasked": "Who gave no id asked for no answer.",
        "calls-outlive-the-peer": (
            "When the namespace is left no answer will come: calls end now, not with their timeout."
        ),
        "sends-after-the-end": "A namespace that was left is not spoken in any more.",
    },
)
async def peer(t: Transcript, Peer: Any, Failed: Any) -> None:  # noqa: N803 - the answers are classes
    await _asks(t, Peer)
    await _ends(t, Peer)
    await _answers(t, Peer, Failed)
    await _is_left(t, Peer)


async def _asks(t: Transcript, make: Any) -> None:
    out = Outbox()
    peer = make(out, "/chat")
    t.say("two calls at once in /chat, answered in the other order")
    first = begun(peer.call("add", 2, 3))
    await turns()
    second = begun(peer.call("who"))
    await turns()
    asked = out.take()
    shown = [envelope[:3] for envelope in asked]
    expected = [("event", ["add", 2, 3], "/chat"), ("event", ["who"], "/chat")]
    here = all(envelope.namespace == "/chat" for envelope in asked)
    id = "arguments-in-a-list" if here else "namespace-forgotten"
    t.equal("the two calls send", shown, expected, id=id)
    ids = [envelope.id for envelope in asked]
    t.true("each call has an id", all(type(id) is int for id in ids), got=ids, expected="two whole numbers")
    t.true("each has an id of its own", ids[0] != ids[1], got=ids, expected="two different ones", id="id-used-twice")
    peer.answered(Envelope("answer", ["ann", "bob"], "/chat", ids[1]))
    peer.answered(Envelope("answer", [5], "/chat", ids[0]))
    got = await t.soon("the first call ends", first)
    t.equal("the first gets one value", got, 5, id=of_values(got, _mixed(got)))
    got = await t.soon("the second call ends", second)
    t.equal("the second gets two", got, ("ann", "bob"), id=of_values(got, "values-not-unpacked"))
    t.equal("nothing waits any more", dict(peer.waiting), {}, id="call-leaks")

    async def at_once(envelope: Any) -> None:
        peer.answered(Envelope("answer", [], "/chat", envelope.id))

    peer.send = at_once
    got = await ending(peer.call("quick", timeout_s=SHORT_S))
    t.equal("an answer without values that is back before send returns", got, None, id="registered-too-late")


def _mixed(value: Any) -> str:
    return "answers-in-order" if value == ("ann", "bob") else "values-not-unpacked"


async def _ends(t: Transcript, make: Any) -> None:
    out = Outbox()
    peer = make(out)
    t.say("the other handler fails")
    call = begun(peer.call("sqrt", -1))
    await turns()
    id = out.take()[0].id
    peer.answered(Envelope("error", {"message": "no root"}, "/", id))
    t.equal(
        "the call raises Failed with its text",
        await t.soon("the call ends", call),
        Raises("Failed", "no root"),
        id="error-is-a-value",
    )
    t.say("no answer at all")
    call = peer.call("silence", timeout_s=SHORT_S)
    got = await t.soon("call ends", ending(call), id="waits-for-ever")
    t.equal("it raises TimeoutError", got, TIMEOUT, id="waits-for-ever")
    t.equal("nothing waits any more", dict(peer.waiting), {}, id="call-leaks")
    late = Envelope("answer", [1], "/", out.take()[0].id)
    t.equal("its answer comes too late: that is no error", outcome(peer.answered, late), None, id="late-answer-crashes")
    t.equal("the late answer is counted", peer.late, 1, id="late-answer-crashes")
    t.say("a call whose send hangs")
    got = await t.soon("it ends", ending(make(_hangs).call("silence", timeout_s=SHORT_S)), id="send-outside-the-limit")
    t.equal("it raises TimeoutError too", got, TIMEOUT, id="send-outside-the-limit")
    t.say("the caller is cancelled")
    task = asyncio.ensure_future(peer.call("silence"))
    await turns()
    task.cancel()
    await asyncio.wait({task})
    t.true("the cancellation goes through", task.cancelled(), got=task, expected="a cancelled task")
    t.equal("nothing waits any more", dict(peer.waiting), {}, id="call-leaks")
    t.say("an answer comes twice")
    call = begun(peer.call("twice"))
    await turns()
    answer = Envelope("answer", [1], "/", out.take()[-1].id)
    got = [outcome(peer.answered, answer), outcome(peer.answered, answer)]
    t.equal("the second is dropped", got, [None, None], id="late-answer-crashes")
    t.equal("the call has the first", await t.soon("the call ends", call), 1)
    for id in (1_000_000, 0, -1):
        t.equal(
            f"an answer to call {id}, which was never made",
            outcome(peer.answered, Envelope("answer", [], "/", id)),
            VIOLATION,
            id="answer-never-asked",
        )


async def _hangs(_: Any) -> None:
    await asyncio.Event().wait()


async def _answers(t: Transcript, make: Any, failed: Any) -> None:
    out = Outbox()
    peer = make(out, "/chat")

    async def handler(result: Any) -> Any:
        if result == "fails":
            raise failed("not today")
        if result == "breaks":
            raise KeyError(SECRET)
        return {"nothing": None, "one": [1], "two": (1, 2)}[result]

    peer.on("do")(handler)
    for result, values in (("nothing", []), ("one", [[1]]), ("two", [1, 2])):
        await peer.handle(Envelope("event", ["do", result], "/chat", 9))
        expected = [Envelope("answer", values, "/chat", 9)]
        t.equal(f"a handler that returns {result} is answered with", out.take(), expected, id="values-not-unpacked")
    await peer.handle(Envelope("event", ["do", "one"], "/chat"))
    t.equal("without an id nothing is answered", out.take(), [], id="answers-unasked")
    await peer.handle(Envelope("event", ["do", "one"], "/chat", 0))
    t.equal("0 is an id", out.take(), [Envelope("answer", [[1]], "/chat", 0)], id="false-left-out")
    for call, text in ((["do", "fails"], "not today"), (["nobody"], None), (["do", "breaks"], None), (["do"], None)):
        t.say(f"a call of {call} that fails")
        got = await ending(peer.handle(Envelope("event", call, "/chat", 3)))
        t.equal("handle raises nothing", got, None, id="handler-takes-all-down")
        sent = out.take()
        kinds = [(envelope.kind, envelope.namespace, envelope.id) for envelope in sent]
        t.equal("an error is sent", kinds, [("error", "/chat", 3)], id="handler-takes-all-down")
        message = sent[0].data.get("message")
        t.true("the error has a message", isinstance(message, str), got=sent[0].data, expected='{"message": a text}')
        t.true(
            "it holds no text of a bug",
            SECRET not in message,
            got=message,
            expected="a text without it",
            id="text-of-a-bug-sent",
        )
        if text:
            t.equal("its message is the text of Failed", message, text)
        await peer.handle(Envelope("event", call, "/chat"))
        t.equal("without an id nothing is sent", out.take(), [], id="answers-unasked")


async def _is_left(t: Transcript, make: Any) -> None:
    out = Outbox()
    peer = make(out)
    t.say("the namespace is left while a call waits")
    call = begun(peer.call("slow"))
    await turns()
    peer.end()
    got = await t.soon("the call ends at once", call, within_s=0.3, id="calls-outlive-the-peer")
    id = "cancelled-not-left" if isinstance(got, asyncio.CancelledError) else "calls-outlive-the-peer"
    t.equal("it raises Left", got, LEFT, id=id)
    out.take()
    t.equal("emit raises Left too", await ending(peer.emit("more")), LEFT, id="sends-after-the-end")
    t.equal("and so does call", await ending(peer.call("more", timeout_s=SHORT_S)), LEFT, id="sends-after-the-end")
    t.equal("nothing was sent", out.take(), [], id="sends-after-the-end")
