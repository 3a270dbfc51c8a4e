"""The functions that show each kind of record in a notebook: as a picture, a picture with words, or HTML."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from midspan.errors import Refusal, Words, checked
from midspan.experiments.page import Page
from midspan.pictures.excerpts import deciding_message, finding
from midspan.pictures.frames import stack as draw_stack
from midspan.pictures.ladders import MOST_ARROWS, ladder
from midspan.pictures.runs import MOST_STEPS, run_ladder
from midspan.pictures.svg import (
    FAULT,
    INK,
    LINE,
    MONO,
    QUIET,
    SANS,
    SOCKETIO,
    Picture,
    label,
    mono_px,
    picture,
    rect,
    sans_px,
)
from midspan.protocols.capture import shortened
from midspan.protocols.exchange import Exchange, Sighting
from midspan.protocols.http import HttpHead
from midspan.protocols.layering import Stack
from midspan.simulation.run_report import Ladder, RunReport
from midspan.simulation.shrinking import Counterexample

# A picture as PNG, for outputs that are stored in a notebook.
#
# Viewers that do not trust a notebook (JupyterLab in a fresh clone, a code host, nbconvert's sanitised HTML) remove SVG
# or its styles. They then show words without a picture, or black boxes. All of them show a PNG. We draw it with
# matplotlib's fonts, never the machine's, so that the same picture gives the same bytes everywhere.


ZOOM = 2  # pixels of the PNG for a pixel on the page, for dense screens and for zooming
COLOURS = 64  # flat drawings have few colours, the rest smooths edges; this halves the size
OF_A_THEME = re.compile(r"var\(--[\w-]+, *([^()]*)\)")  # a colour of JupyterLab's theme, and the one without a theme


def png(drawn: Picture) -> tuple[bytes, dict[str, int]]:
    """Return the picture as PNG, and its size on the page in px, which JupyterLab and nbconvert read from the metadata.

    Raises:
        Refusal: resvg is not installed (it comes with the `teach` extra).
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        wanted = "resvg, which draws the pictures that are stored"
        raise Refusal(wanted, Words("no module resvg_py"), "Run `make study` once, or install midspan[teach]") from None
    raw = svg_to_bytes(svg_string=_plain(drawn.svg), skip_system_fonts=True, font_files=_fonts(), zoom=ZOOM)
    return _smaller(raw), {"width": round(drawn.width), "height": round(drawn.height)}


def _plain(svg: str) -> str:
    """Replace what only a web page has: the theme's colours, and the fonts of the machine."""
    return OF_A_THEME.sub(r"\1", svg).replace(SANS, "'DejaVu Sans'").replace(MONO, "'DejaVu Sans Mono'")


@cache
def _fonts() -> list[str]:
    import matplotlib

    folder = Path(matplotlib.get_data_path(), "fonts/ttf")
    return [str(folder / f"DejaVuSans{kind}.ttf") for kind in ("", "-Bold", "Mono", "Mono-Bold")]


