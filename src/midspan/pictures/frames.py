"""A frame bit by bit (RFC 6455, section 5.2), and one message as layered bytes."""

from __future__ import annotations

from collections.abc import Iterator

from midspan.errors import need
from midspan.pictures.svg import (
    APPLICATION,
    INK,
    LINE,
    OF_LAYER,
    QUIET,
    SHADE,
    WEBSOCKET,
    WIDTH,
    Picture,
    Protocol,
    character,
    group,
    label,
    line,
    need_title,
    picture,
    rect,
    sans_px,
)
from midspan.protocols.capture import count, shortened
from midspan.protocols.exchange import Sighting
from midspan.protocols.layering import Layer, Stack, layers
from midspan.protocols.websocket import OPCODES, Frame

# A frame bit by bit (RFC 6455, section 5.2): the first two bytes as sixteen bits below their names, then the extended
# length if there is one, the masking key, and the payload with the XOR that masks it.


LEFT, BIT_PX = 34.0, 52.0
BYTE_PX = 50.0
PAYLOAD_COLUMNS = 14  # bytes of the payload, one in each column

# RFC 6455, section 5.2: name, number of bits
FIELDS = (("FIN", 1), ("RSV1", 1), ("RSV2", 1), ("RSV3", 1), ("opcode", 4), ("MASK", 1), ("payload len", 7))


def anatomy(frame: Frame, *, title: str = "") -> Picture:
    """Draw one frame.

    Raises:
        Refusal: not a frame.
    """
    need_title(title)
    need(isinstance(frame, Frame), "a frame", frame, "Pass one of exchange.frames()[i].record, or Frame.parse(data)[0]")
    finding = title or f"The bits of {frame.words('masked' if frame.masked else '')}"
    body = [label(LEFT, 18, finding, size=15, bold=True), *_first_bits(frame, 42)]
    y = 158.0
    for name, data, says in _numbers(frame):
        body += _row(name, data, says, y)
        y += 58
    if frame.payload:
        columns, y = _payload(frame, y)
        body += columns
    return picture(WIDTH, y, body, title=finding, text="\n".join(_text(frame)))


def meanings(frame: Frame) -> dict[str, str]:
    """Say what each field of the first two bytes means in this frame."""
    length = frame.header[1] & 0x7F
    lengths = {126: "126: the next 2 bytes", 127: "127: the next 8 bytes"}
    says = OPCODES.get(frame.opcode, ("", "reserved for further frames"))[1].removeprefix("denotes a ")
    return {
        "FIN": "final" if frame.fin else "not final",
        "RSV1": "deflate" if frame.rsv1 else "",
        "RSV2": "",
        "RSV3": "",
        "opcode": f"{frame.opcode:#x}: {says}",
        "MASK": "masked" if frame.masked else "not",
        "payload len": lengths.get(length, count(length, "byte")),
    }


def _first_bits(frame: Frame, y: float) -> list[str]:
    """Draw sixteen bits below their positions, with a frame around each field."""
    bits = f"{frame.header[0]:08b}{frame.header[1]:08b}"
    elements = [
        label(LEFT + (i + 0.5) * BIT_PX, y, str(i % 8), size=11, fill=QUIET, anchor="middle") for i in range(16)
    ]
    at, says = 0, meanings(frame)
    for number, (name, width) in enumerate(FIELDS):
        x, w = LEFT + at * BIT_PX, width * BIT_PX
        elements.append(rect(x, y + 8, w - 2, 36, fill=WEBSOCKET.colour if number % 2 == 0 else SHADE, line=LINE))
        ink = WEBSOCKET.ink if number % 2 == 0 else INK
        middles = [LEFT + (at + i + 0.5) * BIT_PX for i in range(width)]
        elements += [
            label(middle - 1, y + 32, bits[at + i], size=18, fill=ink, anchor="middle", mono=True, bold=True)
            for i, middle in enumerate(middles)
        ]
        elements.append(label(x + w / 2, y + 61, name, size=12.5, anchor="middle", bold=True))
        elements.append(label(x + w / 2, y + 78, says[name], size=12, fill=QUIET, anchor="middle"))
        at += width
    for byte in (0, 1):
        x = LEFT + byte * 8 * BIT_PX
        words = f"byte {byte}: {frame.header[byte]:#04x}"
        elements.append(line(x, y + 100, x + 8 * BIT_PX - 6, y + 100, colour=LINE))
        elements.append(label(x + 4 * BIT_PX, y + 97, words, size=12, fill=QUIET, anchor="middle", mono=True))
    return elements


def _numbers(frame: Frame) -> list[tuple[str, bytes, str]]:
    """Return the fields after the first two bytes."""
    extended = frame.header[2:]
    bits = len(extended) * 8
    length = [("extended payload length", extended, f"{bits} bits, big-endian: {count(len(frame.payload), 'byte')}")]
    key = [("masking key", frame.mask_key, "32 bits drawn at random for this frame alone")]
    return (length if extended else []) + (key if frame.masked else [])


