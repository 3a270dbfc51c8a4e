"""Steps 3a to 3c: calls with answers, calls that end in time, and calls that fail or whose namespace is left."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Envelope, Failed
from midspan.labs.lab2_events.lab import (
    LEFT,
    TIMEOUT,
    VIOLATION,
    EnvelopeOutbox,
    Raises,
    awaited_outcome,
    lab,
    let_tasks_run,
    of_values,
    outcome,
    started_task,
)

SHORT_S = 0.02
SECRET = "the password is sesame"


@lab.step(
    "Calls with answers",
    minutes=20,
    lines=11,
    points=2,
    hints=(
        "A call is a future under a number. `ask` makes it, sends, and waits. `answered` finds it by the number and "
        "completes it.",
        "asyncio.get_running_loop().create_future() makes a future; `await future` waits until another function has "
        "called future.set_result(value). self.waiting.pop(id) finds it, and forgets it.",
        "ask: first `answer = self.waiting[id] = ...create_future()`, then await self.send(Envelope('event', [name, "
        "*arguments], self.namespace, id)), then return self.result(await answer). handle: result = await "
        "super().handle(envelope); if envelope.id is not None, send Envelope('answer', values, ...).",
    ),
    words={
        "registered-too-late": "The answer can arrive before send returns: register the call before you send it.",
        "id-used-twice": "Two calls under one id: the answers cannot be told apart.",
        "answers-in-order": "Answers come in any order; each belongs to the call whose id it carries.",
        "values-not-unpacked": (
            "No value is None, one value is itself, several are a tuple: as the handler returned them."
        ),
        "answers-unasked": "An event without an id asks for no answer, so none is sent.",
        "call-leaks": "When a call has ended, in any way, its id must not stay in `waiting`.",
    },
)
async def calls(t: Transcript, Calls: Any) -> None:  # noqa: N803 - the answer is a class
    await _asks(t, Calls)
    await _answers(t, Calls)


async def _asks(t: Transcript, make: Any) -> None:
    out = EnvelopeOutbox()
    peer = make(out, "/chat")
    t.say("two calls at once in /chat, answered in the other order")
    first = started_task(peer.call("add", 2, 3))
    await let_tasks_run()
    second = started_task(peer.call("who"))
    await let_tasks_run()
    asked = out.take()
    shown = [envelope[:3] for envelope in asked]
    expected = [("event", ["add", 2, 3], "/chat"), ("event", ["who"], "/chat")]
    here = all(envelope.namespace == "/chat" for envelope in asked)
    id = "arguments-in-a-list" if here else "namespace-forgotten"
    t.equal("the two calls send", shown, expected, id=id)
    ids = [envelope.id for envelope in asked]
    t.equal("the ids of the two", ids, [1, 2], id="id-used-twice")
    peer.answered(Envelope("answer", ["ann", "bob"], "/chat", ids[1]))
    peer.answered(Envelope("answer", [5], "/chat", ids[0]))
    got = await t.soon("the first call ends", first)
    t.equal("the first gets one value", got, 5, id=of_values(got, _mixed(got)))
    got = await t.soon("the second call ends", second)
    t.equal("the second gets two", got, ("ann", "bob"), id=of_values(got, "values-not-unpacked"))
    t.equal("no call waits any more", dict(peer.waiting), {}, id="call-leaks")
    await _answered_at_once(t, make)


def _mixed(value: Any) -> str:
    return "answers-in-order" if value == ("ann", "bob") else "values-not-unpacked"


async def _answered_at_once(t: Transcript, make: Any) -> None:
    peer = make(None)

    async def send(envelope: Any) -> None:
        peer.answered(Envelope("answer", [], "/", envelope.id))

    peer.send = send
    got = await awaited_outcome(peer.call("quick"))
    t.equal("an answer without values that is back before send returns", got, None, id="registered-too-late")


async def _answers(t: Transcript, make: Any) -> None:
    out = EnvelopeOutbox()
    peer = make(out, "/chat")

    async def handler(result: Any) -> Any:
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


@lab.step(
    "Calls that end in time",
    minutes=25,
    lines=14,
    points=2,
    hints=(
        "Two questions: how does a call end when no answer comes, and what happens with an "
        "answer when no call waits for it?",
        "`async with asyncio.timeout(timeout_s)` around `ask`, and try/finally around both, so that each way out "
        "removes the id. A future that is done() takes no second result.",
        "call: self.last += 1; id = self.last; then the try, and `finally: self.waiting.pop(id, None)`. answered: "
        "`if not 1 <= envelope.id <= self.last: raise Violation(...)`; then answer = self.waiting.get(envelope.id); "
        "if it is None or done(): self.late += 1; else set_result.",
    ),
    words={
        "send-outside-the-limit": "A send hangs when the other end reads nothing: the time limit covers it too.",
        "waits-for-ever": "An answer may never come: only a time limit ends the wait.",
        "late-answer-crashes": "An answer that comes too late is no mistake: it is counted and dropped.",
        "answer-never-asked": "An answer to a call that was never made is a Violation.",
    },
)
async def timed_calls(t: Transcript, TimedCalls: Any) -> None:  # noqa: N803 - the answer is a class
    out = EnvelopeOutbox()
    peer = TimedCalls(out)
    await _ends_in_time(t, peer, out)
    await _hangs_in_send(t, TimedCalls)
    await _is_cancelled(t, peer)
    await _comes_twice(t, peer, out)
    for id in (1_000_000, 0, -1):
        got = outcome(peer.answered, Envelope("answer", [], "/", id))
        t.equal(f"an answer to call {id}, which was never made", got, VIOLATION, id="answer-never-asked")


async def _ends_in_time(t: Transcript, peer: Any, out: EnvelopeOutbox) -> None:
    t.say("no answer at all")
    call = awaited_outcome(peer.call("silence", timeout_s=SHORT_S))
    got = await t.soon("call ends", call, id="waits-for-ever")
    t.equal("it raises TimeoutError", got, TIMEOUT, id="waits-for-ever")
    t.equal("no call waits any more", dict(peer.waiting), {}, id="call-leaks")
    late = Envelope("answer", [1], "/", out.take()[0].id)
    t.equal("its answer comes too late: that is no error", outcome(peer.answered, late), None, id="late-answer-crashes")
    t.equal("the late answer is counted", peer.late, 1, id="late-answer-crashes")


async def _hangs_in_send(t: Transcript, make: Any) -> None:
    async def send(_: Any) -> None:
        await asyncio.Event().wait()

    t.say("a call whose send hangs")
    peer = make(send)
    call = awaited_outcome(peer.call("silence", timeout_s=SHORT_S))
    got = await t.soon("it ends", call, id="send-outside-the-limit")
    t.equal("it raises TimeoutError too", got, TIMEOUT, id="send-outside-the-limit")
    t.equal("no call waits any more", dict(peer.waiting), {}, id="call-leaks")


async def _is_cancelled(t: Transcript, peer: Any) -> None:
    t.say("the caller is cancelled")
    task = asyncio.ensure_future(peer.call("silence"))
    await let_tasks_run()
    task.cancel()
    await asyncio.wait({task})
    t.true("the cancellation goes through", task.cancelled(), got=task, expected="a cancelled task")
    t.equal("no call waits any more", dict(peer.waiting), {}, id="call-leaks")


async def _comes_twice(t: Transcript, peer: Any, out: EnvelopeOutbox) -> None:
    t.say("an answer comes twice")
    call = started_task(peer.call("twice"))
    await let_tasks_run()
    answer = Envelope("answer", [1], "/", out.take()[-1].id)
    got = [outcome(peer.answered, answer), outcome(peer.answered, answer)]
    t.equal("the second is dropped", got, [None, None], id="late-answer-crashes")
    t.equal("the call has the first", await t.soon("the call ends", call), 1)
    t.equal("no call waits any more", dict(peer.waiting), {}, id="call-leaks")


@lab.step(
    "Failures and the end",
    minutes=30,
    lines=18,
    points=3,
    hints=(
        "Catch a handler's exception in `handle`. Which of the three kinds does the caller "
        "learn, and with which text? At the end each waiting call needs a result that means: "
        "left.",
        "`except Left`, `except Failed as failed`, `except Exception`, in this order. A future that is cancelled "
        "would cancel its caller: give it the result None instead.",
        "handle: try `await super().handle(envelope)`; except Left: pass; except Failed as failed: await "
        "self.fail(envelope, str(failed)); except Exception: logging.exception(...), then fail with a fixed text. "
        "end: self.send = self.gone, then set_result(None) on each future that is not done().",
    ),
    words={
        "cancelled-not-left": (
            "A cancelled future cancels its caller: give it a result, or Left as its exception, instead."
        ),
        "error-is-a-value": (
            "Raise an error at the caller. If it were returned, the caller would treat it as an answer."
        ),
        "handler-takes-all-down": "Catch a handler's exception in `handle`, and tell the caller that it failed.",
        "text-of-a-bug-sent": "The text of an unexpected exception may hold secrets: send only the text of Failed.",
        "calls-outlive-the-peer": (
            "When the namespace is left no answer will come: end the calls now, not at their timeout."
        ),
        "sends-after-the-end": "Nothing is sent in a namespace that was left.",
    },
)
async def peer(t: Transcript, Peer: Any) -> None:  # noqa: N803 - the answer is a class
    await _hears_an_error(t, Peer)
    await _fails(t, Peer)
    await _is_left(t, Peer)


async def _hears_an_error(t: Transcript, make: Any) -> None:
    out = EnvelopeOutbox()
    peer = make(out)
    t.say("the other handler fails")
    call = started_task(peer.call("sqrt", -1))
    await let_tasks_run()
    id = out.take()[0].id
    peer.answered(Envelope("error", {"message": "no root"}, "/", id))
    got = await t.soon("the call ends", call)
    t.equal("the call raises Failed with its text", got, Raises("Failed", "no root"), id="error-is-a-value")
    call = started_task(peer.call("add", 2, 3))
    await let_tasks_run()
    peer.answered(Envelope("answer", [5], "/", out.take()[0].id))
    t.equal("a call that is answered has its value", await t.soon("the call ends", call), 5)


async def _fails(t: Transcript, make: Any) -> None:
    out = EnvelopeOutbox()
    peer = make(out, "/chat")

    async def handler(result: Any) -> Any:
        if result == "fails":
            raise Failed("not today")
        if result == "breaks":
            raise KeyError(SECRET)
        return result

    peer.on("do")(handler)
    await peer.handle(Envelope("event", ["do", 1], "/chat", 2))
    t.equal("a handler that returns is answered", out.take(), [Envelope("answer", [1], "/chat", 2)])
    for call, text in ((["do", "fails"], "not today"), (["nobody"], None), (["do", "breaks"], None), (["do"], None)):
        t.say(f"a call of {call} that fails")
        got = await awaited_outcome(peer.handle(Envelope("event", call, "/chat", 3)))
        t.equal("handle raises nothing", got, None, id="handler-takes-all-down")
        _tells(t, out.take(), text)
        await peer.handle(Envelope("event", call, "/chat"))
        t.equal("without an id nothing is sent", out.take(), [], id="answers-unasked")


def _tells(t: Transcript, sent: list[Any], text: str | None) -> None:
    kinds = [(envelope.kind, envelope.namespace, envelope.id) for envelope in sent]
    t.equal("an error is sent", kinds, [("error", "/chat", 3)], id="handler-takes-all-down")
    message = sent[0].data.get("message")
    t.true("the error has a message", isinstance(message, str), got=sent[0].data, expected='{"message": a text}')
    hidden = SECRET not in message
    t.true("it holds no text of a bug", hidden, got=message, expected="a text without it", id="text-of-a-bug-sent")
    if text:
        t.equal("its message is the text of Failed", message, text)


async def _is_left(t: Transcript, make: Any) -> None:
    out = EnvelopeOutbox()
    peer = make(out)
    t.say("the namespace is left while a call waits")
    call = started_task(peer.call("slow"))
    await let_tasks_run()
    peer.end()
    got = await t.soon("the call ends at once", call, within_s=0.3, id="calls-outlive-the-peer")
    id = "cancelled-not-left" if isinstance(got, asyncio.CancelledError) else "calls-outlive-the-peer"
    t.equal("it raises Left", got, LEFT, id=id)
    out.take()
    t.equal("emit raises Left too", await awaited_outcome(peer.emit("more")), LEFT, id="sends-after-the-end")
    got = await awaited_outcome(peer.call("more", timeout_s=SHORT_S))
    t.equal("and so does call", got, LEFT, id="sends-after-the-end")
    t.equal("nothing was sent", out.take(), [], id="sends-after-the-end")
