"""Step 9: read without waking anybody. A message is handled, or left as it was, before the call returns."""

from __future__ import annotations

import random
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.virtual import in_virtual_time
from midspan.checks.lab5_overhead.doubles import Slow
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import beats, costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.sim import Bounds, Cast, Disk, ServerSeat, Store

ROOM_BYTES = 2**16
ONE, TWO, OTHER = '["typing_start",{"room":"one"}]', '["typing_start",{"room":"two"}]', '["left","one"]'


@lab.step("Read without waking anybody", minutes=25, lines=17, points=3, hints=HINTS["direct"], limit_s=15.0)
def direct(t: Transcript, at_once: Any, ours: Cast) -> None:
    names = getattr(at_once, "__globals__", {})
    for part in (_leaves, _handles, _counts, _refuses):
        in_virtual_time(part(t, at_once, names))
    holds(t, ours, "direct")
    beats(t, costs_at_most(t, ours))


class Scene:
    """A server, one connection to it of a client named "a", and the wire at the client's end."""

    def __init__(self, names: dict[str, Any], write_s: float) -> None:
        self.disk, self.connection = Disk(), Slow(ROOM_BYTES)
        seat = ServerSeat(Store(self.disk, write_s), lambda _who, _token: True, random.Random(1), lambda: 0.0, Bounds())
        server, wire = names["Server"](seat), names["Wire"]()
        self.client = names["Wire"]()
        self.feed = names["Feed"](self.connection, wire, server.log, "a", 0, 0, 4)
        self.up = names["Up"](server, "a", wire, self.feed)

    @property
    def bodies(self) -> list[str]:
        """What is durable."""
        return [entry.body for entry in self.disk.log]

    def says(self, *packets: tuple[str, Any]) -> bytes:
        """What the client sends."""
        return bytes(self.client.write(list(packets)))

    def answers(self) -> list[tuple[str, Any]]:
        """The packets that were written to the client."""
        return [tuple(packet) for message in self.connection.waits for packet in self.client.read(message)]


async def _leaves(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a store that takes its time")
    scene = Scene(names, 0.01)
    with scene.feed:
        data = scene.says(("body", ONE), ("ask", 0))
        t.equal("at_once(up, data) leaves it to the task", at_once(scene.up, data), False, id="direct-not-durable")
        t.equal("a may count on", scene.up.inbox.safe("a"), 0, id="direct-not-durable")
        t.equal("written to a", scene.answers(), [], id="direct-not-durable")
        await names["in_time"](scene.up, data)
        t.equal("then the task handles it: in the store", scene.bodies, [ONE], id="direct-reads-first")
        await names["in_time"](scene.up, scene.says(("body", OTHER)))
        t.equal("and the next, of another shape", scene.bodies, [ONE, OTHER], id="direct-reads-first")


async def _handles(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a store that writes at once; a says one thing, and waits for its acknowledgement")
    scene = Scene(names, 0.0)
    with scene.feed:
        took = at_once(scene.up, scene.says(("body", ONE), ("ask", 0)))
        t.equal("at_once(up, data) says that it has handled it", took, True, id="direct-never")
        t.equal("it is in the store", scene.bodies, [ONE], id="direct-loses")
        t.equal("a's number is known", scene.up.inbox.safe("a"), 1, id="direct-twice")
        t.equal("the acknowledgement is written", scene.answers(), [("mine", 1)], id="direct-ask")


async def _counts(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a comes back: its message 5 was taken, and nobody has told it")
    scene = Scene(names, 0.0)
    scene.up.inbox.adopt("a", 6)
    with scene.feed:
        t.equal("a copy of 5, then 6", at_once(scene.up, scene.says(("number", 5), ("body", ONE), ("body", TWO))), True)
        t.equal("in the store", scene.bodies, [TWO], id="direct-numbers" if scene.bodies == [] else "direct-twice")


async def _refuses(t: Transcript, at_once: Any, names: dict[str, Any]) -> None:
    t.say("a says its message 3 first, and then a stranger's bytes come")
    scene = Scene(names, 0.0)
    with scene.feed:
        missing = scene.says(("number", 3), ("body", ONE))
        t.raises("at_once(up, data)", lambda: at_once(scene.up, missing), names["OutOfOrder"], id="direct-gap")
        t.equal("in the store", scene.bodies, [], id="direct-gap")
        t.raises("bytes that are no packets", lambda: at_once(scene.up, b"\xdc"), ValueError, id="direct-swallows")
