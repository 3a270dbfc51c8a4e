"""The picture at the top of the README: one recorded exchange, drawn by the same code as in the notebooks."""

from __future__ import annotations

from pathlib import Path

from midspan.eyes.ladder import ladder
from midspan.records.dissect import dissect
from midspan.records.samples import sample

PATH = Path("docs") / "exchange.svg"  # in the course's folder
TITLE = "What a tap sees when a Socket.IO client emits typing_start and waits for the answer"


def exchange_svg() -> str:
    """The SVG text of `docs/exchange.svg`; equal on every machine."""
    return ladder(dissect(sample("socketio")), title=TITLE).svg


def write(course: Path) -> Path:
    """Write the picture into the course's folder and return where it is: what `python -m midspan picture` does."""
    target = course / PATH
    target.parent.mkdir(exist_ok=True)
    target.write_text(exchange_svg(), "utf-8")
    return target
