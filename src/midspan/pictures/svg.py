"""SVG elements as text, every word escaped; and one colour and one tag for each protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from midspan.errors import need
from midspan.protocols.capture import Garbage, Partial, Record, TcpEvent
from midspan.protocols.engineio import EnginePacket
from midspan.protocols.http import HttpBody, HttpHead
from midspan.protocols.socketio import Attachment, Reunited, SocketPacket
from midspan.protocols.websocket import CONTROL, Frame, Message

# One colour and one tag for each protocol, the same in every picture.
#
# The colours are those of Okabe and Ito (2008), which differ with every common form of colour blindness. The tag says
# the same in letters, so that the colour is never the only sign. Ink and paper take the colours of JupyterLab's theme
# if there is one.


INK = "var(--jp-content-font-color1, #212121)"
QUIET = "var(--jp-content-font-color2, #616161)"
PAPER = "var(--jp-layout-color0, #ffffff)"
SHADE = "var(--jp-layout-color2, #eeeeee)"
LINE = "var(--jp-border-color1, #bdbdbd)"
MONO = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
SANS = "system-ui, 'DejaVu Sans', 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The look of one protocol. `ink` is legible on `colour`; `dash` is the arrow's pattern, "" for a solid arrow."""

    name: str
    tag: str
    colour: str
    ink: str
    dash: str = ""


TCP = Protocol("TCP", "TCP", "#8a8a8a", "#000000", "2 4")
TLS = Protocol("TLS", "TLS", "#cc79a7", "#000000")
HTTP = Protocol("HTTP", "HTTP", "#e69f00", "#000000")
WEBSOCKET = Protocol("WebSocket", "WS", "#0072b2", "#ffffff")
CONTROL_FRAME = Protocol("WebSocket control frame", "WS", "#0072b2", "#ffffff", "7 4")
ENGINEIO = Protocol("Engine.IO", "EIO", "#56b4e9", "#000000")
SOCKETIO = Protocol("Socket.IO", "SIO", "#009e73", "#000000")
APPLICATION = Protocol("application", "APP", "#f0e442", "#000000")
FAULT = Protocol("fault", "✗", "#d55e00", "#000000", "1 3")

PROTOCOLS = (TCP, TLS, HTTP, WEBSOCKET, ENGINEIO, SOCKETIO, APPLICATION, FAULT)

OF_LAYER: dict[str, Protocol] = {
    "TLS record": TLS,
    "TLS tag": TLS,
    "HTTP head": HTTP,
    "frame header": WEBSOCKET,
    "mask": WEBSOCKET,
    "close code": WEBSOCKET,
    "close reason": WEBSOCKET,
    "Engine.IO": ENGINEIO,
    "separator": ENGINEIO,
    "Socket.IO": SOCKETIO,
    "attachments": SOCKETIO,
    "namespace": SOCKETIO,
    "ack id": SOCKETIO,
    "JSON": APPLICATION,
    "payload": APPLICATION,
}


def of_record(record: Record) -> Protocol:
    """Return the protocol of a record."""
    match record:
        case Partial() | Garbage():
            return FAULT
        case TcpEvent():
            return FAULT if record.kind == "reset" else TCP
        case HttpHead() | HttpBody():
            return HTTP
        case Frame():
            return CONTROL_FRAME if record.opcode & CONTROL else WEBSOCKET
        case EnginePacket():
            return ENGINEIO
        case SocketPacket() | Attachment() | Reunited():
            return SOCKETIO
        case Message():
            return WEBSOCKET
    return APPLICATION


# SVG elements as text. Every word is escaped: received data must never become markup. Nothing is random, so the same
# capture always gives the same bytes.


NOT_XML = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")  # XML 1.0, section 2.2
WIDTH = 900  # px, of every picture
CHARACTER_EM = 0.602  # DejaVu Sans Mono's width; the other monospaced faces in use are a little narrower
TAG_PX = 10


@dataclass(frozen=True, repr=False)
class Picture:
    """A drawing with its text twin. A notebook shows it; `.svg` is a complete SVG file."""

    svg: str
    text: str
    width: float
    height: float

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def picture(self) -> Picture:
        """Return itself, so that it has the methods of `Captioned`."""
        return self

    def html(self) -> str:
        """Return it as inline SVG for a page, since an image could not take the colours of JupyterLab's theme."""
        return f'<div style="max-width:100%;overflow-x:auto">{self.svg}</div>'

    _repr_html_ = html


