"""What a notebook shows for each kind of record: the functions that `display` names.

Each gives a picture, a picture with words around it, or HTML; None means that the text is enough.
"""

from __future__ import annotations

from html import escape

from midspan.eyes.caption import Caption, Captioned
from midspan.eyes.ladder import MOST_ARROWS, ladder
from midspan.eyes.lanes import MOST_STEPS, lanes
from midspan.eyes.palette import FAULT, MONO, QUIET, SOCKETIO
from midspan.eyes.stack import stack as draw_stack
from midspan.eyes.svg import Picture
from midspan.records.exchange import Exchange, Sighting
from midspan.records.http import HttpHead
from midspan.records.layers import Stack
from midspan.sim.counterexample import Counterexample
from midspan.sim.ladder import Ladder
from midspan.sim.played import Played

SIGNS = {"holds": ("✓", SOCKETIO.colour), "violated": ("✗", FAULT.colour), "vacuous": ("○", QUIET)}


def drawing(seen: Picture) -> Picture:
    """Itself."""
    return seen


def exchange(seen: Exchange) -> Picture | None:
    """A ladder, unless it would be a very long one."""
    return ladder(seen) if len(seen) <= MOST_ARROWS else None


def sighting(seen: Sighting) -> Picture:
    """A ladder with one arrow."""
    return ladder(Exchange((seen,)))


def stack(seen: Stack) -> Picture | None:
    """Its layers."""
    return draw_stack(seen) if len(seen) else None


def head(seen: HttpHead) -> str:
    """All its lines; what differs on each run is masked, as in the text."""
    return f'<pre style="font-family:{MONO};font-size:12.5px;margin:0">{escape(seen.text())}</pre>'


def run(seen: Ladder) -> Picture | None:
    """Its lanes, unless they would be very long."""
    return lanes(seen) if len(seen.steps) <= MOST_STEPS else None


def played(seen: Played) -> Captioned | None:
    """Its lanes, and each verdict below them."""
    if len(seen.ladder.steps) > MOST_STEPS:
        return None
    title = ", ".join(f"{name}: {one.outcome}" for name, one in seen.verdicts.items())
    verdicts = [
        Caption(one.reason, f"{name}: {one.outcome}.", *SIGNS[one.outcome]) for name, one in seen.verdicts.items()
    ]
    return Captioned(lanes(seen.ladder, title=title), (), verdicts, str(seen))


def counterexample(seen: Counterexample) -> Captioned | None:
    """What went wrong in one sentence, the smallest schedule, its lanes, and the line that shows it again."""
    drawn = run(seen.ladder)
    if drawn is None:
        return None
    above = [
        Caption(seen.reason, f"{seen.predicate} is violated.", *SIGNS["violated"]),
        Caption(f"Smallest schedule: {seen.schedule}"),
    ]
    again = [Caption(seen.replay, "Again:", mono=True)]
    return Captioned(drawn, above, again, str(seen), name="a counterexample", mark=FAULT.colour)
