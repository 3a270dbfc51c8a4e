"""Steps 4a and 4b: several namespaces on one connection, and the tasks of their handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Envelope, Limits, Namespace
from midspan.labs.lab2_events.lab import (
    LEFT,
    VIOLATION,
    EnvelopeOutbox,
    awaited_outcome,
    lab,
    let_tasks_run,
    started_task,
)

JOIN, LEAVE = Envelope("join"), Envelope("leave")


class RecordingApplication:
    """An application that records which peers joined, and whose handlers wait until the check releases them."""

    def __init__(self) -> None:
        self.welcomed: list[tuple[str, Any]] = []
        self.peers: list[Any] = []
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self.open = asyncio.Event()

    async def welcome(self, peer: Any, auth: Any) -> None:
        """Record the peer, register its handlers, and emit "hello"."""
        self.welcomed.append((peer.namespace, auth))
        self.peers.append(peer)

        async def wait(word: Any) -> Any:
            self.begun.append(word)
            await self.open.wait()
            self.ended.append(word)
            return word

        async def echo(*words: Any) -> None:
            await peer.emit("back", *words)

        peer.on("wait")(wait)
        peer.on("echo")(echo)
        await peer.emit("hello")


@asynccontextmanager
async def running_session(
    make: Any, application: RecordingApplication, **more: Any
) -> AsyncIterator[tuple[Any, EnvelopeOutbox]]:
    """Run a session with the namespaces `/` and `/chat`, and give it with its outbox; it ends with the block."""
    out, welcome = EnvelopeOutbox(), application.welcome
    namespaces = {"/": Namespace(welcome), "/chat": Namespace(welcome)} | more.pop("namespaces", {})
    session = make(out, namespaces, **more)
    try:
        yield session, out
    finally:
        await session.end()


def event(name: str, *arguments: Any, namespace: str = "/", id: int | None = None) -> Envelope:
    """Return an event as a client sends it."""
    return Envelope("event", [name, *arguments], namespace, id)


async def join(t: Transcript, session: Any, out: EnvelopeOutbox, namespace: str = "/", auth: Any = None) -> None:
    """Join, and check the reply and the event that `welcome` sends."""
    await session.receive(JOIN._replace(namespace=namespace, data=auth))
    await let_tasks_run()
    sent = out.take()
    told = [(envelope.kind, envelope.namespace) for envelope in sent]
    order = [("join", namespace), ("event", namespace)]
    id = "namespace-forgotten" if {at for _, at in told} != {namespace} else "welcome-before-reply"
    t.equal(f"a join of {namespace}: the reply, then what welcome emits", told, order, id=id)
    sid = sent[0].data
    good = isinstance(sid, dict) and list(sid) == ["sid"] and isinstance(sid["sid"], str) and sid["sid"]
    t.true("the reply has a session id", good, got=sid, expected='{"sid": a text}')


@lab.step(
    "Who is in which namespace",
    minutes=29,
    lines=16,
    points=3,
    hints=(
        "Look for the peer of the envelope's namespace first. Without a peer only a join is "
        "allowed. With a peer everything is allowed except a join and a refusal.",
        "self.peers.get(envelope.namespace) is None before the join. secrets.token_urlsafe(12) makes a session id. "
        "self.start(function, *arguments) runs an async function in a task.",
        "join: refuse an unknown name; else Peer(self.send, name) into self.peers, await the reply, then "
        "self.start(self.namespaces[name].welcome, peer, auth). leave: self.peers.pop(name).end().",
    ),
    words={
        "unknown-namespace": "A namespace that the server does not offer is refused, with an object that says why.",
        "welcome-before-reply": ("Send the reply to the join first: before it, the client may not use the namespace."),
        "speaks-before-joining": (
            "A client may send only in namespaces that it has joined: everything else is a Violation."
        ),
        "joins-twice": "A second join, or a refusal from a client, makes no sense: a Violation.",
        "leave-forgets-calls": "When a namespace is left, end its peer: deleting it is not enough.",
    },
)
async def membership(t: Transcript, Membership: Any) -> None:  # noqa: N803 - the answer is a class
    class Delivering(Membership):  # type: ignore[misc]
        """The answer, with a `deliver` that keeps what it is given."""

        async def deliver(self, peer: Any, envelope: Any) -> None:
            delivered.append((peer.namespace, envelope))

    delivered: list[Any] = []
    await _joins(t, Delivering, delivered)
    await _violations(t, Delivering)
    await _leaves(t, Delivering, delivered)


async def _joins(t: Transcript, make: Any, delivered: list[Any]) -> None:
    application = RecordingApplication()
    async with running_session(make, application) as (session, out):
        t.say("a join of /nowhere")
        await session.receive(Envelope("join", None, "/nowhere"))
        await let_tasks_run()
        expected = [Envelope("refused", {"message": "Invalid namespace"}, "/nowhere")]
        t.equal("it is refused", out.take(), expected, id="unknown-namespace")
        t.equal("nothing was joined", (session.joined, dict(session.peers)), (False, {}), id="unknown-namespace")
        await join(t, session, out, "/", {"token": "x"})
        await join(t, session, out, "/chat")
        t.equal("welcome got the auth of each", application.welcomed, [("/", {"token": "x"}), ("/chat", None)])
        t.equal("the session knows both", (session.joined, sorted(session.peers)), (True, ["/", "/chat"]))
        for envelope in (event("echo", 1, 2, namespace="/chat"), Envelope("answer", [], "/chat", 1)):
            await session.receive(envelope)
            t.equal(f"the {envelope.kind} in /chat is delivered", delivered.pop(), ("/chat", envelope))


async def _violations(t: Transcript, make: Any) -> None:
    for envelope in (event("echo", 1), event("echo", 1, namespace="/chat"), Envelope("answer", [], "/", 1), LEAVE):
        async with running_session(make, RecordingApplication()) as (session, _):
            got = await awaited_outcome(session.receive(envelope))
            what = f"{envelope.kind} for {envelope.namespace}, which was not joined"
            t.equal(what, got, VIOLATION, id="speaks-before-joining")
    for envelope in (JOIN, Envelope("refused", {"message": "no"})):
        async with running_session(make, RecordingApplication()) as (session, _):
            await session.receive(JOIN)
            await let_tasks_run()
            got = await awaited_outcome(session.receive(envelope))
            t.equal(f"{envelope.kind} for a namespace that was joined", got, VIOLATION, id="joins-twice")


async def _leaves(t: Transcript, make: Any, delivered: list[Any]) -> None:
    application = RecordingApplication()
    async with running_session(make, application) as (session, out):
        await join(t, session, out)
        await join(t, session, out, "/chat")
        call = started_task(application.peers[1].call("slow"))
        await let_tasks_run()
        out.take()
        t.say("the client leaves /chat while we wait for an answer there")
        await session.receive(LEAVE._replace(namespace="/chat"))
        got = await t.soon("the call ends", call, within_s=0.3, id="leave-forgets-calls")
        t.equal("it raises Left", got, LEFT, id="leave-forgets-calls")
        t.equal("no reply is sent", out.take(), [])
        t.equal("the session knows the rest", sorted(session.peers), ["/"], id="leave-forgets-calls")
        await session.receive(event("echo", 1))
        t.equal("/ goes on", delivered.pop(), ("/", event("echo", 1)))
        await join(t, session, out, "/chat")
        t.equal("a new join is a new peer", application.peers[2] is application.peers[1], False)


@lab.step(
    "Handlers at work",
    minutes=10,
    lines=5,
    points=2,
    hints=(
        "Pass an answer to the peer at once. A handler may take time, so the next message must not wait for it.",
        "self.start(peer.handle, envelope) runs the handler in a task. `await asyncio.wait(self.tasks, "
        "return_when=asyncio.FIRST_COMPLETED)` waits until one of them ends.",
        "`if envelope.kind != 'event': return peer.answered(envelope)`; then `while len(self.tasks) >= "
        "self.limits.handlers:` wait as above; then self.start(...).",
    ),
    words={
        "handler-blocks": "The next message must not wait for a slow handler: run each handler in its own task.",
        "handlers-unbounded": (
            "There is no limit for the tasks: a client that sends faster than the handlers work "
            "fills the server's memory."
        ),
    },
)
async def session(t: Transcript, Session: Any) -> None:  # noqa: N803 - the answer is a class
    await _works(t, Session)
    await _bounded(t, Session)
    async with running_session(Session, RecordingApplication()) as (session, _):
        await session.receive(JOIN)
        got = await awaited_outcome(session.receive(Envelope("answer", [], "/", 1)))
        t.equal("an answer to a call that was never made", got, VIOLATION, id="answer-never-asked")


async def _works(t: Transcript, make: Any) -> None:
    application = RecordingApplication()
    async with running_session(make, application) as (session, out):
        await join(t, session, out)
        t.say("a handler that waits, then another event; the first is answered when it may")
        await t.soon("receive returns", session.receive(event("wait", "a", id=1)), within_s=0.3, id="handler-blocks")
        await t.soon("receive returns again", session.receive(event("echo", "b")), within_s=0.3, id="handler-blocks")
        await let_tasks_run()
        t.equal("the second is done first", out.take(), [Envelope("event", ["back", "b"])], id="handler-blocks")
        application.open.set()
        await let_tasks_run()
        t.equal("then the first", out.take(), [Envelope("answer", ["a"], "/", 1)])
        t.say("a handler calls the client, whose answer comes in between")
        call = started_task(application.peers[0].call("confirm"))
        await let_tasks_run()
        await session.receive(Envelope("answer", ["yes"], "/", out.take()[0].id))
        t.equal("the call gets it", await t.soon("the call ends", call), "yes")


async def _bounded(t: Transcript, make: Any) -> None:
    application = RecordingApplication()
    async with running_session(make, application, limits=Limits(handlers=5)) as (session, out):
        await join(t, session, out)
        await let_tasks_run()
        t.say("limits.handlers is 5: six events whose handlers wait")

        async def six() -> None:
            for number in range(6):
                await session.receive(event("wait", number))

        feeding = asyncio.ensure_future(six())
        await let_tasks_run()
        t.equal("the handlers at work", application.begun, [0, 1, 2, 3, 4], id="handlers-unbounded")
        application.open.set()
        await t.soon("the last one begins when one has ended", feeding)
        await let_tasks_run()
        t.equal("all were handled", sorted(application.ended), list(range(6)))
