"""When customers come back in a restart: a row of bars for each way to restart, a bar for each quarter of a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from midspan.arguments import checked
from midspan.bench.customers import RETURN_WINDOW_S, Report
from midspan.eyes.palette import INK, LINE, QUIET, WEBSOCKET
from midspan.eyes.svg import Picture, label, line, picture, rect
from midspan.refusal import need

WIDTH = 900
LEFT, RIGHT = 40.0, 880.0
ROW_PX, BARS_PX = 96.0, 52.0


@checked
def returns_picture(reports: Mapping[str, Report], *, title: str = "When customers come back") -> Picture:
    """Draw who comes back when.

    Args:
        reports: name of the restart -> what its customers reported, on one scale.
        title: the finding.

    Raises:
        Refusal: no report.
    """
    right = len(reports) > 0 and all(isinstance(each, Report) for each in reports.values())
    need(right, "reports of customers, by name", reports, 'Pass {"kill": people.report}')
    rows = _Rows(reports)
    body = [label(16, 20, title, size=15, bold=True)]
    for number, (name, report) in enumerate(reports.items()):
        body += rows.row(name, report, 34 + number * ROW_PX)
    height = 34 + len(reports) * ROW_PX + 22
    words = f"seconds since the customers began; a bar is those who came back within {RETURN_WINDOW_S} s"
    body.append(label((LEFT + RIGHT) / 2, height - 6, words, size=12, fill=QUIET, anchor="middle"))
    text = "\n".join(f"{name}: {report}" for name, report in reports.items())
    return picture(WIDTH, height, body, title=title, text=text)


class _Rows:
    """The scales that all rows share."""

    def __init__(self, reports: Mapping[str, Report]) -> None:
        bars = {name: _windows(report) for name, report in reports.items()}
        self.bars = bars
        self.most = max((count for each in bars.values() for count in each.values()), default=1)
        self.until_s = 1 + int(max((max(report.came_back_s, default=0) for report in reports.values()), default=0))

    def x(self, at_s: float) -> float:
        return LEFT + (RIGHT - LEFT) * at_s / self.until_s

    def row(self, name: str, report: Report, top: float) -> list[str]:
        """The bars of one restart, and what it left."""
        base = top + BARS_PX + 22
        words = f"at most {report.peak} within {RETURN_WINDOW_S} s, {report.in_doubt} orders in doubt"
        elements = [label(LEFT, top + 14, f"{name}: {words}", bold=True, fill=INK)]
        elements.append(line(LEFT, base, RIGHT, base, colour=LINE))
        for window, count in sorted(self.bars[name].items()):
            height, wide = BARS_PX * count / self.most, self.x(RETURN_WINDOW_S) - LEFT
            elements.append(rect(self.x(window * RETURN_WINDOW_S), base - height, wide, height, fill=WEBSOCKET.colour))
        ticks = range(self.until_s + 1)
        return elements + [label(self.x(s), base + 14, f"{s} s", size=11, fill=QUIET, anchor="middle") for s in ticks]


def _windows(report: Report) -> Counter[int]:
    """How many came back in each quarter of a second, by its number."""
    return Counter(int(at_s / RETURN_WINDOW_S) for at_s in report.came_back_s)
