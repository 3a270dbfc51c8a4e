"""When a fault happens: counted, not timed ("before a's 3rd message up").

So it means the same on each replay, on a changed program, and on a real link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from midspan.arguments import Fitting
from midspan.refusal import need

Way = Literal["up", "down"]  # from the client to the server; from the server to the client
When = Literal["before", "during", "after", "reply"]
WHEN: tuple[When, ...] = get_args(When)

_WORDS: dict[When, str] = {
    "before": "before {} leaves",
    "during": "while {} is on its way",
    "after": "when {} has arrived",
    "reply": "before the answer to {}",
}


@dataclass(frozen=True, slots=True)
class Moment(Fitting):
    """A point in the life of one client's link.

    Args:
        link: the client's name.
        way: which direction is counted.
        n: the how-manieth message in that direction, from 1, over all connections of this link; control frames
            (ping, pong, close) are not counted.
        when: *before* the message leaves its sender, *during* its way (it does not arrive if the fault cuts),
            *after* it has arrived and before anyone has read it, or before the first message of the other direction
            that follows it (*reply*: in most protocols the acknowledgement).
        later_s: seconds that pass between that point and the fault.
    """

    link: str
    way: Way
    n: int
    when: When = "before"
    later_s: float = 0.0

    def __post_init__(self) -> None:
        Fitting.__post_init__(self)
        need(self.n >= 1, "a message number, from 1", self.n, "The first message is number 1")

    def __str__(self) -> str:
        later = f"{self.later_s:g} s after the moment " if self.later_s else ""
        return later + _WORDS[self.when].format(f"{self.link}'s message {self.n} {self.way}")
