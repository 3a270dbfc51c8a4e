"""Byte ledgers as bars, one under the other on one scale: which protocol has which part of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from midspan.eyes.palette import APPLICATION, ENGINEIO, HTTP, LINE, QUIET, SOCKETIO, TCP, TLS, WEBSOCKET, Protocol
from midspan.eyes.svg import Picture, group, label, line, need_title, picture, rect, sans_px
from midspan.records import byte_ledger as rows
from midspan.records.byte_ledger import ByteLedger
from midspan.records.record import count
from midspan.refusal import need

WIDTH = 900
LEFT, RIGHT = 190.0, 880.0
BAR_PX, ROW_PX = 22.0, 32.0
BESIDE_PX = 62.0  # for the sum, right of the longest bar

OF_ROW: dict[str, tuple[str, Protocol]] = {
    rows.TCP_IP: ("IP and TCP", TCP),
    **dict.fromkeys(rows.TLS_LAYERS, ("TLS", TLS)),
    rows.HTTP: ("HTTP", HTTP),
    **dict.fromkeys((rows.FRAME, rows.MASK, rows.CONTROL_PAYLOAD), ("frame", WEBSOCKET)),
    **dict.fromkeys((rows.ENGINEIO, rows.BASE64), ("Engine.IO", ENGINEIO)),
    **dict.fromkeys((rows.SOCKETIO, rows.ACK_ID), ("Socket.IO", SOCKETIO)),
    rows.JSON: ("JSON", APPLICATION),
    rows.COMPRESSED: ("compressed", APPLICATION),
    rows.PAYLOAD: ("payload", APPLICATION),
}


def ledger_picture(ledgers: Mapping[str, ByteLedger], *, title: str = "Where the bytes go") -> Picture:
    """Draw ledgers on one scale, both ways added up.

    Args:
        ledgers: what each bar is called -> its ledger.
        title: the finding.

    Raises:
        Refusal: no ledger; something else.
    """
    right = isinstance(ledgers, Mapping) and all(isinstance(each, ByteLedger) for each in ledgers.values())
    need(right and len(ledgers) > 0, "ledgers by name", ledgers, 'Pass {"raw": (await weigh(...)).ledger}')
    need_title(title)
    scale = (RIGHT - LEFT - BESIDE_PX) / max(1, *(each.wire_bytes for each in ledgers.values()))
    body, y = [label(16, 20, title, size=15, bold=True), *_legend(ledgers.values(), 42)], 58.0
    for name, ledger in ledgers.items():
        body.append(label(LEFT - 10, y + 15, name, size=13, anchor="end"))
        body += _bar(ledger, y, scale)
        y += ROW_PX
    body.append(line(LEFT, 54, LEFT, y - 4, colour=LINE))
    text = "\n\n".join(f"{name}\n{ledger}" for name, ledger in ledgers.items())
    return picture(WIDTH, y + 6, body, title=title, text=text)


def _parts(ledger: ByteLedger) -> Iterator[tuple[str, Protocol, int]]:
    """Neighbouring rows of one protocol as one part of the bar."""
    sizes: dict[str, int] = {}
    for row in ledger:
        name = OF_ROW[row.layer][0]
        sizes[name] = sizes.get(name, 0) + row.both_bytes
    protocols = dict(OF_ROW.values())
    yield from ((name, protocols[name], size) for name, size in sizes.items())


def _bar(ledger: ByteLedger, y: float, scale: float) -> list[str]:
    elements, x = [], LEFT
    for name, protocol, size in _parts(ledger):
        wide, number = size * scale, f"{size:,}"
        part = [_box(x, y, wide, BAR_PX, name, protocol)]
        if sans_px(number, 11) + 4 < wide:
            part.append(label(x + wide / 2, y + 15, number, size=11, fill=protocol.ink, anchor="middle"))
        elements.append(group(part, f"{name}: {count(size, 'byte')}"))
        x += wide
    return [*elements, label(x + 6, y + 15, f"{ledger.wire_bytes:,} bytes", size=12, fill=QUIET)]


def _box(x: float, y: float, wide: float, high: float, name: str, protocol: Protocol) -> str:
    """The envelope's JSON is paler than the payload: both are the application's, one of them is the price."""
    box = rect(x, y, wide, high, fill=protocol.colour)
    return f'<g style="opacity:0.45">{box}</g>' if name == "JSON" else box


def _legend(ledgers: Iterable[ByteLedger], y: float) -> list[str]:
    """The parts that occur, outermost first."""
    present = {name for ledger in ledgers for name, _, _ in _parts(ledger)}
    elements, x = [], LEFT
    for name, protocol in dict(OF_ROW.values()).items():
        if name in present:
            elements += [_box(x, y - 10, 12, 12, name, protocol), label(x + 16, y, name, size=12, fill=QUIET)]
            x += 16 + sans_px(name, 12) + 16
    return elements
