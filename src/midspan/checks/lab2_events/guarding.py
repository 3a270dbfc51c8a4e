"""Step 5: who may join a namespace, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab2_events.hints import HINTS
from midspan.checks.lab2_events.lab import lab
from midspan.checks.lab2_events.sessions import JOIN, LEAVE, Desk, at_work, event, joined
from midspan.checks.lab2_events.wire import LEFT, Envelope, Namespace, begun, ending, turns

LASTS_S = 0.25  # a busy machine may need some of it to look at the join
VIP = "/vip"


def _permissions(desk: Desk, refused: Any) -> dict[str, Namespace]:
    def authorise(auth: Any) -> float | None:
        if auth["token"] == "wrong":
            raise refused("a wrong token")
        return float(auth["lasts_s"]) if "lasts_s" in auth else None

    return {VIP: Namespace(desk.welcome, authorise)}


@lab.step("Permission", minutes=25, lines=20, points=2, hints=HINTS["guarded_session"])
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
