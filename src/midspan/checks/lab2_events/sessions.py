"""Step 4: several namespaces on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.wire import LEFT, VIOLATION, Envelope, Limits, Namespace, Outbox, begun, ending, turns

JOIN, LEAVE = Envelope("join"), Envelope("leave")


class Desk:
    """An application that remembers who came, and whose handlers wait until they may go on."""

    def __init__(self) -> None:
        self.welcomed: list[tuple[str, Any]] = []
        self.peers: list[Any] = []
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self.open = asyncio.Event()

    async def welcome(self, peer: Any, auth: Any) -> None:
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
async def at_work(make: Any, desk: Desk, **more: Any) -> AsyncIterator[tuple[Any, Outbox]]:
    """A session that offers `/` and `/chat`, and its outbox; ended when the block ends."""
    out = Outbox()
    namespaces = {"/": Namespace(desk.welcome), "/chat": Namespace(desk.welcome)} | more.pop("namespaces", {})
    session = make(out, namespaces, **more)
    try:
        yield session, out
    finally:
        await session.end()


def event(name: str, *arguments: Any, namespace: str = "/", id: int | None = None) -> Envelope:
    """An event as a client sends it."""
    return Envelope("event", [name, *arguments], namespace, id)


async def joined(t: Transcript, session: Any, out: Outbox, namespace: str = "/", auth: Any = None) -> None:
    """Join, and look at the reply and at what `welcome` says."""
    await session.receive(JOIN._replace(namespace=namespace, data=auth))
    await turns()
    sent = out.take()
    told = [(envelope.kind, envelope.namespace) for envelope in sent]
    order = [("join", namespace), ("event", namespace)]
    id = "namespace-forgotten" if {at for _, at in told} != {namespace} else "welcome-before-reply"
    t.equal(f"a join of {namespace}: the reply, then what welcome emits", told, order, id=id)
    sid = sent[0].data
    good = isinstance(sid, dict) and list(sid) == ["sid"] and isinstance(sid["sid"], str) and sid["sid"]
    t.true("the reply has a session id", good, got=sid, expected='{"sid": a text}')


@lab.step("Namespaces", minutes=30, lines=20, points=3, hints=HINTS["session"])
async def session(t: Transcript, Session: Any) -> None:  # noqa: N803 - the answer is a class
    await _joins(t, Session)
    await _violations(t, Session)
    await _works(t, Session)
    await _bounded(t, Session)
    await _leaves(t, Session)


async def _joins(t: Transcript, make: Any) -> None:
    desk = Desk()
    async with at_work(make, desk) as (session, out):
        t.say("a join of /nowhere")
        await session.receive(Envelope("join", None, "/nowhere"))
        await turns()
        expected = [Envelope("refused", {"message": "Invalid namespace"}, "/nowhere")]
        t.equal("it is refused", out.take(), expected, id="unknown-namespace")
        t.equal("nothing was joined", (session.joined, dict(session.peers)), (False, {}), id="unknown-namespace")
        await joined(t, session, out, "/", {"token": "x"})
        await joined(t, session, out, "/chat")
        t.equal("welcome got the auth of each", desk.welcomed, [("/", {"token": "x"}), ("/chat", None)])
        t.equal("the session knows both", (session.joined, sorted(session.peers)), (True, ["/", "/chat"]))
        await session.receive(event("echo", 1, 2, namespace="/chat"))
        await turns()
        expected = [Envelope("event", ["back", 1, 2], "/chat")]
        t.equal("an event in /chat is handled and answered there", out.take(), expected, id="namespace-forgotten")


async def _violations(t: Transcript, make: Any) -> None:
    for envelope in (event("echo", 1), event("echo", 1, namespace="/chat"), Envelope("answer", [], "/", 1), LEAVE):
        async with at_work(make, Desk()) as (session, _):
            got = await ending(session.receive(envelope))
            what = f"a {envelope.kind} for {envelope.namespace}, which was not joined"
            t.equal(what, got, VIOLATION, id="speaks-before-joining")
    for envelope in (JOIN, Envelope("refused", {"message": "no"})):
        async with at_work(make, Desk()) as (session, _):
            await session.receive(JOIN)
            await turns()
            got = await ending(session.receive(envelope))
            t.equal(f"a {envelope.kind} for a namespace that was joined", got, VIOLATION, id="joins-twice")
    async with at_work(make, Desk()) as (session, _):
        await session.receive(JOIN)
        got = await ending(session.receive(Envelope("answer", [], "/", 1)))
        t.equal("an answer to a call that was never made", got, VIOLATION, id="answer-never-asked")


async def _works(t: Transcript, make: Any) -> None:
    desk = Desk()
    async with at_work(make, desk) as (session, out):
        await joined(t, session, out)
        t.say("a handler that waits, then another event; the first is answered when it may")
        await t.soon("receive returns", session.receive(event("wait", "a", id=1)), within_s=0.3, id="handler-blocks")
        await t.soon("receive returns again", session.receive(event("echo", "b")), within_s=0.3, id="handler-blocks")
        await turns()
        t.equal("the second is done first", out.take(), [Envelope("event", ["back", "b"])], id="handler-blocks")
        desk.open.set()
        await turns()
        t.equal("then the first", out.take(), [Envelope("answer", ["a"], "/", 1)])
        t.say("a handler calls the client, whose answer comes in between")
        call = begun(desk.peers[0].call("confirm"))
        await turns()
        await session.receive(Envelope("answer", ["yes"], "/", out.take()[0].id))
        t.equal("the call gets it", await t.soon("the call ends", call), "yes")


async def _bounded(t: Transcript, make: Any) -> None:
    desk = Desk()
    async with at_work(make, desk, limits=Limits(handlers=5)) as (session, out):
        await joined(t, session, out)
        await turns()
        t.say("limits.handlers is 5: six events whose handlers wait")

        async def six() -> None:
            for number in range(6):
                await session.receive(event("wait", number))

        feeding = asyncio.ensure_future(six())
        await turns()
        t.equal("the handlers at work", desk.begun, [0, 1, 2, 3, 4], id="handlers-unbounded")
        desk.open.set()
        await t.soon("the last one begins when one has ended", feeding)
        await turns()
        t.equal("all were handled", sorted(desk.ended), list(range(6)))


async def _leaves(t: Transcript, make: Any) -> None:
    desk = Desk()
    async with at_work(make, desk) as (session, out):
        await joined(t, session, out)
        await joined(t, session, out, "/chat")
        call = begun(desk.peers[1].call("slow"))
        await turns()
        out.take()
        t.say("the client leaves /chat while we wait for an answer there")
        await session.receive(LEAVE._replace(namespace="/chat"))
        got = await t.soon("the call ends", call, within_s=0.3, id="leave-forgets-calls")
        t.equal("it raises Left", got, LEFT, id="leave-forgets-calls")
        t.equal("no reply is sent", out.take(), [])
        t.equal("the session knows the rest", sorted(session.peers), ["/"], id="leave-forgets-calls")
        await session.receive(event("echo", 1))
        await turns()
        t.equal("/ goes on", out.take(), [Envelope("event", ["back", 1])])
        await joined(t, session, out, "/chat")
        t.equal("a new join is a new peer", desk.peers[2] is desk.peers[1], False)
