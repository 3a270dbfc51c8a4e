"""Steps 8a and 8b: who may join a namespace, and permissions that end."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Envelope, Namespace, Refused
from midspan.labs.lab2_events.lab import LEFT, EnvelopeOutbox, awaited_outcome, lab, let_tasks_run, started_task
from midspan.labs.lab2_events.sessions import JOIN, LEAVE, RecordingApplication, event, join, running_session

LASTS_S = 0.25  # a busy machine may need a part of it to check the join
VIP = "/vip"


def _permissions(application: RecordingApplication) -> dict[str, Namespace]:
    def authorise(auth: Any) -> float | None:
        if auth["token"] == "wrong":
            raise Refused("a wrong token")
        return float(auth["lasts_s"]) if "lasts_s" in auth else None

    return {VIP: Namespace(application.welcome, authorise)}


@lab.step(
    "Permission",
    minutes=16,
    lines=9,
    points=2,
    hints=(
        "Ask before the join, and only for a namespace that exists. Which of the exceptions in `authorise` mean no?",
        "`except Exception as error` catches Refused too; isinstance tells whose text may travel. super().join(name, "
        "auth) lets the client in, and refuses an unknown name as before.",
        "lasts_s = None; `if name in self.namespaces:` try lasts_s = self.namespaces[name].authorise(auth); except "
        "Exception as error: return await self.send(Envelope('refused', {'message': ...}, name)). Then await "
        "super().join(name, auth), and self.limit(name, lasts_s).",
    ),
    words={
        "refused-and-joined": "A refused client has not joined: send nothing after the refusal.",
        "open-on-error": "If the check fails, the client may not join: any exception in authorise means no.",
        "reason-leaks": "Only the text of Refused was written for the client.",
    },
)
async def asked_session(t: Transcript, AskedSession: Any) -> None:  # noqa: N803 - the answer is a class
    class Limiting(AskedSession):  # type: ignore[misc]
        """The answer, with a `limit` that keeps what it is given."""

        def limit(self, name: str, lasts_s: float | None) -> None:
            limits.append((name, lasts_s, name in self.peers))

    limits: list[Any] = []
    application = RecordingApplication()
    async with running_session(Limiting, application, namespaces=_permissions(application)) as (session, out):
        await _refuses(t, application, session, out)
        limits.clear()
        await join(t, session, out)
        await join(t, session, out, VIP, {"token": "right", "lasts_s": 3})
        expected = [("/", None, True), (VIP, 3.0, True)]
        t.equal("limit is called after each join, with the seconds", limits, expected, id="never-expires")


async def _refuses(t: Transcript, application: RecordingApplication, session: Any, out: EnvelopeOutbox) -> None:
    for auth, why in (
        ({"token": "wrong"}, "a wrong token"),
        ({}, None),
        (None, None),
        ({"token": "x", "lasts_s": "y"}, None),
    ):
        t.say(f"a join of {VIP} with {auth}")
        got = await awaited_outcome(session.receive(JOIN._replace(namespace=VIP, data=auth)))
        t.equal("receive raises nothing", got, None, id="open-on-error")
        await let_tasks_run()
        sent = out.take()
        told = [(envelope.kind, envelope.namespace) for envelope in sent]
        id = "open-on-error" if why is None else "refused-and-joined"
        t.equal("it is refused, and nothing follows", told, [("refused", VIP)], id=id)
        t.equal("the refusal says", sent[0].data, {"message": why or "Not authorized"}, id="reason-leaks")
        t.equal("nobody was welcomed", application.welcomed, [], id="refused-and-joined")
        t.equal("nothing was joined", (session.joined, dict(session.peers)), (False, {}), id="refused-and-joined")
    await session.receive(JOIN._replace(namespace="/nowhere"))
    t.equal("an unknown namespace is refused as before", out.take()[0].data, {"message": "Invalid namespace"})


@lab.step(
    "Permissions that end",
    minutes=22,
    lines=12,
    points=2,
    hints=(
        "Three methods of a few lines: start a timer, end one permission, drop what comes too late.",
        "asyncio.sleep in a task that self.start owns is a timer that ends with the session. `is` tells a peer from "
        "the peer of a later join.",
        "expire: after the sleep, only `if self.peers.get(peer.namespace) is peer`: leave, add the name to "
        "self.expired, send Envelope('leave', None, name). receive: `if envelope.namespace in self.expired`: return "
        "unless it is a join, which takes the name out again.",
    ),
    words={
        "never-expires": "A permission with a time limit ends at that time, also in the middle of a connection.",
        "expires-somebody-else": (
            "The permission that ends belongs to one join. A client that left and joined again has a new one."
        ),
        "late-is-violation": (
            "A message that was on its way when the permission ended is no violation: the client "
            "sent it before it learned of the end."
        ),
        "expired-for-good": "After a new join, asked anew, the namespace is open again.",
    },
)
async def guarded_session(t: Transcript, GuardedSession: Any) -> None:  # noqa: N803 - the answer is a class
    await _expires(t, GuardedSession)
    await _successor(t, GuardedSession)


async def _expires(t: Transcript, make: Any) -> None:
    application = RecordingApplication()
    async with running_session(make, application, namespaces=_permissions(application)) as (session, out):
        t.say(f"a permission for {LASTS_S:g} s, beside a namespace without a limit")
        await join(t, session, out)
        await join(t, session, out, VIP, {"token": "x", "lasts_s": LASTS_S})
        call = started_task(application.peers[-1].call("slow"))
        await let_tasks_run()
        out.take()
        await t.soon("the client is informed", out.left.wait(), within_s=0.5, id="never-expires")
        t.equal("what tells it is", out.take(), [Envelope("leave", None, VIP)], id="never-expires")
        got = await t.soon("the call ends", call, within_s=0.3)
        t.equal("calls that wait have ended", got, LEFT, id="never-expires")
        await _comes_late(t, session, out)
        await session.receive(JOIN._replace(namespace=VIP, data={"token": "wrong"}))
        t.equal("a new join is asked anew", [e.kind for e in out.take()], ["refused"], id="refused-and-joined")
        await join(t, session, out, VIP, {"token": "x"})
        await session.receive(event("echo", 2, namespace=VIP))
        await let_tasks_run()
        t.equal("and is open again", out.take(), [Envelope("event", ["back", 2], VIP)], id="expired-for-good")


async def _comes_late(t: Transcript, session: Any, out: EnvelopeOutbox) -> None:
    t.say("what was on its way: an event, an answer, a leave")
    late = event("echo", 1, namespace=VIP, id=1), Envelope("answer", [], VIP, 1), LEAVE._replace(namespace=VIP)
    for envelope in late:
        got = await awaited_outcome(session.receive(envelope))
        t.equal(f"the {envelope.kind} is dropped", got, None, id="late-is-violation")
    await let_tasks_run()
    t.equal("nothing is said", out.take(), [], id="never-expires")
    await session.receive(event("echo", 1))
    await let_tasks_run()
    t.equal("/ goes on", out.take(), [Envelope("event", ["back", 1])])


async def _successor(t: Transcript, make: Any) -> None:
    application = RecordingApplication()
    async with running_session(make, application, namespaces=_permissions(application)) as (session, out):
        t.say(f"a permission for {LASTS_S:g} s; the client leaves, and joins again without a limit")
        await join(t, session, out, VIP, {"token": "x", "lasts_s": LASTS_S})
        await session.receive(LEAVE._replace(namespace=VIP))
        await join(t, session, out, VIP, {"token": "x"})
        await asyncio.sleep(1.2 * LASTS_S)
        t.equal("it stays", (out.take(), sorted(session.peers)), ([], [VIP]), id="expires-somebody-else")
