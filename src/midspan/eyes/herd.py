"""How a herd comes back: for each library a row of bars, one bar for each quarter of a second, all on one scale."""

from __future__ import annotations

from midspan.eyes.palette import INK, LINE, QUIET, SOCKETIO, WEBSOCKET
from midspan.eyes.svg import Picture, label, line, need_title, picture, polygon, rect
from midspan.refusal import need
from midspan.sim.herd import WINDOW_S, Herd, Return

WIDTH = 900
LEFT, RIGHT = 60.0, 880.0
ROW_PX, BARS_PX = 118.0, 84.0
COLOURS = {"python-socketio": SOCKETIO.colour, "socket.io-client": SOCKETIO.colour, "websockets": WEBSOCKET.colour}
EVERY_S = 10  # a tick on the axis


def herd_picture(herd: Herd, *, title: str = "") -> Picture:
    """Draw who comes back when.

    Args:
        herd: what `herd()` returned.
        title: the finding.

    Raises:
        Refusal: not a herd.
    """
    need_title(title)
    need(isinstance(herd, Herd), "a herd", herd, "Pass what herd(5000) returned")
    drawing = _Rows(herd)
    body = [label(16, 20, title, size=15, bold=True)]
    for row, each in enumerate(herd):
        body += drawing.row(each, 40 + row * ROW_PX)
    height = 40 + len(herd.returns) * ROW_PX + 26
    words = f"seconds after the server's return; a bar is the clients that came back within {WINDOW_S * 1000:.0f} ms"
    body.append(label((LEFT + RIGHT) / 2, height - 8, words, size=12, fill=QUIET, anchor="middle"))
    return picture(WIDTH, height, body, title=title or "How a herd comes back", text=str(herd))


class _Rows:
    """The scales that all rows share."""

    def __init__(self, herd: Herd) -> None:
        self.most = max(each.peak for each in herd)
        self.until_s = EVERY_S * (max(each.last_s for each in herd) // EVERY_S + 1)

    def x(self, at_s: float) -> float:
        return LEFT + (RIGHT - LEFT) * at_s / self.until_s

    def row(self, each: Return, top: float) -> list[str]:
        """The bars of one library, its name, its peak and its last client."""
        base = top + BARS_PX + 14
        colour = COLOURS.get(each.name.split()[0], QUIET)  # no protocol of the course: no colour
        elements = [line(LEFT, base, RIGHT, base, colour=LINE)]
        for window, count in sorted(each.windows().items()):
            height = BARS_PX * count / self.most
            wide = self.x(WINDOW_S) - LEFT
            elements.append(rect(self.x(window * WINDOW_S), base - height, wide, height, fill=colour))
        elements += self.ticks(base)
        return [*elements, *self.words(each, base)]

    def words(self, each: Return, base: float) -> list[str]:
        """Name and peak beside the bars, and a mark where the last client comes back."""
        last = self.x(each.last_s)
        room = last < RIGHT - 320  # right of the last bar
        x, said = (last + 8 if room else LEFT + 110), f"the last after {each.last_s:.0f} s"
        return [
            label(x, base - BARS_PX * each.peak / self.most + 4 if room else base - 34, self.title(each), bold=True),
            polygon([(last, base - 2), (last - 5, base - 11), (last + 5, base - 11)], fill=INK),
            label(last + (8 if room else -8), base - 6, said, size=12, anchor="start" if room else "end"),
        ]

    def title(self, each: Return) -> str:
        return f"{each.name}: at most {each.peak} in {WINDOW_S * 1000:.0f} ms"

    def ticks(self, base: float) -> list[str]:
        """Seconds below the axis."""
        marks = range(0, int(self.until_s) + 1, EVERY_S)
        return [label(self.x(s), base + 14, f"{s} s", size=11, fill=QUIET, anchor="middle") for s in marks]
