"""Words around a drawing: as HTML, where they can be copied, and drawn with it, for a picture that stands alone."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from midspan.eyes.palette import INK, MONO
from midspan.eyes.svg import Picture, label, mono_px, picture, rect, sans_px

MARGIN, LINE_PX, SIZE, MONO_SIZE = 16.0, 20.0, 13.0, 11.5


@dataclass(frozen=True)
class Caption:
    """One paragraph: a sign with its colour ("" for none), what is bold, the rest; `mono` for what is code."""

    words: str
    bold: str = ""
    sign: str = ""
    colour: str = INK
    mono: bool = False

    def html(self) -> str:
        """The paragraph in a page."""
        sign = f'<b style="color:{self.colour}">{escape(self.sign)}</b> ' if self.sign else ""
        bold = f"<b>{escape(self.bold)}</b> " if self.bold else ""
        words = escape(self.words)
        if self.mono:
            words = f'<span style="font-family:{MONO};font-size:12.5px">{words}</span>'
        return f"<div>{sign}{bold}{words}</div>"

    def lines(self, width: float) -> list[str]:
        """The paragraph in lines of `width` px."""
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
        """For a page: the words as text, the drawing between them."""
        above, below = ("".join(each.html() for each in words) for words in (self.above, self.below))
        bar = f"border-left:5px solid {self.mark};padding:4px 12px;" if self.mark else ""
        opening = f'<div role="group" aria-label="{escape(self.name)}" style="{bar}color:{INK};line-height:1.5">'
        return f"{opening}{above}{self.drawn.html()}{below}</div>"

    def picture(self) -> Picture:
        """For a viewer that shows pictures alone: all of it drawn."""
        top, above = self._drawn(self.above, 8)
        bottom, below = self._drawn(self.below, top + 8 + self.drawn.height)
        body = [*above, f'<g transform="translate(0 {top + 8:g})">{self.drawn.svg}</g>', *below]
        if self.mark:
            body.append(rect(0, 0, 5, bottom + 8, fill=self.mark))
        return picture(self.drawn.width, bottom + 8, body, title=self.text.splitlines()[0], text=self.text)

    def _drawn(self, captions: Sequence[Caption], y: float) -> tuple[float, list[str]]:
        """Where the words end, and their elements."""
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
