"""What a notebook shows for each kind of record: the functions that `display` names. None means the text is enough."""

from __future__ import annotations

from html import escape

from midspan.eyes.anatomy import anatomy
from midspan.eyes.ladder import MOST_ARROWS, ladder
from midspan.eyes.palette import MONO
from midspan.eyes.parties import Bench, parties
from midspan.eyes.stack import stack as draw_stack
from midspan.records.exchange import Exchange, Sighting
from midspan.records.frames import Frame
from midspan.records.http import HttpHead
from midspan.records.layers import Stack


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
