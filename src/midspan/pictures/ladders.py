"""An exchange as a ladder: time runs down; each record is an arrow with its label, in the colour of its protocol.

The client is on the left, the server on the right. The tap is in the middle: it sees what passes, and is no end.
"""

from __future__ import annotations

from typing import NamedTuple

from midspan.errors import need
from midspan.pictures.svg import (
    APPLICATION,
    CONTROL_FRAME,
    ENGINEIO,
    FAULT,
    INK,
    LINE,
    PAPER,
    PROTOCOLS,
    QUIET,
    SHADE,
    SOCKETIO,
    TCP,
    WEBSOCKET,
    WIDTH,
    Picture,
    Protocol,
    chip,
    chip_px,
    group,
    label,
    line,
    mono_px,
    need_title,
    of_record,
    picture,
    polygon,
    rect,
    sans_px,
)
from midspan.protocols.capture import Record, TcpEvent, count, shortened
from midspan.protocols.exchange import Exchange, Sighting
from midspan.protocols.http import HttpBody

CLIENT, SERVER = 60.0, 840.0
TIMES_PX = 70.0  # the room that time labels take on the left
HEAD_PX = 30.0  # down to the lower edge of the names; a title is above them
TITLE_PX = 24.0
SIZE = 12.5  # px of the labels
ROW_PX = 19.0  # a line of a label
ARROW_PX = 14.0  # from the last line of a label to the arrow, and again to the next label
LEGEND = {"fault": "fault, or incomplete", "WebSocket": "WebSocket (dashed: control frame)"}
MOST_ROWS = 6
MOST_ARROWS = 200  # a table is better for a longer one


def ladder(exchange: Exchange, *, times: bool = False, title: str = "") -> Picture:
    """Draw an exchange.

    Args:
        exchange: what to draw, 200 sightings at most; take a slice or `.of(connection)` of a longer one.
        times: write the seconds since the tap was opened beside each arrow (they differ on each run).
        title: what the picture shows; the finding, if there is one.

    Raises:
        Refusal: not an exchange, or a longer one.
    """
    need_title(title)
    need(isinstance(exchange, Exchange), "an exchange", exchange, "Pass what dissect(capture) returns")
    need(len(exchange) <= MOST_ARROWS, f"{MOST_ARROWS} sightings at most", len(exchange), "Draw a slice: exchange[:40]")
    drawing = _Ladder(exchange, times, top=HEAD_PX + (TITLE_PX if title else 0))
    body, bottom = drawing.arrows()
    used = [protocol for protocol in PROTOCOLS if protocol in drawing.used]
    legend, height = _legend(used, bottom + 8)
    drawn = [*drawing.lifelines(bottom - 12), *body, *drawing.heads(title), *legend]
    finding = title or f"{count(len(exchange), 'record')} between client and server"
    return picture(WIDTH, height, drawn, title=finding, text=_text(exchange, times))


class ArrowPart(NamedTuple):
    """A part of a label: a tag on its colour, then words."""

    protocol: Protocol
    tag: str
    words: str

    @property
    def width(self) -> float:
        """Its width in px with the gap to the next one."""
        return chip_px(self.tag) + (mono_px(self.words, SIZE) + 17 if self.words else 6)


