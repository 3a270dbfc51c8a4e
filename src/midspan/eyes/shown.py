"""What a notebook shows for each kind of record: the functions that `display` names. None means the text is enough."""

from __future__ import annotations

from html import escape

from midspan.bench.matrix import Matrix
from midspan.eyes.anatomy import anatomy
from midspan.eyes.ladder import MOST_ARROWS, ladder
from midspan.eyes.lanes import MOST_STEPS, lanes
from midspan.eyes.matrix import matrix_picture
from midspan.eyes.palette import FAULT, INK, MONO, QUIET, SOCKETIO
from midspan.eyes.parties import Bench, parties
from midspan.eyes.stack import stack as draw_stack
from midspan.records.exchange import Exchange, Sighting
from midspan.records.frames import Frame
from midspan.records.http import HttpHead
from midspan.records.layers import Stack
from midspan.sim.counterexample import Counterexample
from midspan.sim.ladder import Ladder
from midspan.sim.played import Played


def exchange(seen: Exchange) -> str | None:
    """A ladder, unless it would be a very long one."""
    return ladder(seen)._repr_html_() if len(seen) <= MOST_ARROWS else None


def sighting(seen: Sighting) -> str:
    """A ladder with one arrow."""
    return ladder(Exchange((seen,)))._repr_html_()


def frame(seen: Frame) -> str:
    """Its bits."""
    return anatomy(seen)._repr_html_()


def stack(seen: Stack) -> str | None:
    """Its layers."""
    return draw_stack(seen)._repr_html_() if len(seen) else None


def head(seen: HttpHead) -> str:
    """All its lines; what differs on each run is masked, as in the text."""
    return f'<pre style="font-family:{MONO};font-size:12.5px;margin:0">{escape(seen.text())}</pre>'


def bench(seen: Bench) -> str:
    """Who talks to whom."""
    return parties(seen)._repr_html_()


def matrix(seen: Matrix) -> str:
    """Its grid."""
    return matrix_picture(seen)._repr_html_()


def run(seen: Ladder) -> str | None:
    """Its lanes, unless they would be very long."""
    return lanes(seen)._repr_html_() if len(seen.steps) <= MOST_STEPS else None


def played(seen: Played) -> str | None:
    """Its lanes, and each verdict below them."""
    if len(seen.ladder.steps) > MOST_STEPS:
        return None
    title = ", ".join(f"{name}: {one.outcome}" for name, one in seen.verdicts.items())
    signs = {"holds": ("✓", SOCKETIO.colour), "violated": ("✗", FAULT.colour), "vacuous": ("○", QUIET)}
    lines = []
    for name, one in seen.verdicts.items():
        sign, colour = signs[one.outcome]
        words = f"<b>{escape(name)}: {one.outcome}.</b> {escape(one.reason)}"
        lines.append(f'<div><b style="color:{colour}">{sign}</b> {words}</div>')
    drawn = lanes(seen.ladder, title=title)._repr_html_()
    return f'<div style="color:{INK};line-height:1.5">{drawn}{"".join(lines)}</div>'


def counterexample(seen: Counterexample) -> str | None:
    """What went wrong in one sentence, the smallest schedule, its lanes, and the line that shows it again."""
    drawn = run(seen.ladder)
    if drawn is None:
        return None
    words = [f"<b>✗ {escape(seen.predicate)} is violated.</b> {escape(seen.reason)}"]
    words += [f"Smallest schedule: {escape(str(seen.schedule))}", drawn]
    words += [f'Again: <span style="font-family:{MONO};font-size:12.5px">{escape(seen.replay)}</span>']
    style = f"border-left:5px solid {FAULT.colour};color:{INK};padding:4px 12px;line-height:1.5"
    lines = "".join(f"<div>{line}</div>" for line in words)
    return f'<div role="group" aria-label="a counterexample" style="{style}">{lines}</div>'
