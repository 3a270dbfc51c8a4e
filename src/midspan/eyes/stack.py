"""One message as layered bytes: a bar for each layer as wide as what it holds, then every byte in its layer's colour.

A bar's solid part is the layer's own bytes, the pale part what it carries. Below, each byte stands as text, in
hexadecimal, and, where a client has masked it, as it really was inside the TLS record.
"""

from __future__ import annotations

from collections.abc import Iterator

from midspan.eyes.palette import INK, LINE, OF_LAYER, QUIET, Protocol
from midspan.eyes.svg import Picture, character, group, label, line, need_title, picture, rect, sans_px
from midspan.records.exchange import Sighting
from midspan.records.frames import Frame
from midspan.records.layers import Layer, Stack, layers
from midspan.records.record import count, shortened
from midspan.refusal import need

WIDTH = 900
NAMES_PX = 190.0  # the column with the layers' names
BAR_PX = 24.0
CELL_PX, PER_ROW = 26.0, 32
MARGIN_PX = 60.0  # left of the bytes: what each line of them shows
MOST_BYTES = 192  # shown one by one; the middle of a longer message is left out
SIZE = 12.5  # px of a byte
LEAST_PX = 3.0  # a header of 2 bytes before 64 KiB must still be seen


def stack(seen: Stack | Sighting | Frame, *, title: str = "") -> Picture:
    """Draw the layers of one message.

    Args:
        seen: what `layers()` returns, or what it accepts: a sighting of a frame or an HTTP message, or a frame.
        title: what the picture shows; the finding, if there is one.

    Raises:
        Refusal: anything else.
    """
    cut = seen if isinstance(seen, Stack) else layers(seen)
    need_title(title)
    need(len(cut) > 0, "a stack with a layer", cut, "Cut a frame or an HTTP message")
    finding = title or f"{count(cut.size_bytes, 'byte')} in {count(len(cut), 'layer')}"
    bars, y = _bars(cut, 30)
    cells, height = _cells(cut, y + 26)
    heading = label(8, 18, finding, size=15, bold=True)
    return picture(WIDTH, height, [heading, *bars, *cells], title=finding, text=cut.text())


def _bars(cut: Stack, y: float) -> tuple[list[str], float]:
    """A row for each layer: its number, name and size, then its bar."""
    scale = (WIDTH - NAMES_PX - 12) / max(cut.size_bytes, 1)
    elements: list[str] = []
    for number, (layer, start, end) in enumerate(_spans(cut), 1):
        protocol = OF_LAYER[layer.name]
        x, own = NAMES_PX + start * scale, max(len(layer.data) * scale, LEAST_PX)
        pale = rect(x, y, max((end - start) * scale, own), BAR_PX - 5, fill=protocol.colour)
        row = [
            f'<g style="opacity:0.22">{pale}</g>',
            rect(x, y, own, BAR_PX - 5, fill=protocol.colour),
            label(12, y + 14, f"{number} {layer.name}", size=12.5, bold=True),
            label(NAMES_PX - 10, y + 14, count(len(layer.data), "byte"), size=12, fill=QUIET, anchor="end"),
            *_says(layer, protocol, x, own, y + 14),
        ]
        elements.append(group(row, f"{layer.name}: {layer.says}"))
        y += BAR_PX
    total = label(12, y + 14, "in all", size=12.5, fill=QUIET)
    size = label(NAMES_PX - 10, y + 14, count(cut.size_bytes, "byte"), size=12, fill=QUIET, anchor="end")
    return [*elements, line(12, y, WIDTH - 12, y, colour=LINE), total, size], y + BAR_PX


def _says(layer: Layer, protocol: Protocol, x: float, own: float, y: float) -> list[str]:
    """What the layer says: right of its own bytes, else on them, else left of them, where there is the most room."""
    right, left = WIDTH - 12 - x - own, x - NAMES_PX
    places = [
        (right, x + own + 6, "start", INK),
        (own, x + 6, "start", protocol.ink),
        (left, x - 6, "end", QUIET),
    ]
    needed = sans_px(layer.says, 12) + 10
    room, at, anchor, fill = next((p for p in places if p[0] >= needed), max(places))
    fitting = int((room - 10) / (12 * 0.56))
    words = layer.says if needed <= room else shortened(layer.says, fitting) if fitting > 20 else ""
    return [label(at, y, words, size=12, fill=fill, anchor=anchor)] if words else []


def _spans(cut: Stack) -> Iterator[tuple[Layer, int, int]]:
    """Each layer with the place where it begins, and where all that it holds ends."""
    starts = [sum(len(layer.data) for layer in cut[:i]) for i in range(len(cut) + 1)]
    for i, layer in enumerate(cut):
        after = (j for j in range(i + 1, len(cut)) if cut[j].depth <= layer.depth and layer.name != "TLS record")
        yield layer, starts[i], starts[next(after, len(cut))]


def _cells(cut: Stack, y: float) -> tuple[list[str], float]:
    """Every byte, 32 a row; the layer's number stands above its first byte."""
    cells = [(str(n), layer, i) for n, layer in enumerate(cut, 1) for i in _shown(layer, cut.size_bytes)]
    elements: list[str] = []
    for at in range(0, len(cells), PER_ROW):
        row = cells[at : at + PER_ROW]
        masked = any(layer.wire != layer.data for _, layer, _ in row)
        names = ["text", "hex", *(["masked"] if masked else [])]
        elements += [label(8, y + 13 + 15 * i, name, size=11, fill=QUIET) for i, name in enumerate(names)]
        for column, (number, layer, i) in enumerate(row):
            begins = column == 0 or row[column - 1][0] != number
            elements.append(_cell(MARGIN_PX + column * CELL_PX, y, layer, i, number if begins else ""))
        y += 62.0 if masked else 47.0
    return elements, y


def _shown(layer: Layer, size_bytes: int) -> list[int]:
    """Which of a layer's bytes are drawn; -1 stands for those left out of the middle of a long layer."""
    every = list(range(len(layer.data)))
    long = size_bytes > MOST_BYTES and len(every) > 2 * PER_ROW
    return [*every[: PER_ROW - 8], -1, *every[-7:]] if long else every


def _cell(x: float, y: float, layer: Layer, i: int, number: str) -> str:
    """One byte: as text, in hexadecimal, and as it was masked; or three dots for those left out."""
    protocol, middle = OF_LAYER[layer.name], x + CELL_PX / 2 - 0.5
    byte, wire = layer.data[i], layer.wire[i]
    texts = [(13.0, "...")] if i < 0 else [(13.0, character(byte)), (28.0, f"{byte:02x}")]
    elements = [rect(x, y, CELL_PX - 1, 32, fill=protocol.colour)]
    elements += [
        label(middle, y + down, words, size=SIZE, fill=protocol.ink, anchor="middle", mono=True)
        for down, words in texts
    ]
    if i >= 0 and wire != byte:
        elements.append(label(middle, y + 43, f"{wire:02x}", size=SIZE - 1, fill=QUIET, anchor="middle", mono=True))
    if number:
        elements.append(label(x + 1, y - 2, number, size=10, bold=True))
    left = len(layer.data) - PER_ROW + 1
    tip = f"{count(left, 'byte')} left out" if i < 0 else f"byte {i + 1} of {len(layer.data)}, {byte:#04x} = {byte}"
    return group(elements, f"{layer.name}: {tip}")
