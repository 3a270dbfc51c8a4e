"""Pictures of clients and servers: their links, and how many clients reconnect at each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from midspan.errors import checked, need
from midspan.experiments.cluster_clients import RETURN_WINDOW_S, OrderReport
from midspan.pictures.svg import (
    HTTP,
    INK,
    LINE,
    QUIET,
    SHADE,
    SOCKETIO,
    TLS,
    WEBSOCKET,
    WIDTH,
    Picture,
    chip,
    label,
    line,
    need_title,
    picture,
    polygon,
    rect,
)
from midspan.protocols.capture import shortened
from midspan.simulation.reconnect_herd import WINDOW_S, HerdReport, LibraryReturns

ROW_PX = 66.0
SPEAKS = {"raw": (TLS, WEBSOCKET), "socketio": (TLS, HTTP, WEBSOCKET, SOCKETIO)}  # the protocols to each server
CLIENT, CLIENT_WIDTH = 16.0, 130.0
FIRST, MIDDLE_WIDTH, GAP = 340.0, 64.0, 34.0  # the boxes in the middle, from left to right


@runtime_checkable
class HasParts(Protocol):
    """An object with parts: the name of each server -> what it is, in words."""

    def parts(self) -> Mapping[str, str]: ...


def bench_picture(bench: HasParts) -> Picture:
    """Draw clients, taps and servers of a bench; without arrows if the bench is not open (`.is_open`).

    Raises:
        Refusal: the object has no `.parts()`.
    """
    need(isinstance(bench, HasParts), "a bench", bench, "Pass what `await Bench()` returned")
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
    """Draw the way from the clients to one server, with the boxes on it; chips show the protocols."""
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
    """Draw a box with a name and a line of words."""
    fitting = int(w / 6.4)
    return [
        rect(x, y, w, h, fill=SHADE, line=LINE, round_px=5),
        label(x + w / 2, y + h / 2 - 3, name, anchor="middle", size=14, bold=True, fill=INK),
        label(x + w / 2, y + h / 2 + 15, shortened(words, fitting), anchor="middle", size=11.5, fill=QUIET),
    ]


# How many clients come back after a cut: a row of bars for each library, a bar for each quarter of a second, one scale.


LEFT, RIGHT = 60.0, 880.0
HERD_ROW_PX, BARS_PX = 118.0, 84.0
COLOURS = {"python-socketio": SOCKETIO.colour, "socket.io-client": SOCKETIO.colour, "websockets": WEBSOCKET.colour}
EVERY_S = 10  # a tick on the axis


def herd_picture(herd: HerdReport, *, title: str = "") -> Picture:
    """Draw how many clients of each library come back at each time.

    Args:
       herd: what `herd()` returned.
        title: the finding.

    Raises:
        Refusal: not a herd.
    """
    need_title(title)
    need(isinstance(herd, HerdReport), "a herd", herd, "Pass what herd(5000) returned")
    drawing = _Rows(herd)
    body = [label(16, 20, title, size=15, bold=True)]
    for row, each in enumerate(herd):
        body += drawing.row(each, 40 + row * HERD_ROW_PX)
    height = 40 + len(herd.returns) * HERD_ROW_PX + 26
    words = f"seconds after the server's return; a bar is the clients that came back within {WINDOW_S * 1000:.0f} ms"
    body.append(label((LEFT + RIGHT) / 2, height - 8, words, size=12, fill=QUIET, anchor="middle"))
    return picture(WIDTH, height, body, title=title or "How a herd comes back", text=str(herd))


class _Rows:
    """The scales that all rows share."""

    def __init__(self, herd: HerdReport) -> None:
        self.most = max(each.peak for each in herd)
        self.until_s = EVERY_S * (max(each.last_s for each in herd) // EVERY_S + 1)

    def x(self, at_s: float) -> float:
        return LEFT + (RIGHT - LEFT) * at_s / self.until_s

    def row(self, each: LibraryReturns, top: float) -> list[str]:
        """Draw the bars of one library, its name, its peak and its last client."""
        base = top + BARS_PX + 14
        colour = COLOURS.get(each.name.split()[0], QUIET)  # a library without a protocol colour
        elements = [line(LEFT, base, RIGHT, base, colour=LINE)]
        for window, count in sorted(each.windows().items()):
            height = BARS_PX * count / self.most
            wide = self.x(WINDOW_S) - LEFT
            elements.append(rect(self.x(window * WINDOW_S), base - height, wide, height, fill=colour))
        elements += self.ticks(base)
        return [*elements, *self.words(each, base)]

    def words(self, each: LibraryReturns, base: float) -> list[str]:
        """Draw name and peak beside the bars, and a mark where the last client comes back."""
        last = self.x(each.last_s)
        room = last < RIGHT - 320  # right of the last bar
        x, said = (last + 8 if room else LEFT + 110), f"the last after {each.last_s:.0f} s"
        return [
            label(x, base - BARS_PX * each.peak / self.most + 4 if room else base - 34, self.title(each), bold=True),
            polygon([(last, base - 2), (last - 5, base - 11), (last + 5, base - 11)], fill=INK),
            label(last + (8 if room else -8), base - 6, said, size=12, anchor="start" if room else "end"),
        ]

    def title(self, each: LibraryReturns) -> str:
        return f"{each.name}: at most {each.peak} in {WINDOW_S * 1000:.0f} ms"

    def ticks(self, base: float) -> list[str]:
        """Draw the seconds below the axis."""
        marks = range(0, int(self.until_s) + 1, EVERY_S)
        return [label(self.x(s), base + 14, f"{s} s", size=11, fill=QUIET, anchor="middle") for s in marks]


# When clients come back in a restart: a row of bars for each way to restart, a bar for each quarter of a second.


RETURNS_LEFT, RETURNS_RIGHT = 40.0, 880.0
RETURNS_ROW_PX, RETURNS_BARS_PX = 96.0, 52.0


@checked
def returns_picture(reports: Mapping[str, OrderReport], *, title: str = "When customers come back") -> Picture:
    """Draw how many clients come back at each time of a restart.

    Args:
       reports: the name of each restart -> the report of its clients; all have one scale.
        title: the finding.

    Raises:
        Refusal: no report.
    """
    right = len(reports) > 0 and all(isinstance(each, OrderReport) for each in reports.values())
    need(right, "reports of customers, by name", reports, 'Pass {"kill": people.report}')
    rows = _ReturnsRows(reports)
    body = [label(16, 20, title, size=15, bold=True)]
    for number, (name, report) in enumerate(reports.items()):
        body += rows.row(name, report, 34 + number * RETURNS_ROW_PX)
    height = 34 + len(reports) * RETURNS_ROW_PX + 22
    words = f"seconds since the customers began; a bar is those who came back within {RETURN_WINDOW_S} s"
    body.append(label((RETURNS_LEFT + RETURNS_RIGHT) / 2, height - 6, words, size=12, fill=QUIET, anchor="middle"))
    text = "\n".join(f"{name}: {report}" for name, report in reports.items())
    return picture(WIDTH, height, body, title=title, text=text)


class _ReturnsRows:
    """The scales that all rows share."""

    def __init__(self, reports: Mapping[str, OrderReport]) -> None:
        bars = {name: _windows(report) for name, report in reports.items()}
        self.bars = bars
        self.most = max((count for each in bars.values() for count in each.values()), default=1)
        self.until_s = 1 + int(max((max(report.came_back_s, default=0) for report in reports.values()), default=0))

    def x(self, at_s: float) -> float:
        return RETURNS_LEFT + (RETURNS_RIGHT - RETURNS_LEFT) * at_s / self.until_s

    def row(self, name: str, report: OrderReport, top: float) -> list[str]:
        """Draw the bars of one restart, and the orders in doubt."""
        base = top + RETURNS_BARS_PX + 22
        words = f"at most {report.peak} within {RETURN_WINDOW_S} s, {report.in_doubt} orders in doubt"
        elements = [label(RETURNS_LEFT, top + 14, f"{name}: {words}", bold=True, fill=INK)]
        elements.append(line(RETURNS_LEFT, base, RETURNS_RIGHT, base, colour=LINE))
        for window, count in sorted(self.bars[name].items()):
            height, wide = RETURNS_BARS_PX * count / self.most, self.x(RETURN_WINDOW_S) - RETURNS_LEFT
            elements.append(rect(self.x(window * RETURN_WINDOW_S), base - height, wide, height, fill=WEBSOCKET.colour))
        ticks = range(self.until_s + 1)
        return elements + [label(self.x(s), base + 14, f"{s} s", size=11, fill=QUIET, anchor="middle") for s in ticks]


def _windows(report: OrderReport) -> Counter[int]:
    """Count the clients that came back in each quarter of a second, by its number."""
    return Counter(int(at_s / RETURN_WINDOW_S) for at_s in report.came_back_s)
