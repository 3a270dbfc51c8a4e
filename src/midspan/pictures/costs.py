"""Costs as bars: byte ledgers and measured servers. Also writes the results of `make bench`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from midspan.benchmark.reporting import BenchmarkReport
from midspan.benchmark.statistics import LEVEL, SPANNED, UNITS, Paired, coverage
from midspan.errors import need
from midspan.pictures.ladders import ladder
from midspan.pictures.svg import (
    APPLICATION,
    ENGINEIO,
    HTTP,
    INK,
    LINE,
    QUIET,
    SOCKETIO,
    TCP,
    TLS,
    WEBSOCKET,
    WIDTH,
    Picture,
    Protocol,
    chip,
    chip_px,
    group,
    label,
    line,
    need_title,
    picture,
    rect,
    sans_px,
    under,
)
from midspan.protocols import ledgers as rows
from midspan.protocols.capture import count
from midspan.protocols.dissecting import dissect, sample
from midspan.protocols.exchange import Exchange
from midspan.protocols.ledgers import ByteLedger

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
    """Draw ledgers on one scale, with the bytes of both directions added up.

    Args:
        ledgers: the name of each bar -> its ledger.
        title: the finding.

    Raises:
        Refusal: there is no ledger, or a value is not a ledger.
    """
    right = isinstance(ledgers, Mapping) and all(isinstance(each, ByteLedger) for each in ledgers.values())
    need(right and len(ledgers) > 0, "ledgers by name", ledgers, 'Pass {"raw": (await measure_bytes(...)).ledger}')
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
    """Join neighbouring rows of one protocol into one part of the bar."""
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
    """Draw one part. Envelope and payload both belong to the application; the envelope is paler, since it is a cost."""
    box = rect(x, y, wide, high, fill=protocol.colour)
    return f'<g style="opacity:0.45">{box}</g>' if name == "JSON" else box


def _legend(ledgers: Iterable[ByteLedger], y: float) -> list[str]:
    """Draw the legend of the parts that occur, outermost first."""
    present = {name for ledger in ledgers for name, _, _ in _parts(ledger)}
    elements, x = [], LEFT
    for name, protocol in dict(OF_ROW.values()).items():
        if name in present:
            elements += [_box(x, y - 10, 12, 12, name, protocol), label(x + 16, y, name, size=12, fill=QUIET)]
            x += 16 + sans_px(name, 12) + 16
    return elements


PRICES_ROW_PX, PRICES_BAR_PX, MARGIN_PX, TOP_PX = 24.0, 14.0, 12.0, 38.0
SPAN_PX, VALUE_PX = 380.0, 120.0  # the longest bar, and the room for its number
SPEAKS_SOCKETIO = re.compile(r"python-socketio|socket\.io", re.IGNORECASE)


def price_bars(run: Paired, what: str = "cpu_us", *, title: str = "") -> Picture:
    """Draw one number of each contender as bars.

    Args:
        run: what `paired(...)` returns.
        what: one of `run.measured`.
        title: the finding; by default which contender needs least, and which most.

    Raises:
        Refusal: `run` is not such a run, or this was not measured.
    """
    need(isinstance(run, Paired), "what paired(...) returns", run, "Write run = await paired([...])")
    need_title(title)
    found = {name: run.interval(name, what) for name in run.names}
    left = MARGIN_PX + max(sans_px(name, 13) for name in found) + chip_px("TCP") + 16
    scale = SPAN_PX / max(one.high for one in found.values())
    finding = title or _finding(run, what)
    body = [label(MARGIN_PX, 22, finding, size=14, bold=True)]
    for row, (name, one) in enumerate(found.items()):
        y = TOP_PX + row * PRICES_ROW_PX
        bar = _prices_bar(_protocol(name), left, y, scale * one.median, scale * one.low, scale * one.high)
        words = label(left + scale * one.high + 8, y + 11, f"{one.median:.3g}", size=12, fill=QUIET)
        body += [*_name(name, left, y), group([*bar, words], tip=f"{name}: {one}")]
    bottom = TOP_PX + PRICES_ROW_PX * len(found)
    body.append(line(left, TOP_PX - 4, left, bottom, colour=LINE))
    below = f"{UNITS[what]}; {_stroke(run)}"
    body.append(label(MARGIN_PX, bottom + 16, below, size=12, fill=QUIET))
    least = MARGIN_PX + max(1.2 * sans_px(finding, 14), 1.1 * sans_px(below, 12)) + MARGIN_PX
    width = max(left + SPAN_PX + VALUE_PX, least)
    return picture(width, bottom + 28, body, title=finding, text=_text(run, what, finding))


def _stroke(run: Paired) -> str:
    """Say what the stroke on a bar covers."""
    rounds = len(next(iter(run.rounds.values())))
    if rounds > SPANNED:
        return f"stroke: about {LEVEL:.0%} of such strokes contain the true median"
    return (
        f"stroke: least to greatest of {rounds} rounds; {coverage(rounds):.0%} of such strokes contain the true median"
    )


def _name(name: str, left: float, y: float) -> list[str]:
    tag, width = chip(left - chip_px(_protocol(name).tag) - 8, y + PRICES_BAR_PX / 2, _protocol(name))
    return [label(left - width - 16, y + 11, name, anchor="end"), tag]


def _prices_bar(protocol: Protocol, left: float, y: float, median: float, low: float, high: float) -> list[str]:
    middle = y + PRICES_BAR_PX / 2
    return [
        rect(left, y, median, PRICES_BAR_PX, fill=protocol.colour),
        line(left + low, middle, left + high, middle, colour=INK, width=1.5),
        *(line(left + end, middle - 4, left + end, middle + 4, colour=INK, width=1.5) for end in (low, high)),
    ]


def _protocol(name: str) -> Protocol:
    """Return the protocol of a contender, from its name."""
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


# The results of `make bench` go into a folder that git ignores, and into tables of the README.


FOLDER, README = Path("results"), Path("README.md")
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def write(report: BenchmarkReport, course: Path, *, readme: bool) -> list[Path]:
    """Write tables and picture into the course's folder; return their paths.

    Args:
        report: what was measured.
        course: the course's folder.
        readme: whether to write the tables `bars` and `two_by_two` into the README too.
    """
    folder = course / FOLDER
    folder.mkdir(exist_ok=True)
    texts = {
        "bench.md": _markdown(report),
        "bench.csv": "\n".join(table.csv() for table in report.tables),
        "bench.svg": price_bars(report.alone).svg,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    written = [folder / name for name in texts]
    if readme:
        path = course / README
        path.write_text(with_tables(path.read_text("utf-8"), report), "utf-8")
        written.append(path)
    return written


def with_tables(text: str, report: BenchmarkReport) -> str:
    """Return `text` with the tables of this report between its two marks."""
    marked = text.count(BEGIN) == text.count(END) == 1
    need(marked, "a README with the two marks of make bench", text, f"Put the lines {BEGIN} and {END} where it goes")
    before, rest = text.split(BEGIN)
    block = [f"Measured on {report.machine}", report.bars.markdown(), report.two_by_two.markdown()]
    return "\n\n".join([before + BEGIN, *block, END + rest.split(END)[1]])


def _markdown(report: BenchmarkReport) -> str:
    parts = [f"## {table.title}\n\n{table.markdown()}" for table in report.tables]
    return "\n\n".join(["# make bench", str(report.machine), *parts, "![server CPU](bench.svg)"]) + "\n"


# The picture at the top of the README: one message on raw wss and on Socket.IO, recorded by a tap.
#
# Drawn by the same code as in the notebooks, from the samples in the package.


PATH = Path("docs") / "exchange.svg"  # in the course's folder
TITLE = "One message through raw wss and through Socket.IO, as a tap in the middle sees it"


def exchange_svg() -> str:
    """Return the SVG text of `docs/exchange.svg`; it is equal on every machine."""
    raw, framework = (dissect(sample(name)) for name in ("raw", "socketio"))
    parts = (
        ladder(_spoken(raw)[:4], title="Raw wss: typing_start in JSON of our own, echoed"),
        ladder(_spoken(framework)[:7], title="Socket.IO: the event typing_start, acknowledged"),
    )
    return under(*parts, title=TITLE).svg


def _spoken(seen: Exchange) -> Exchange:
    """Leave out TCP's own events."""
    return seen[1:]


def write_exchange(course: Path) -> Path:
    """Write the picture into the course's folder and return its path; `python -m midspan picture` calls this."""
    target = course / PATH
    target.parent.mkdir(exist_ok=True)
    target.write_text(exchange_svg(), "utf-8")
    return target
