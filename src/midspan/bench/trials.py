"""What the guarantee matrix does to each implementation: one conversation, and each fault at each of its moments.

Two clients, three messages. A fault is tried at every message that crosses, before, during and after it: so *holds*
says that no moment was found at which it does not, and *violated* names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from midspan.sim.cast import Cast
from midspan.sim.faults import ClientRestart, Cut, Delay, Fault, HalfOpen, Moment, Refuse, Revoke, ServerRestart, When
from midspan.sim.generate import Crossing
from midspan.sim.history import History
from midspan.sim.play import play
from midspan.sim.schedule import Join, Say, Schedule
from midspan.sim.world import Watch

CONVERSATION = Schedule(
    seed=1,
    joins=(Join(0.0, "a"), Join(0.0, "b")),
    says=(Say(0.5, "a", "a1"), Say(0.6, "b", "b1"), Say(0.6, "a", "a2")),  # at 0.5 s everybody is connected
    write_s=0.03,  # longer than a message takes: who acknowledges before it is durable is seen
)
MEANWHILE = (Say(0.8, "a", "a3"), Say(0.8, "b", "b2"), Say(0.9, "b", "b3"))  # while nobody is connected
LATER = (Say(4.0, "a", "a3"), Say(4.0, "b", "b2"))  # whoever was revoked has had time to come back
A_LOT = tuple(Say(0.8 + n / 100, "a", f"a{n}") for n in range(3, 13))  # more than the outbox of a bounded session holds
WHEN: dict[str, tuple[When, ...]] = {"up": ("before", "during", "after", "reply"), "down": ("during", "after")}


class Play(Protocol):
    """Runs a schedule: `midspan.sim.play` on the simulated link, `midspan.bench.real.play_real` on a real one."""

    def __call__(self, cast: Cast, schedule: Schedule, watch: Watch | None = None, /) -> History: ...


@dataclass(frozen=True)
class Trial:
    """A column within a column: one kind of fault.

    Args:
        name: of the fault.
        does: what it does, in a few words.
        faults: what goes wrong, given its moment.
        says: what is said besides the conversation.
    """

    name: str
    does: str
    faults: Callable[[Moment], tuple[Fault, ...]]
    says: tuple[Say, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.does}"

    def at(self, moment: Moment, opening_s: float = 0.0) -> Schedule:
        """The conversation with this fault at this moment; everybody speaks so much later."""
        return replace(_conversation(opening_s, self.says), faults=self.faults(moment))


TRIALS = (
    Trial("cut", "the connection is reset", lambda at: (Cut(at),)),
    Trial("half-open", "the connection carries nothing more, and nobody says so", lambda at: (HalfOpen(at),)),
    Trial("delay", "what is on its way comes a second late", lambda at: (Delay(at, 1.0),)),
    Trial(
        "outage",
        "reset, then three attempts to connect are refused, while more is said",
        lambda at: (Cut(at), Refuse(at.link, 2, 3)),
        A_LOT,
    ),
    Trial(
        "server restart",
        "the server is killed, and back in 2 s with its log; meanwhile more is said",
        lambda at: (ServerRestart(at, 2.0),),
        MEANWHILE,
    ),
    Trial("log lost", "the same, without its log", lambda at: (ServerRestart(at, 2.0, keeps_log=False),), MEANWHILE),
    Trial("client restart", "a client is killed, and back in 1 s", lambda at: (ClientRestart(at, 1.0),)),
    Trial(
        "revoke",
        "a client loses its right to be here, and its connection; later the other one speaks",
        lambda at: (Revoke(at),),
        LATER,
    ),
)


def moments(cast: Cast, play: Play = play, opening_s: float = 0.0) -> Iterator[Moment]:
    """The moments of the conversation: at each message that crosses, but for those that cross before anybody speaks."""
    spoken = _conversation(opening_s)
    greetings = len(_crossed(cast, replace(spoken, says=()), play))
    for link, way, n in _crossed(cast, spoken, play)[greetings:]:
        for when in WHEN[way]:
            yield Moment(link, way, n, when)


def _conversation(opening_s: float, more: tuple[Say, ...] = ()) -> Schedule:
    says = (replace(say, at_s=say.at_s + opening_s) for say in (*CONVERSATION.says, *more))
    return replace(CONVERSATION, says=tuple(says))


def _crossed(cast: Cast, schedule: Schedule, play: Play) -> list[Crossing]:
    watch = Watch(crossings=[])
    play(cast, schedule, watch)
    return watch.crossings or []
