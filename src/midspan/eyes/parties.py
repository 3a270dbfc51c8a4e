"""Who talks to whom: the client, the tap and each server of a bench, and the link between them where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from midspan.eyes.palette import HTTP, INK, LINE, QUIET, SHADE, SOCKETIO, TLS, WEBSOCKET
from midspan.eyes.svg import Picture, chip, label, line, picture, polygon, rect
from midspan.records.record import shortened
from midspan.refusal import need

WIDTH, ROW_PX = 900, 66.0
SPEAKS = {"raw": (TLS, WEBSOCKET), "socketio": (TLS, HTTP, WEBSOCKET, SOCKETIO)}  # what passes on the way to each
CLIENT, CLIENT_WIDTH = 16.0, 130.0
FIRST, MIDDLE_WIDTH, GAP = 340.0, 64.0, 34.0  # what stands in the middle, from left to right


@runtime_checkable
class Bench(Protocol):
    """Anything with parts: the name of each server -> what it is, in words."""

    def parts(self) -> Mapping[str, str]: ...


def parties(bench: Bench) -> Picture:
    """Draw who talks to whom on a bench; one that says it is not open (`.is_open`) has no arrows.

    Raises:
        Refusal: the object has no `.parts()`.
    """
    need(isinstance(bench, Bench), "a bench", bench, "Pass what `await Bench()` returned")
    parts = dict(bench.parts())
    height = 44 + ROW_PX * max(len(parts), 1)
    column = height - 54
    is_open = getattr(bench, "is_open", True)
    title = "Who talks to whom" if is_open else "Closed: nobody listens"
    middle = {"link": "may fail", "tap": "sees all"} if getattr(bench, "links", False) else {"tap": "sees all"}
    server = FIRST + len(middle) * (MIDDLE_WIDTH + GAP) + 22
    body = [label(CLIENT, 20, title, size=15, bold=True)]
    body += _box(CLIENT, 36, CLIENT_WIDTH, column, "clients", "in this notebook")
    for row, (name, words) in enumerate(parts.items()):
        body += _way(36 + row * ROW_PX, name, len(middle), server) if is_open else []
        body += _server(36 + row * ROW_PX, words, server)
    for place, (name, words) in enumerate(middle.items()):
        body += _box(_middle(place), 36, MIDDLE_WIDTH, column, name, words if is_open else "closed")
    return picture(WIDTH, height, body, title=title, text=str(bench))


def _middle(place: int) -> float:
    return FIRST + place * (MIDDLE_WIDTH + GAP)


def _way(y: float, name: str, between: int, server: float) -> list[str]:
    """From the clients through what stands between to one server; chips say what is spoken."""
    middle = y + (ROW_PX - 10) / 2
    elements = []
    starts = [CLIENT + CLIENT_WIDTH, *(_middle(place) + MIDDLE_WIDTH for place in range(between))]
    ends = [*(_middle(place) for place in range(between)), server]
    for start, end in zip(starts, ends, strict=True):
        elements.append(line(start + 10, middle, end - 10, middle, colour=QUIET, width=2))
        elements.append(polygon([(end, middle), (end - 10, middle - 5), (end - 10, middle + 5)], fill=QUIET))
        elements.append(polygon([(start, middle), (start + 10, middle - 5), (start + 10, middle + 5)], fill=QUIET))
    x = CLIENT + CLIENT_WIDTH + 20
    for protocol in SPEAKS.get(name, (TLS,)):
        box, width = chip(x, middle - 14, protocol, size=11)
        elements.append(box)
        x += width + 6
    return elements


def _server(y: float, words: str, x: float) -> list[str]:
    what, _, how = words.partition(" (")
    return _box(x, y, WIDTH - x - 16, ROW_PX - 10, what, how.replace(")", "", 1))


def _box(x: float, y: float, w: float, h: float, name: str, words: str) -> list[str]:
    """A box with a name and a line of words."""
    fitting = int(w / 6.4)
    return [
        rect(x, y, w, h, fill=SHADE, line=LINE, round_px=5),
        label(x + w / 2, y + h / 2 - 3, name, anchor="middle", size=14, bold=True, fill=INK),
        label(x + w / 2, y + h / 2 + 15, shortened(words, fitting), anchor="middle", size=11.5, fill=QUIET),
    ]