def _row(name: str, data: bytes, says: str, y: float) -> list[str]:
    elements = [label(LEFT, y, name, size=12.5, bold=True)]
    for i, byte in enumerate(data):
        x = LEFT + i * BYTE_PX
        elements.append(rect(x, y + 6, BYTE_PX - 2, 26, fill=WEBSOCKET.colour))
        middle = x + BYTE_PX / 2 - 1
        elements.append(label(middle, y + 24, f"{byte:02x}", size=14, fill=WEBSOCKET.ink, anchor="middle", mono=True))
    return [*elements, label(LEFT + len(data) * BYTE_PX + 10, y + 24, says, size=12.5, fill=QUIET)]


def _payload(frame: Frame, y: float) -> tuple[list[str], float]:
    """Draw the payload's first bytes: as on the wire, the key, and unmasked."""
    start = len(frame.raw) - len(frame.payload)
    wire, clear = frame.raw[start:][:PAYLOAD_COLUMNS], frame.payload[:PAYLOAD_COLUMNS]
    key = (frame.mask_key * PAYLOAD_COLUMNS)[: len(clear)]
    texts = [character(byte) for byte in clear]
    rows = [("on the wire", _hex(wire)), ("XOR key", _hex(key)), ("payload", _hex(clear)), ("as text", texts)]
    rows = rows if frame.masked else rows[2:]
    left = len(frame.payload) - len(clear)
    elements = [label(LEFT, y, f"payload, {count(len(frame.payload), 'byte')}", size=12.5, bold=True)]
    y += 6
    for name, values in rows:
        elements.append(label(LEFT, y + 18, name, size=12, fill=QUIET))
        for i, value in enumerate(values):
            x, clear_row = LEFT + 90 + i * BYTE_PX, name in ("payload", "as text")
            elements.append(rect(x, y, BYTE_PX - 2, 26, fill=APPLICATION.colour if clear_row else SHADE))
            ink = APPLICATION.ink if clear_row else INK
            elements.append(label(x + BYTE_PX / 2 - 1, y + 18, value, size=14, fill=ink, anchor="middle", mono=True))
        if left:
            elements.append(label(LEFT + 96 + PAYLOAD_COLUMNS * BYTE_PX, y + 18, f"... +{left}", size=12, fill=QUIET))
        y += 28
    return elements, y + 10


def _hex(data: bytes) -> list[str]:
    return [f"{byte:02x}" for byte in data]


def _text(frame: Frame) -> list[str]:
    """Write the text twin, without the key and what depends on it, since the key differs on each run."""
    says, at = meanings(frame), 0
    bits = f"{frame.header[0]:08b}{frame.header[1]:08b}"
    lines = []
    for name, width in FIELDS:
        lines.append(f"{name:<24}{bits[at : at + width]:<9}{says[name]}".rstrip())
        at += width
    if len(frame.header) > 2:
        lines.append(f"{'extended payload length':<24}{frame.header[2:].hex(' ')}  {count(len(frame.payload), 'byte')}")
    if frame.masked:
        lines.append(f"{'masking key':<24}?? ?? ?? ??")
    return [*lines, f"{'payload':<24}{frame.carries}".rstrip()]


# One message as layered bytes: a bar for each layer, as wide as its content, then every byte in its layer's colour.
#
# The solid part of a bar is the layer's own bytes, the pale part what it carries. Below, each byte is shown as text, in
# hexadecimal, and, if a client has masked it, as it was inside the TLS record.


NAMES_PX = 190.0  # the column with the layers' names
BAR_PX = 24.0
CELL_PX, PER_ROW = 26.0, 32
MARGIN_PX = 60.0  # left of the bytes: the names of the lines
CELLS_AT_MOST = 192  # shown one by one; the middle of a longer message is left out
SIZE = 12.5  # px of a byte
LEAST_PX = 3.0  # a header of 2 bytes before 64 KiB must be visible


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
    """Draw a row for each layer: its number, name and size, then its bar."""
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
    """Write the words of a layer: right of its own bytes, else on them, else left of them, where there is most room."""
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
    """Yield each layer with its first position, and the end of all that it contains."""
    starts = [sum(len(layer.data) for layer in cut[:i]) for i in range(len(cut) + 1)]
    for i, layer in enumerate(cut):
        after = (j for j in range(i + 1, len(cut)) if cut[j].depth <= layer.depth and layer.name != "TLS record")
        yield layer, starts[i], starts[next(after, len(cut))]


def _cells(cut: Stack, y: float) -> tuple[list[str], float]:
    """Draw every byte, 32 in a row; the layer's number is above its first byte."""
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
    """Return which bytes of a layer are drawn; -1 stands for the bytes left out of the middle of a long layer."""
    every = list(range(len(layer.data)))
    long = size_bytes > CELLS_AT_MOST and len(every) > 2 * PER_ROW
    return [*every[: PER_ROW - 8], -1, *every[-7:]] if long else every


def _cell(x: float, y: float, layer: Layer, i: int, number: str) -> str:
    """Draw one byte as text, in hexadecimal, and as it was masked; or three dots for bytes left out."""
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
