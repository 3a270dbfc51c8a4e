"""One run of clients and a server, drawn as a ladder with a lane for each.

Time runs down. Each message is an arrow from its sending to its arrival; a message that never arrives ends in a cross.
A fault is a line across its link. The server is in the middle: with one or two clients an arrow crosses no other lane.
An arrow passes all steps that happen while its message is on its way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from midspan.errors import need
from midspan.pictures.excerpts import ALARMING, excerpt, mentions
from midspan.pictures.svg import (
    FAULT,
    INK,
    LINE,
    PAPER,
    QUIET,
    SHADE,
    WEBSOCKET,
    WIDTH,
    Picture,
    chip,
    chip_px,
    group,
    label,
    line,
    mono_px,
    need_title,
    picture,
    polygon,
    rect,
    sans_px,
)
from midspan.protocols.capture import count, shortened
from midspan.simulation.run_report import BROKER, Ladder, Mark, Rung

FIRST, LAST = 112.0, 846.0  # the outermost lanes; the times are left of the first
HEAD_PX, TITLE_PX = 30.0, 26.0
ROW_PX = 27.0
LANDING_PX = 8.0  # added above a step where arrows arrive
LOST = 0.42  # of the way: the place of the cross, when a message never arrives
ABOVE_PX = 6.0  # from the baseline of a label down to its arrow
SIZE = 12.0  # px of the labels
BOX_PX = 84.0
MOST_STEPS = 100  # a page and a half; shrink a longer run first
POINTER = "▶"


def run_ladder(ladder: Ladder, *, title: str = "", deciding: str = "") -> Picture:
    """Draw a run. The middle of a long one is folded; its text has all steps.

    Args:
        ladder: the ladder that `draw(implementation, schedule)` returns, or a counterexample's `.ladder`; 100
            steps at most.
        title: the finding.
        deciding: the message that decides the verdict; the steps that name it are marked.

    Raises:
        Refusal: it is no such ladder, it has no lanes, or it is longer.
    """
    need_title(title)
    need(isinstance(ladder, Ladder), "the ladder of a run", ladder, "Pass draw(implementation, schedule)[1]")
    need(len(ladder.lanes) >= 2, "two lanes or more", ladder.lanes, "Name the clients, then the server")
    need(len(ladder.steps) <= MOST_STEPS, f"{MOST_STEPS} steps at most", len(ladder.steps), "Draw a shorter schedule")
    strangers = {_lane(who) for step in ladder.steps for who in _parties(step)} - {*ladder.lanes}
    need(not strangers, f"steps on the lanes {', '.join(ladder.lanes)}", sorted(strangers), "Add their lanes")
    need(isinstance(deciding, str), "the name of a message", deciding, 'Leave it out, or pass deciding="a1"')
    drawing = _Lanes(excerpt(ladder, deciding), HEAD_PX + (TITLE_PX if title else 0), deciding)
    legend, height = drawing.legend()
    body = [
        *drawing.bands(),
        *drawing.lifelines(),
        *drawing.arrows(),
        *drawing.labels(),
        *drawing.heads(title),
        *legend,
    ]
    finding = title or f"{count(len(ladder.steps), 'step')} between {' and '.join(ladder.lanes)}"
    return picture(WIDTH, height, body, title=finding, text=str(ladder))


class _Lanes:
    """The positions of all elements: a row for each step, and between two rows the arrivals of that time."""

    def __init__(self, ladder: Ladder, top: float, deciding: str) -> None:
        self.steps, self.top, self.deciding = ladder.steps, top, deciding
        *clients, self.server = ladder.lanes
        names = [*clients[: (len(clients) + 1) // 2], self.server, *clients[(len(clients) + 1) // 2 :]]
        self.nodes = self.server == BROKER
        if self.nodes:
            names = [*ladder.lanes]
        gap = (LAST - FIRST) / (len(names) - 1)
        self.x = {name: FIRST + i * gap for i, name in enumerate(names)}
        self.slots = self._slots()
        self.y = [top + 12 + (row + 1) * ROW_PX + self._room_above(row) for row in range(len(self.steps) + 1)]
        self.bottom = self.y[-1]
        self.arrives_y = self._arrivals()

    def lane_x(self, who: str) -> float:
        """Return the middle of the lane of a client or the server."""
        return self.x[_lane(who)]

    def _slots(self) -> dict[int, list[int]]:
        """Return step -> the arrows (by the row of their start) that arrive before it and after the step above."""
        starts = [step.at_s for step in self.steps]
        slots: defaultdict[int, list[int]] = defaultdict(list)
        for arrives_s, row in sorted(
            (step.arrives_s, row)
            for row, step in enumerate(self.steps)
            if isinstance(step, Rung) and step.arrives_s is not None
        ):
            slots[max(bisect_left(starts, arrives_s), row + 1)].append(row)
        return slots

    def _room_above(self, row: int) -> float:
        """Return the height of all arrivals above this step."""
        return LANDING_PX * sum(slot <= row for slot in self.slots)

    def _arrivals(self) -> dict[int, float]:
        """Return the row of an arrow's start -> the height of its arrival."""
        room = LANDING_PX + ROW_PX - ABOVE_PX - SIZE - 4  # the words of the next step are below it
        return {
            row: self.y[slot - 1] + room * (place + 1) / (len(rows) + 0.5)
            for slot, rows in self.slots.items()
            for place, row in enumerate(rows)
        }

    def bands(self) -> list[str]:
        """Draw a band and a pointer at each step that names the deciding message."""
        rows = [y for step, y in zip(self.steps, self.y, strict=False) if mentions(step, self.deciding)]
        bands = [rect(2, y - 17, WIDTH - 4, 22, fill=SHADE, line=LINE, round_px=4) for y in rows]
        return [*bands, *(label(5, y - 2, POINTER, size=11) for y in rows)]

    def lifelines(self) -> list[str]:
        return [line(x, self.top, x, self.bottom, colour=QUIET, width=1.5) for x in self.x.values()]

    def heads(self, title: str) -> list[str]:
        y = self.top - 24
        boxes = [rect(x - BOX_PX / 2, y, BOX_PX, 22, fill=SHADE, line=LINE, round_px=4) for x in self.x.values()]
        names = [label(x, y + 15.5, name, anchor="middle", bold=True) for name, x in self.x.items()]
        return [*boxes, *names, label(16, 18, title, size=15, bold=True)]

    def arrows(self) -> list[str]:
        """Draw all arrows first, so that labels are on top of them and stay legible."""
        return [
            group(self.arrow(step, row), str(step).strip())
            for row, step in enumerate(self.steps)
            if isinstance(step, Rung)
        ]

    def arrow(self, step: Rung, row: int) -> list[str]:
        start, end, y = self.lane_x(step.sender), self.lane_x(step.receiver), self.y[row]
        if step.arrives_s is None:
            return self.lost(start, end, y)
        down = self.arrives_y[row]
        back = 10 if end > start else -10
        slope = (down - y) / (end - start)
        shaft = line(start, y, end - back, down - slope * back, colour=WEBSOCKET.colour, width=2)
        head = [(end, down), (end - back, down - slope * back - 5), (end - back, down - slope * back + 5)]
        return [shaft, polygon(head, fill=WEBSOCKET.colour)]

    def lost(self, start: float, end: float, y: float) -> list[str]:
        """Draw half an arrow and a cross."""
        x, down = start + LOST * (end - start), y + ROW_PX / 4
        shaft = line(start, y, x, down, colour=FAULT.colour, width=2, dash="6 4")
        cross = [line(x - 6, down - 6 * i, x + 6, down + 6 * i, colour=FAULT.colour, width=3) for i in (-1, 1)]
        return [shaft, *cross]

    def labels(self) -> list[str]:
        """Draw the times, and the words of each step."""
        drawn, last_s = [], None
        for row, step in enumerate(self.steps):
            if step.at_s != last_s:
                words = f"{step.at_s:.3f} s"
                drawn.append(label(66, self.y[row] - 2, words, size=11, fill=QUIET, anchor="end", mono=True))
            last_s = step.at_s
            drawn.append(group(self.words(step, self.y[row]), str(step).strip()))
        return drawn

    def words(self, step: Rung | Mark, y: float) -> list[str]:
        if isinstance(step, Rung):
            right = self.lane_x(step.receiver) > self.lane_x(step.sender)
            return self.said(step.text, self.lane_x(step.sender), y - ABOVE_PX, right, self.gap)
        if step.kind == "fold":
            return self.fold(step.text, y)
        x, rightmost = self.lane_x(step.lane), self.lane_x(step.lane) == LAST
        if step.kind == "fault":
            return self.fault(step, x, y)
        colour = FAULT.colour if step.text.startswith(ALARMING) else INK
        sign = rect(x - 4.5, y - 8.5, 9, 9, fill=colour, line=PAPER)
        return [sign, *self.said(step.text, x, y, not rightmost, self.gap, bold=True)]

    @property
    def gap(self) -> float:
        """The distance between two lanes, in px."""
        return (LAST - FIRST) / (len(self.x) - 1)

    def said(self, words: str, x: float, y: float, right: bool, room: float, bold: bool = False) -> list[str]:
        """Draw words beside a lane, on a background."""
        words = shortened(words, int((room - 34) / mono_px("x", SIZE)))
        width = mono_px(words, SIZE) + 4
        left = x + 12 if right else x - 12 - width
        paper = rect(left, y - SIZE + 1, width, SIZE + 3, fill=PAPER)
        return [paper, label(left + 2, y, words, size=SIZE, mono=True, bold=bold)]

    def fold(self, words: str, y: float) -> list[str]:
        """Draw the place of the steps that are left out."""
        width = sans_px(words, SIZE) + 16
        middle = (FIRST + LAST) / 2
        return [
            line(FIRST, y - 4, LAST, y - 4, colour=QUIET, width=1, dash="1 5"),
            rect(middle - width / 2, y - 13, width, 18, fill=PAPER),
            label(middle, y, words, size=SIZE, fill=QUIET, anchor="middle"),
        ]

    def fault(self, step: Mark, x: float, y: float) -> list[str]:
        """Draw a line across the link of the fault (all links for a fault of the server), and the fault's words."""
        everywhere = self.nodes or step.text.startswith("server") or x == self.x[self.server]
        ends = (FIRST, LAST) if everywhere else sorted((x, self.x[self.server]))
        right = x != LAST
        box_px = chip_px(FAULT.tag)
        words = shortened(step.text, int((LAST - FIRST - box_px - 40) / mono_px("x", SIZE)))
        width = mono_px(words, SIZE) + box_px + 12
        left = x + 12 if right and x + 12 + width < WIDTH else max(x - 12 - width, FIRST + 12)
        middle = y - 4
        return [
            line(ends[0], middle, ends[1], middle, colour=FAULT.colour, width=2.5, dash="2 3"),
            rect(left - 2, middle - 9, width, 18, fill=PAPER),
            chip(left, middle, FAULT)[0],
            label(left + box_px + 5, middle + 4, words, size=SIZE, mono=True, bold=True),
        ]

    def legend(self) -> tuple[list[str], float]:
        """Draw what an arrow and a cross mean, if there are any."""
        arrived = {step.arrives_s is not None for step in self.steps if isinstance(step, Rung)}
        faults = any(isinstance(step, Mark) and step.kind == "fault" for step in self.steps)
        names = [(WEBSOCKET, "a message, from where it left to where it arrived")] if True in arrived else []
        names += [(FAULT, "a fault, or a message that never arrives")] if faults or False in arrived else []
        elements, x, y = [], 16.0, self.bottom + 16
        if any(mentions(step, self.deciding) for step in self.steps):
            words = f"{POINTER} the message that decides: {shortened(self.deciding, 24)}"
            elements, x = [label(x, y + 4, words, size=12, fill=QUIET)], x + sans_px(words, 12) + 21
        for protocol, name in names:
            box, box_px = chip(x, y, protocol)
            elements += [box, label(x + box_px + 5, y + 4, name, size=12, fill=QUIET)]
            x += box_px + sans_px(name, 12) + 21
        return elements, y + 18


def _parties(step: Rung | Mark) -> tuple[str, ...]:
    if isinstance(step, Rung):
        return step.sender, step.receiver
    return (step.lane,) if step.kind != "fold" else ()


def _lane(who: str) -> str:
    """Return the lane for a name; "server/a" is the server's end of a's link."""
    return who.partition("/")[0]
