"""Steps 4 and 5: several namespaces on one connection, and permissions that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.lab import LEFT, VIOLATION, Envelope, Limits, Namespace, Outbox, begun, ending, lab, turns

JOIN, LEAVE = Envelope("join"), Envelope("leave")


class Desk:
    """An application that records which peers joined, and whose handlers wait until the check releases them."""

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
    """Run a session with the namespaces `/` and `/chat`, and give it with its outbox; it ends with the block."""
    out = Outbox()
    namespaces = {"/": Namespace(desk.welcome), "/chat": Namespace(desk.welcome)} | more.pop("namespaces", {})
    session = make(out, namespaces, **more)
    try:
        yield session, out
    finally:
        await session.end()


def event(name: str, *arguments: Any, namespace: str = "/", id: int | None = None) -> Envelope:
    """Return an event as a client sends it."""
    return Envelope("event", [name, *arguments], namespace, id)


async def joined(t: Transcript, session: Any, out: Outbox, namespace: str = "/", auth: Any = None) -> None:
    """Join, and check the reply and the event that `welcome` sends."""
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


@lab.step(
    "Namespaces",
    minutes=30,
    lines=20,
    points=3,
    hints=(
        "Look at the peer of the envelope's namespace first: with none, only a join makes sense; with one, anything "
        "but a join and a refusal.",
        "self.start(peer.handle, envelope) runs the handler in a task. `await asyncio.wait(self.tasks, "
        "return_when=asyncio.FIRST_COMPLETED)` waits until one of them ends.",
        "join: refuse an unknown name; else Peer(self.send, name) into self.peers, await the reply, then "
        "self.start(self.namespaces[name].welcome, peer, auth). leave: self.peers.pop(name).end().",
    ),
    words={
        "unknown-namespace": "A namespace that the server does not offer is refused, with an object that says why.",
        "welcome-before-reply": (
            "The reply to the join goes first: before it, the client knows nothing of the namespace."
        ),
        "speaks-before-joining": "Who has not joined may not speak: that is a Violation, also for answers.",
        "joins-twice": "A second join, or a refusal from a client, makes no sense: a Violation.",
        "handler-blocks": "A slow handler must not keep the next message waiting: each runs in a task of its own.",
        "handlers-unbounded": (
            "A task for each message without a limit: who sends faster than we work fills our memory."
        ),
        "leave-forgets-calls": "To leave is to end the peer, not only to forget it.",
    },
)
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


LASTS_S = 0.25  # a busy machine may need a part of it to check the join
VIP = "/vip"


def _permissions(desk: Desk, refused: Any) -> dict[str, Namespace]:
    def authorise(auth: Any) -> float | None:
        if auth["token"] == "wrong":
            raise refused("a wrong token")
        return float(auth["lasts_s"]) if "lasts_s" in auth else None

    return {VIP: Namespace(desk.welcome, authorise)}


@lab.step(
    "Permission",
    minutes=25,
    lines=20,
    points=2,
    hints=(
        "Three methods, each a few lines around `super()`: ask before the join, end after a time, drop what is late.",
        "`except Exception as error` catches Refused too: isinstance tells which text may travel. asyncio.sleep in a "
        "task that self.start owns is a timer that ends with the session.",
        "expire: after the sleep, only `if self.peers.get(peer.namespace) is peer`: leave, add the name to "
        "self.expired, send Envelope('leave', None, name). receive: `if envelope.namespace in self.expired`: return "
        "unless it is a join, which takes the name out again.",
    ),
    words={
        "refused-and-joined": "A refused client stays outside: nothing else follows the refusal.",
        "open-on-error": "What cannot be checked is not allowed: any exception in authorise means no.",
        "reason-leaks": "Only the text of Refused was written for the client.",
        "never-expires": "A permission that has a time ends with it, also in the middle of a connection.",
        "expires-somebody-else": (
            "The permission that ends belongs to one join; who left and joined again has a new one."
        ),
        "late-is-violation": (
            "What was on its way when we ended the permission is no violation: the client could not know."
        ),
        "expired-for-good": "After a new join, asked anew, the namespace is open again.",
    },
)
async def guarded_session(t: Transcript, GuardedSession: Any, Refused: Any) -> None:  # noqa: N803 - classes
    await _asked(t, GuardedSession, Refused)
    await _expires(t, GuardedSession, Refused)
    await _successor(t, GuardedSession, Refused)


async def _asked(t: Transcript, make: Any, refused: Any) -> None:
    desk = Desk()
    async with at_work(make, desk, namespaces=_permissions(desk, refused)) as (session, out):
        for auth, why in (
            ({"token": "wrong"}, "a wrong token"),
            ({}, None),
            (None, None),
            ({"token": "x", "lasts_s": "y"}, None),
        ):
            t.say(f"a join of {VIP} with {auth}")
            got = await ending(session.receive(JOIN._replace(namespace=VIP, data=auth)))
            t.equal("receive raises nothing", got, None, id="open-on-error")
            await turns()
            sent = out.take()
            told = [(envelope.kind, envelope.namespace) for envelope in sent]
            id = "open-on-error" if why is None else "refused-and-joined"
            t.equal("it is refused, and nothing follows", told, [("refused", VIP)], id=id)
            expected = {"message": why or "Not authorized"}
            t.equal("the refusal says", sent[0].data, expected, id="reason-leaks")
            t.equal("nobody was welcomed", desk.welcomed, [], id="refused-and-joined")
            t.equal("nothing was joined", (session.joined, dict(session.peers)), (False, {}), id="refused-and-joined")
        await session.receive(JOIN._replace(namespace="/nowhere"))
        t.equal("an unknown namespace is refused as before", out.take()[0].data, {"message": "Invalid namespace"})
        await joined(t, session, out)
        await joined(t, session, out, VIP, {"token": "right"})


async def _expires(t: Transcript, make: Any, refused: Any) -> None:
    desk = Desk()
    async with at_work(make, desk, namespaces=_permissions(desk, refused)) as (session, out):
        t.say(f"a permission for {LASTS_S:g} s, beside a namespace without a limit")
        await joined(t, session, out)
        await joined(t, session, out, VIP, {"token": "x", "lasts_s": LASTS_S})
        call = begun(desk.peers[-1].call("slow"))
        await turns()
        out.take()
        await t.soon("the client is told", out.left.wait(), within_s=0.5, id="never-expires")
        t.equal("what tells it is", out.take(), [Envelope("leave", None, VIP)], id="never-expires")
        t.equal(
            "calls that wait have ended", await t.soon("the call ends", call, within_s=0.3), LEFT, id="never-expires"
        )
        t.say("what was on its way: an event, an answer, a leave")
        for envelope in (
            event("echo", 1, namespace=VIP, id=1),
            Envelope("answer", [], VIP, 1),
            LEAVE._replace(namespace=VIP),
        ):
            got = await ending(session.receive(envelope))
            t.equal(f"the {envelope.kind} is dropped", got, None, id="late-is-violation")
        await turns()
        t.equal("nothing is said", out.take(), [], id="never-expires")
        await session.receive(event("echo", 1))
        await turns()
        t.equal("/ goes on", out.take(), [Envelope("event", ["back", 1])])
        await session.receive(JOIN._replace(namespace=VIP, data={"token": "wrong"}))
        t.equal("a new join is asked anew", [e.kind for e in out.take()], ["refused"], id="refused-and-joined")
        await joined(t, session, out, VIP, {"token": "x"})
        await session.receive(event("echo", 2, namespace=VIP))
        await turns()
        t.equal("and is open again", out.take(), [Envelope("event", ["back", 2], VIP)], id="expired-for-good")


async def _successor(t: Transcript, make: Any, refused: Any) -> None:
    desk = Desk()
    async with at_work(make, desk, namespaces=_permissions(desk, refused)) as (session, out):
        t.say(f"a permission for {LASTS_S:g} s; the client leaves, and joins again without a limit")
        await joined(t, session, out, VIP, {"token": "x", "lasts_s": LASTS_S})
        await session.receive(LEAVE._replace(namespace=VIP))
        await joined(t, session, out, VIP, {"token": "x"})
        await asyncio.sleep(1.2 * LASTS_S)
        t.equal("it stays", (out.take(), sorted(session.peers)), ([], [VIP]), id="expires-somebody-else")