def _smaller(raw: bytes) -> bytes:
    from PIL import Image

    image = Image.open(io.BytesIO(raw)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


# Words around a drawing: as HTML, so that they can be copied; or drawn, for a viewer that shows only pictures.


MARGIN, LINE_PX, SIZE, MONO_SIZE = 16.0, 20.0, 13.0, 11.5


@dataclass(frozen=True)
class Caption:
    """One paragraph: a sign with its colour ("" for none), the bold words, the other words; `mono` for code."""

    words: str
    bold: str = ""
    sign: str = ""
    colour: str = INK
    mono: bool = False

    def html(self) -> str:
        """Return the paragraph as HTML."""
        sign = f'<b style="color:{self.colour}">{escape(self.sign)}</b> ' if self.sign else ""
        bold = f"<b>{escape(self.bold)}</b> " if self.bold else ""
        words = escape(self.words)
        if self.mono:
            words = f'<span style="font-family:{MONO};font-size:12.5px">{words}</span>'
        return f"<div>{sign}{bold}{words}</div>"

    def lines(self, width: float) -> list[str]:
        """Break the paragraph into lines of `width` px."""
        size = MONO_SIZE if self.mono else SIZE
        character = mono_px("m", size) if self.mono else sans_px("m", size)
        text = f"{self.bold} {self.words}" if self.bold else self.words
        return textwrap.wrap(text, int(width / character)) or [""]


@dataclass(frozen=True)
class Captioned:
    """A drawing with words above and below it.

    Args:
        text: all of it in words; its first line is the finding.
        name: what it is, for a screen reader.
        mark: the colour of a bar along its left side; "" for none.
    """

    drawn: Picture
    above: Sequence[Caption]
    below: Sequence[Caption]
    text: str
    name: str = "a run"
    mark: str = ""

    def html(self) -> str:
        """Return it for a page: the words as text, the drawing between them."""
        above, below = ("".join(each.html() for each in words) for words in (self.above, self.below))
        bar = f"border-left:5px solid {self.mark};padding:4px 12px;" if self.mark else ""
        opening = f'<div role="group" aria-label="{escape(self.name)}" style="{bar}color:{INK};line-height:1.5">'
        return f"{opening}{above}{self.drawn.html()}{below}</div>"

    def picture(self) -> Picture:
        """Return it for a viewer that shows only pictures: all of it drawn."""
        top, above = self._drawn(self.above, 8)
        bottom, below = self._drawn(self.below, top + 8 + self.drawn.height)
        body = [*above, f'<g transform="translate(0 {top + 8:g})">{self.drawn.svg}</g>', *below]
        if self.mark:
            body.append(rect(0, 0, 5, bottom + 8, fill=self.mark))
        return picture(self.drawn.width, bottom + 8, body, title=self.text.splitlines()[0], text=self.text)

    def _drawn(self, captions: Sequence[Caption], y: float) -> tuple[float, list[str]]:
        """Return the height at which the words end, and their elements."""
        body: list[str] = []
        for each in captions:
            left = MARGIN + (20 if each.sign else 0)
            if each.sign:
                body.append(label(MARGIN, y + 15, each.sign, fill=each.colour, bold=True))
            size = MONO_SIZE if each.mono else SIZE
            for words in each.lines(self.drawn.width - left - MARGIN):
                body.append(label(left, y + 15, words, size=size, mono=each.mono))
                y += LINE_PX
        return y, body


# The live page inside a notebook. The browser may run on another machine. So the frame first asks the Jupyter server
# (jupyter-server-proxy), and uses the address on this machine if that does not lead to the page.


HEIGHT_PX = 620
FIND = """(async () => {
  const frame = document.getElementById("%(id)s");
  const config = document.getElementById("jupyter-config-data");
  const proxied = config && JSON.parse(config.textContent).baseUrl + "%(proxied)s";
  const good = answer => answer.ok || answer.type === "opaque";
  const answers = (address, how) => fetch(address, how).then(good, () => false);
  const found = proxied && await answers(proxied) ? proxied : await answers("%(url)s", {mode: "no-cors"}) && "%(url)s";
  if (found) { frame.removeAttribute("srcdoc"); frame.src = found; }
})()"""
EMPTY = "<p style='font-family:sans-serif;color:gray'>The page opens here when the cell has run on your machine.</p>"


@checked
def browser(page: Page) -> str:
    """Return an HTML frame with the page, and its words and address below.

    Raises:
        Refusal: not a page.
    """
    name = f"midspan-page-{page.port}"
    script = FIND % {"id": name, "proxied": page.proxied, "url": page.url}
    box = f"width:100%;height:{HEIGHT_PX}px;border:1px solid {LINE}"
    frame = f'<iframe id="{name}" title="the live page" style="{box}" srcdoc="{EMPTY}">'
    link = f'<a href="{page.url}" target="_blank" rel="noreferrer">in a tab of its own</a>'
    words = "<br>".join(escape(line) for line in str(page).splitlines())
    style = f"font-family:{SANS};font-size:13px;color:{INK}"
    return f'<div style="{style}">{frame}</iframe><div>{words} {link}</div><script>{script}</script></div>'


# The functions that `pictures.register` names to IPython. None means that the notebook shows the text only.


TITLE_CHARACTERS = 96  # of a bold title in a picture's width
SIGNS = {"holds": ("✓", SOCKETIO.colour), "violated": ("✗", FAULT.colour), "vacuous": ("○", QUIET)}


def drawing(seen: Picture) -> Picture:
    """Return the picture itself."""
    return seen


def exchange(seen: Exchange) -> Picture | None:
    """Draw a ladder, unless it would be very long."""
    return ladder(seen) if len(seen) <= MOST_ARROWS else None


def sighting(seen: Sighting) -> Picture:
    """Draw a ladder with one arrow."""
    return ladder(Exchange((seen,)))


def stack_picture(seen: Stack) -> Picture | None:
    """Draw the layers."""
    return draw_stack(seen) if len(seen) else None


def head_lines(seen: HttpHead) -> str:
    """Show all lines of an HTTP head; what differs on each run is replaced, as in the text."""
    return f'<pre style="font-family:{MONO};font-size:12.5px;margin:0">{escape(seen.text())}</pre>'


def ladder_picture(seen: Ladder) -> Picture | None:
    """Draw the lanes, unless they would be very long."""
    return run_ladder(seen) if len(seen.steps) <= MOST_STEPS else None


def run_report_picture(seen: RunReport) -> Captioned | None:
    """Draw the lanes, with each verdict below them. The title says what was violated, in words."""
    if len(seen.ladder.steps) > MOST_STEPS:
        return None
    judged = ", ".join(f"{name}: {one.outcome}" for name, one in seen.verdicts.items())
    title = finding(seen.violated.values()) or judged
    verdicts = [
        Caption(one.reason, f"{name}: {one.outcome}.", *SIGNS[one.outcome]) for name, one in seen.verdicts.items()
    ]
    decides = deciding_message(seen.history, title) if seen.violated else ""
    drawn = run_ladder(seen.ladder, title=shortened(title, TITLE_CHARACTERS), deciding=decides)
    return Captioned(drawn, (), verdicts, str(seen))


def counterexample_picture(seen: Counterexample) -> Captioned | None:
    """Draw the reason in one sentence, the smallest schedule, its lanes, and the line that plays it again."""
    if len(seen.ladder.steps) > MOST_STEPS:
        return None
    drawn = run_ladder(seen.ladder, deciding=deciding_message(seen.history, seen.reason))
    above = [
        Caption(seen.reason, f"{seen.predicate} is violated.", *SIGNS["violated"]),
        Caption(f"Smallest schedule: {seen.schedule}"),
    ]
    again = [Caption(seen.replay, "Again:", mono=True)]
    return Captioned(drawn, above, again, str(seen), name="a counterexample", mark=FAULT.colour)
