"""Step 2: on, emit, handle."""

from __future__ import annotations

import inspect
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import FAILED, Envelope, Outbox, Raises, ending, of_values, outcome


async def _awaited(t: Transcript, what: str, got: Any) -> Any:
    """What awaiting gives; a plain function has nothing to await."""
    if not inspect.isawaitable(got):
        t.fail(
            f"{what} is async", got=got, expected="something to await, as `async def` gives", id="handler-not-awaited"
        )
    return await got


@lab.step("Events", minutes=15, lines=9, points=2, hints=HINTS["events"])
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
