"""A picture as PNG, for outputs that are stored in a notebook.

Viewers that do not trust a notebook (JupyterLab in a fresh clone, a code host, nbconvert's sanitised HTML) drop SVG or
the styles in it, and show what is left: words without a picture, or black boxes. All of them show a PNG. It is made
with matplotlib's own fonts, never the machine's, so that the same picture gives the same bytes everywhere.
"""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path

from midspan.eyes.palette import MONO, SANS
from midspan.eyes.svg import Picture
from midspan.refusal import Refusal, Words

ZOOM = 2  # pixels of the PNG for a pixel on the page: sharp on dense screens, and when a browser zooms in
COLOURS = 64  # flat drawings have few; the rest is the smoothing of edges. Halves the size
OF_A_THEME = re.compile(r"var\(--[\w-]+, *([^()]*)\)")  # a colour of JupyterLab's theme, and the one to take without it


def png(drawn: Picture) -> tuple[bytes, dict[str, int]]:
    """The picture as PNG, and its size on the page in px, as JupyterLab and nbconvert read it from the metadata.

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
    """The drawing without what only a page knows: the theme's colours, and the fonts of the machine."""
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
