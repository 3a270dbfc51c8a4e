"""The anatomy of a frame, bit by bit: RFC 6455, section 5.2, with the values of one captured frame in it.

The first two bytes as sixteen bits under their names, then the longer length if there is one, the masking key, and the
payload with the XOR that masks it.
"""

from __future__ import annotations

from midspan.arguments import checked
from midspan.eyes.palette import APPLICATION, INK, LINE, QUIET, SHADE, WEBSOCKET
from midspan.eyes.svg import Picture, character, label, line, need_title, picture, rect
from midspan.records.frames import OPCODES, Frame
from midspan.records.record import count
from midspan.refusal import need

WIDTH = 900
LEFT, BIT_PX = 34.0, 52.0
BYTE_PX = 50.0
MOST_BYTES = 14  # of the payload, one column each

# RFC 6455, section 5.2: name, how many bits, where the first one stands
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


@checked
def meanings(frame: Frame) -> dict[str, str]:
    """What each field of the first two bytes says in this frame."""
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
    """Sixteen bits under their positions, framed by field."""
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
    """The fields that follow the first two bytes."""
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
    """The payload's first bytes: on the wire, the key over them, and in the clear."""
    start = len(frame.raw) - len(frame.payload)
    wire, clear = frame.raw[start:][:MOST_BYTES], frame.payload[:MOST_BYTES]
    key = (frame.mask_key * MOST_BYTES)[: len(clear)]
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
            elements.append(label(LEFT + 96 + MOST_BYTES * BYTE_PX, y + 18, f"... +{left}", size=12, fill=QUIET))
        y += 28
    return elements, y + 10


def _hex(data: bytes) -> list[str]:
    return [f"{byte:02x}" for byte in data]


def _text(frame: Frame) -> list[str]:
    """The text twin. The key, and what depends on it, is left out: it differs on each run."""
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