class _Ladder:
    """The drawing while it grows downwards."""

    def __init__(self, exchange: Exchange, times: bool, top: float) -> None:
        self.exchange, self.times, self.top = exchange, times, top
        self.client = CLIENT + (TIMES_PX if times else 0)
        self.tap = (self.client + SERVER) / 2
        self.several = len(exchange.connections) > 1
        self.used: set[Protocol] = set()

    def heads(self, title: str) -> list[str]:
        """The names on top, and the title."""
        ends = [(self.client, "client"), (self.tap, "tap"), (SERVER, "server")]
        boxes = [rect(x - 38, self.top - 24, 76, 22, fill=SHADE, line=LINE, round_px=4) for x, _ in ends]
        names = [label(x, self.top - 8.5, name, anchor="middle", bold=True) for x, name in ends]
        return [*boxes, *names, label(self.client - 38, 18, title, size=15, bold=True)]

    def lifelines(self, bottom: float) -> list[str]:
        """Draw three vertical lines; the tap's line is dotted, since no message begins or ends there."""
        ends = [line(x, self.top, x, bottom, colour=QUIET, width=1.5) for x in (self.client, SERVER)]
        return [*ends, line(self.tap, self.top, self.tap, bottom, colour=LINE, dash="2 4")]

    def arrows(self) -> tuple[list[str], float]:
        """Draw all arrows with their labels; return also the height at which they end."""
        drawn, y = [], self.top + 22
        for seen in self.exchange:
            elements, y = self.arrow(seen, y)
            drawn.append(group(elements, self.exchange.hidden(str(seen))))
        return drawn or [label(self.tap, y, "nothing seen", anchor="middle", fill=QUIET)], y

    def arrow(self, seen: Sighting, y: float) -> tuple[list[str], float]:
        """Draw one record: the rows of its label, then its arrow."""
        rows = self.rows(seen)
        elements = []
        for row in rows:
            elements += self.row(row, y)
            y += ROW_PX
        y += ARROW_PX - ROW_PX
        elements += self.shaft(seen, y)
        return elements, y + ARROW_PX + 6

    def rows(self, seen: Sighting) -> list[list[ArrowPart]]:
        """Break the label into rows; shorten a piece in the middle if it is too long for a row."""
        room = SERVER - self.client - 24
        rows: list[list[ArrowPart]] = [[]]
        left = room
        pieces = self.pieces(seen)
        for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
            together = piece.protocol is ENGINEIO and after is not None and after.protocol is SOCKETIO
            wanted = piece.width + (after.width if together and after else 0)  # a packet and what it carries
            if min(wanted, room) > left and rows[-1]:
                rows.append([])
                left = room
            spare = int((left - piece._replace(words="").width) / mono_px("x", SIZE))
            rows[-1].append(piece._replace(words=shortened(piece.words, max(spare, 12))))
            left -= min(piece.width, left)
        if len(rows) <= MOST_ROWS:
            return rows
        more = sum(map(len, rows[MOST_ROWS - 1 :]))
        return [*rows[: MOST_ROWS - 1], [ArrowPart(APPLICATION, "...", f"{count(more, 'record')} more: see the text")]]

    def pieces(self, seen: Sighting) -> list[ArrowPart]:
        """Return a piece for each record, outermost first; before them the connection's number if there are several."""
        records, words = [seen.record, *seen.inside], list(map(self.exchange.hidden, seen.parts))
        if seen.inside and isinstance(seen.inside[0], HttpBody):  # a head and its body are one HTTP message
            records[:2], words[:2] = records[:1], [", ".join(words[:2])]
        found = [ArrowPart(of_record(r), of_record(r).tag, w) for r, w in zip(records, words, strict=True)]
        if seen.fault:
            found[0] = ArrowPart(FAULT, "✗ WS", found[0].words)
        self.used |= {WEBSOCKET if piece.protocol is CONTROL_FRAME else piece.protocol for piece in found}
        return [ArrowPart(TCP, f"#{seen.connection}", ""), *found] if self.several else found

    def row(self, pieces: list[ArrowPart], y: float) -> list[str]:
        """Draw a row of the label, half-way between the lifelines, on a background that hides the tap's line."""
        width = sum(piece.width for piece in pieces)
        x = max(self.tap - width / 2, self.client + 8)
        elements = [rect(x - 4, y - 9, width + 4, ROW_PX, fill=PAPER)]
        for piece in pieces:
            box, box_px = chip(x, y, piece.protocol, piece.tag)
            elements += [box, label(x + box_px + 5, y + 4.5, piece.words, size=SIZE, mono=True)]
            x += piece.width
        return elements

    def shaft(self, seen: Sighting, y: float) -> list[str]:
        """Draw the arrow. A reset ends in a cross, a normal end in a bar."""
        protocol = FAULT if seen.fault else _leading((seen.record, *seen.inside))
        right = seen.sender == "client"
        start, end = (self.client, SERVER) if right else (SERVER, self.client)
        step = 10 if right else -10
        colour = protocol.colour
        elements = [
            line(start, y, end - step, y, colour=colour, width=2.2, dash=protocol.dash or of_record(seen.record).dash)
        ]
        elements.append(polygon([(end, y), (end - step, y - 5), (end - step, y + 5)], fill=colour))
        if isinstance(seen.record, TcpEvent) and seen.record.kind != "opened":
            elements.append(line(start, y - 7, start, y + 7, colour=INK, width=3))
        if self.times:
            elements.append(
                label(self.client - 14, y + 4, f"{seen.at_s:.3f} s", size=11, fill=QUIET, anchor="end", mono=True)
            )
        return elements


def _leading(records: tuple[Record, ...]) -> Protocol:
    """Return the protocol that gives the colour: a fault if there is one, else the innermost protocol."""
    protocols = [of_record(record) for record in records]
    return FAULT if FAULT in protocols else protocols[-1]


def _legend(protocols: list[Protocol], y: float) -> tuple[list[str], float]:
    """Draw tags and names of the protocols in the picture."""
    elements, x = [], 16.0
    for protocol in protocols:
        box, box_px = chip(x, y, protocol)
        name = LEGEND.get(protocol.name, protocol.name)
        elements += [box, label(x + box_px + 5, y + 4, name, size=12, fill=QUIET)]
        x += box_px + 5 + sans_px(name, 12) + 16
    return elements, y + 18


def _text(exchange: Exchange, times: bool) -> str:
    if not times:
        return exchange.text()
    return "\n".join(f"{s.at_s:8.3f} s  {text}" for s, text in zip(exchange, exchange.lines(), strict=True))
