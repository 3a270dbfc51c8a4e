"""The picture at the top of the README: one message on raw wss and on Socket.IO, recorded by a tap.

Drawn by the same code as in the notebooks, from the samples in the package.
"""

from __future__ import annotations

from pathlib import Path

from midspan.eyes.ladder import ladder
from midspan.eyes.svg import under
from midspan.records.dissect import dissect
from midspan.records.exchange import Exchange
from midspan.records.samples import sample

PATH = Path("docs") / "exchange.svg"  # in the course's folder
TITLE = "One message through raw wss and through Socket.IO, as a tap in the middle sees it"


def exchange_svg() -> str:
    """The SVG text of `docs/exchange.svg`; equal on every machine."""
    raw, framework = (dissect(sample(name)) for name in ("raw", "socketio"))
    parts = (
        ladder(_spoken(raw)[:4], title="Raw wss: typing_start in JSON of our own, echoed"),
        ladder(_spoken(framework)[:7], title="Socket.IO: the event typing_start, acknowledged"),
    )
    return under(*parts, title=TITLE).svg


def _spoken(seen: Exchange) -> Exchange:
    """Without TCP's own events."""
    return seen[1:]


def write_exchange(course: Path) -> Path:
    """Write the picture into the course's folder and return where it is: what `python -m midspan picture` does."""
    target = course / PATH
    target.parent.mkdir(exist_ok=True)
    target.write_text(exchange_svg(), "utf-8")
    return target
