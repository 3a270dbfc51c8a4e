"""Step 3: call, and how it ends: an answer, an error, a timeout, a cancellation, the end of the connection."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import (
    LEFT,
    TIMEOUT,
    VIOLATION,
    Envelope,
    Outbox,
    Raises,
    begun,
    ending,
    of_values,
    outcome,
    turns,
)

SHORT_S = 0.02
SECRET = "the password is sesame"


@lab.step("Calls and answers", minutes=40, lines=41, points=3, hints=HINTS["peer"])
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
