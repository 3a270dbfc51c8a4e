"""What contenders cost, as bars: one each, with the interval in which its median lies."""

from __future__ import annotations

import re

from midspan.bench.prices.outcome import UNITS, Paired
from midspan.eyes.palette import INK, LINE, QUIET, SOCKETIO, TCP, WEBSOCKET, Protocol
from midspan.eyes.svg import Picture, chip, chip_px, group, label, line, need_title, picture, rect, sans_px
from midspan.refusal import need

ROW_PX, BAR_PX, MARGIN_PX, TOP_PX = 24.0, 14.0, 12.0, 38.0
SPAN_PX, VALUE_PX = 380.0, 120.0  # the longest bar, and the room for its number
SPEAKS_SOCKETIO = re.compile(r"python-socketio|socket\.io", re.IGNORECASE)


def price_bars(run: Paired, what: str = "cpu_us", *, title: str = "") -> Picture:
    """Draw what one thing costs each contender.

    Args:
        run: what `paired(...)` returns.
        what: one of `run.measured`.
        title: the finding; by default who needs least and who needs most.

    Raises:
        Refusal: it is no such run, or this was not measured.
    """
    need(isinstance(run, Paired), "what paired(...) returns", run, "Write run = await paired([...])")
    need_title(title)
    found = {name: run.interval(name, what) for name in run.names}
    left = MARGIN_PX + max(sans_px(name, 13) for name in found) + chip_px("TCP") + 16
    scale = SPAN_PX / max(one.high for one in found.values())
    finding = title or _finding(run, what)
    body = [label(MARGIN_PX, 22, finding, size=14, bold=True)]
    for row, (name, one) in enumerate(found.items()):
        y = TOP_PX + row * ROW_PX
        bar = _bar(_protocol(name), left, y, scale * one.median, scale * one.low, scale * one.high)
        words = label(left + scale * one.high + 8, y + 11, f"{one.median:.3g}", size=12, fill=QUIET)
        body += [*_name(name, left, y), group([*bar, words], tip=f"{name}: {one}")]
    bottom = TOP_PX + ROW_PX * len(found)
    body.append(line(left, TOP_PX - 4, left, bottom, colour=LINE))
    body.append(label(left, bottom + 16, f"{UNITS[what]}; the stroke is where the median may lie", size=12, fill=QUIET))
    width = max(left + SPAN_PX + VALUE_PX, MARGIN_PX + 1.2 * sans_px(finding, 14) + MARGIN_PX)
    return picture(width, bottom + 28, body, title=finding, text=_text(run, what, finding))


def _name(name: str, left: float, y: float) -> list[str]:
    tag, width = chip(left - chip_px(_protocol(name).tag) - 8, y + BAR_PX / 2, _protocol(name))
    return [label(left - width - 16, y + 11, name, anchor="end"), tag]


def _bar(protocol: Protocol, left: float, y: float, median: float, low: float, high: float) -> list[str]:
    middle = y + BAR_PX / 2
    return [
        rect(left, y, median, BAR_PX, fill=protocol.colour),
        line(left + low, middle, left + high, middle, colour=INK, width=1.5),
        *(line(left + end, middle - 4, left + end, middle + 4, colour=INK, width=1.5) for end in (low, high)),
    ]


def _protocol(name: str) -> Protocol:
    """What it speaks, as its name says."""
    if SPEAKS_SOCKETIO.search(name):
        return SOCKETIO
    return TCP if name.startswith("TCP") else WEBSOCKET


def _finding(run: Paired, what: str) -> str:
    least = run.least(what)
    most = max(run.names, key=lambda name: run.median(name, what))
    times = run.median(most, what) / run.median(least, what)
    return f"{UNITS[what]}: {most} needs {times:.1f} times what {least} does"


def _text(run: Paired, what: str, finding: str) -> str:
    width = max(map(len, run.names))
    return "\n".join([finding, *(f"{name.ljust(width)}  {run.interval(name, what)}" for name in run.names)])
