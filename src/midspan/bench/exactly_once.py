"""How the "exactly once" recipe of the Socket.IO tutorial loses a message that it has acknowledged: two schedules.

*same key*: a message said before there is a connection gets a key without a session id, `None-0` here and `undefined-0`
in JavaScript. Two clients that both speak before they are connected send the same key, and the database takes the
second message for a copy of the first: acknowledged, and thrown away.

*overtaken*: a client that connects is sent what it has not seen. While the server reads that from its database a new
message is broadcast, which overtakes it. The client notes the new message's number. If the connection then goes, it
asks for what comes after that number, and the older message is lost to it for good.

    history, ladder = draw(RECIPE, SAME_KEY)
    lost_though_safe(history)
"""

from __future__ import annotations

from dataclasses import replace

from midspan.bench.contenders.contender import named
from midspan.sim.cast import Cast
from midspan.sim.faults import Cut, Moment
from midspan.sim.history import Bounds, History
from midspan.sim.index import Index
from midspan.sim.schedule import Join, Say, Schedule

RECIPE: Cast = replace(named("recipe").cast, bounds=Bounds(detection_s=60.0, recovery_s=10.0))  # no need to wait longer

SAME_KEY = Schedule(
    seed=1,
    joins=(Join(0.0, "a"), Join(0.0, "b")),
    says=(Say(0.0, "a", "a1"), Say(0.0, "b", "b1")),  # a connection takes longer than that
)
OVERTAKEN = Schedule(
    seed=1,
    joins=(Join(0.0, "b"), Join(1.0, "a")),
    says=(Say(0.5, "b", "b1"), Say(0.99, "b", "b2")),
    faults=(Cut(Moment("a", "down", 4, "during")),),  # after Engine.IO's OPEN, CONNECT and b2: the first of the replay
    write_s=0.1,  # so a read takes 0.05 s: b2 is stored and broadcast while a's replay is being read
)
SHAPES = {"same key": SAME_KEY, "overtaken": OVERTAKEN}


def lost_though_safe(history: History) -> tuple[str, ...]:
    """The messages whose senders were told that they are safe, and that some client never got; one line each."""
    index = Index(history)
    return tuple(
        f"{message}, acknowledged at {record.at_s:.3f} s, never reached {who}"
        for message, record in index.acknowledged.items()
        for who in index.present
        if not index.excused(message) and message not in {one.message for one in index.views.get(who, ())}
    )