def picture(width: float, height: float, body: list[str], *, title: str, text: str) -> Picture:
    """Wrap elements into an SVG of `width` x `height` px with its title, description and role (WAI-ARIA `img`)."""
    need(width > 0 and height > 0, "a size above 0 px", (width, height), "Draw something first")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'style="max-width:100%;height:auto;background:{PAPER}">'
    )
    words = [f"<title>{words_of(title)}</title>", f"<desc>{words_of(text)}</desc>"]
    paper = rect(0, 0, width, height, fill=PAPER)
    return Picture("\n".join([head, *words, paper, *body, "</svg>"]) + "\n", text, width, height)


def need_title(title: object) -> None:
    """Refuse a title that is not text."""
    need(isinstance(title, str), "a title, in words", title, "Leave it out for the usual one")


def under(*pictures: Picture, title: str) -> Picture:
    """Put pictures below each other, as one picture."""
    need(len(pictures) > 0, "a picture or more", pictures, "Draw them first: under(ladder(a), ladder(b), title=...)")
    body, y = [], 0.0
    for part in pictures:
        body.append(f'<g transform="translate(0 {y:g})">{part.svg}</g>')
        y += part.height + 10
    text = "\n\n".join(part.text for part in pictures)
    return picture(max(part.width for part in pictures), y, body, title=title, text=text)


def words_of(text: str) -> str:
    """Return `text` as character data: escape markup, and replace what XML cannot contain (control characters)."""
    return escape(NOT_XML.sub("\ufffd", text))


def rect(x: float, y: float, w: float, h: float, *, fill: str, line: str = "none", round_px: float = 0) -> str:
    """A rectangle."""
    corners = f' rx="{round_px:g}"' if round_px else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"{corners} style="fill:{fill};stroke:{line}"/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str, width: float = 1, dash: str = "") -> str:
    """A straight line."""
    dashes = f";stroke-dasharray:{dash}" if dash else ""
    style = f"stroke:{colour};stroke-width:{width:g}{dashes}"
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" style="{style}"/>'


def polygon(points: list[tuple[float, float]], *, fill: str) -> str:
    """A filled polygon."""
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" style="fill:{fill}"/>'


def label(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 13,
    fill: str = INK,
    anchor: str = "start",
    mono: bool = False,
    bold: bool = False,
) -> str:
    """One line of text with its baseline at `y`; `anchor` is "start", "middle" or "end"."""
    weight = ";font-weight:600" if bold else ""
    style = f"font-family:{MONO if mono else SANS};font-size:{size:g}px;fill:{fill}{weight}"
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} xml:space="preserve" style="{style}">{words_of(words)}</text>'


def mono_px(words: str, size: float) -> float:
    """The width of monospaced text; a wide (East Asian) character counts twice."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in words) * size * CHARACTER_EM


def character(byte: int) -> str:
    """A byte as one visible character: itself in ASCII, an open box for a space, a dot for the rest."""
    return chr(byte) if 0x20 < byte < 0x7F else "␣" if byte == 0x20 else "·"


def sans_px(words: str, size: float) -> float:
    """The approximate width of proportional text, to put one label after another."""
    return len(words) * size * 0.56


def chip_px(words: str, size: float = TAG_PX) -> float:
    """The width of a chip."""
    return mono_px(words, size) + 8


def chip(x: float, y: float, protocol: Protocol, words: str = "", *, size: float = TAG_PX) -> tuple[str, float]:
    """The protocol's tag on its colour, with its middle at height `y`; return the element and its width."""
    words = words or protocol.tag
    width = chip_px(words, size)
    box = rect(x, y - size * 0.75, width, size * 1.5, fill=protocol.colour, round_px=3)
    text = label(
        x + width / 2, y + size * 0.36, words, size=size, fill=protocol.ink, anchor="middle", mono=True, bold=True
    )
    return f"<g>{box}{text}</g>", width


def group(elements: list[str], tip: str = "") -> str:
    """Elements that belong together; `tip` is their tooltip."""
    title = f"<title>{words_of(tip)}</title>" if tip else ""
    return f"<g>{title}{''.join(elements)}</g>"
