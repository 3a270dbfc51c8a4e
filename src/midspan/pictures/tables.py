"""The guarantee matrix drawn and as a table, and an exchange as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan.errors import need
from midspan.experiments.guarantee_matrix import SIGNS, Matrix, MatrixCell
from midspan.pictures.svg import (
    FAULT,
    INK,
    LINE,
    PAPER,
    QUIET,
    SHADE,
    Picture,
    group,
    label,
    line,
    picture,
    rect,
    sans_px,
)
from midspan.protocols.capture import count
from midspan.simulation.guarantees import PREDICATES

if TYPE_CHECKING:
    import pandas

from typing import TYPE_CHECKING, Any

from midspan.pictures.svg import of_record
from midspan.protocols.capture import Record
from midspan.protocols.engineio import EnginePacket
from midspan.protocols.exchange import Exchange, Sighting
from midspan.protocols.http import HttpBody
from midspan.protocols.socketio import SocketPacket
from midspan.protocols.websocket import Frame

if TYPE_CHECKING:
    import pandas


# The guarantee matrix has a row for each guarantee, a column for each implementation, and in each cell a box for each
# fault. A box has a sign and a shade, so that the colour is never the only sign; its tooltip is the reason.


BOX_PX, GAP_PX, ROW_PX = 13.0, 14.0, 22.0
LEFT_PX, MARGIN_PX = 146.0, 12.0
TITLE_PX, HEAD_PX = 30.0, 40.0
SIZE, BOLD = 12.0, 1.2  # px; a bold letter's width against a plain one's
FILL = {"holds": SHADE, "violated": FAULT.colour, "vacuous": PAPER}


def matrix_picture(matrix: Matrix, *, title: str = "") -> Picture:
    """Draw a matrix.

    Args:
        matrix: what `guarantee_matrix()` returns.
        title: the finding; by default in how many cells each implementation breaks its guarantee.
    """
    need(isinstance(matrix, Matrix), "a guarantee matrix", matrix, "Pass what guarantee_matrix() returns")
    need(isinstance(title, str), "a title as text", title, "Leave it out for the finding itself")
    lefts = _lefts(matrix)
    width = lefts[-1]
    top = TITLE_PX + HEAD_PX
    bottom = top + ROW_PX * len(matrix.guarantees)
    finding = title or _finding(matrix)
    body = [label(MARGIN_PX, 20, finding, size=14, bold=True), *_heads(matrix, lefts, TITLE_PX)]
    for row, guarantee in enumerate(matrix.guarantees):
        body += _row(matrix, guarantee, lefts, top + row * ROW_PX)
    body += _mark(matrix, lefts, bottom)
    legend, height = _legend(matrix, bottom + 20, width)
    width = max(width, MARGIN_PX + BOLD * sans_px(finding, 14) + MARGIN_PX)
    return picture(width, height, [*body, *legend], title=finding, text=str(matrix))


def matrix_table(matrix: Matrix, fault: str | None = None) -> pandas.DataFrame:
    """Return a row for each guarantee, with a column for each implementation.

    Args:
        matrix: what `guarantee_matrix()` returns.
        fault: show the outcomes under this fault; by default one sign for each fault.
    """
    import pandas  # takes half a second, so only when a table is needed

    need(isinstance(matrix, Matrix), "a guarantee matrix", matrix, "Pass what guarantee_matrix() returns")
    need(fault is None or isinstance(fault, str), "the name of a fault", fault, "Leave it out for all of them")
    names = [one.name for one in matrix.contenders]
    rows = {
        guarantee: [
            matrix.signs(guarantee, name) if fault is None else matrix.cell(guarantee, name, fault).outcome
            for name in names
        ]
        for guarantee in matrix.guarantees
    }
    return pandas.DataFrame.from_dict(rows, orient="index", columns=names)


def _finding(matrix: Matrix) -> str:
    counts = ", ".join(f"{one.name} {len(matrix.violated(one.name)) or 'none'}" for one in matrix.contenders)
    return f"Guarantees broken, of {len(matrix.guarantees) * len(matrix.trials)} cells each: {counts}"


def _lefts(matrix: Matrix) -> list[float]:
    """Return the left edge of each column, and the right edge of the last."""
    strip_px = BOX_PX * len(matrix.trials)
    lefts = [LEFT_PX]
    for one in matrix.contenders:
        lefts.append(lefts[-1] + max(strip_px, BOLD * sans_px(one.name, SIZE)) + GAP_PX)
    return lefts


def _heads(matrix: Matrix, lefts: list[float], y: float) -> list[str]:
    """Draw the names of the implementations, and the numbers of the faults."""
    heads = []
    for one, left in zip(matrix.contenders, lefts, strict=False):
        heads.append(group([label(left, y + 16, one.name, size=SIZE, bold=True)], f"{one.name}: {one.made_of}"))
        for number, trial in enumerate(matrix.trials, 1):
            x = left + (number - 0.5) * BOX_PX
            heads.append(group([label(x, y + 33, str(number), size=10, fill=QUIET, anchor="middle")], str(trial)))
    return heads


def _row(matrix: Matrix, guarantee: str, lefts: list[float], y: float) -> list[str]:
    name = label(LEFT_PX - 10, y + 15, guarantee, size=SIZE, anchor="end", mono=True)
    drawn = [line(MARGIN_PX, y, lefts[-1], y, colour=LINE, width=0.5), group([name], PREDICATES[guarantee].claims)]
    for one, left in zip(matrix.contenders, lefts, strict=False):
        for number, trial in enumerate(matrix.trials):
            drawn.append(_box(matrix.cells[guarantee, one.name, trial.name], left + number * BOX_PX, y + 4))
    return drawn


def _mark(matrix: Matrix, lefts: list[float], bottom: float) -> list[str]:
    """Draw a frame around the marked column, if there is one."""
    columns = zip(matrix.contenders, lefts, lefts[1:], strict=False)
    return [
        rect(left - 5, TITLE_PX + 2, right - GAP_PX - left + 10, bottom - TITLE_PX, fill="none", line=INK, round_px=4)
        for one, left, right in columns
        if one.name == matrix.marked
    ]


def _box(cell: MatrixCell, x: float, y: float) -> str:
    ink = FAULT.ink if cell.outcome == "violated" else INK
    box = rect(x + 0.5, y, BOX_PX - 1, ROW_PX - 8, fill=FILL[cell.outcome])
    sign = label(x + BOX_PX / 2, y + 11, SIGNS[cell.outcome], size=10, fill=ink, anchor="middle")
    return group([box, sign], str(cell))


def _legend(matrix: Matrix, y: float, width: float) -> tuple[list[str], float]:
    """Draw what the numbers and the signs mean, broken into lines; return also where the last line ends."""
    runs = sorted({cell.runs for cell in matrix})
    moments = f"{runs[0]} to {runs[-1]} moments" if runs[0] != runs[-1] else count(runs[0], "moment")
    signs = [
        f"{SIGNS['holds']} holds, tried at {moments}",
        f"{SIGNS['violated']} violated at one or more",
        f"{SIGNS['vacuous']} not put to the test",
    ]
    words = [*(f"{number} {trial.name}" for number, trial in enumerate(matrix.trials, 1)), *signs]
    drawn, x = [], MARGIN_PX
    for word in words:
        if x > MARGIN_PX and (x + sans_px(word, SIZE) > width or word == signs[0]):
            x, y = MARGIN_PX, y + 18
        drawn.append(label(x, y, word, size=SIZE, fill=QUIET))
        x += sans_px(word, SIZE) + 18
    return drawn, y + 14


def table(exchange: Exchange, *, times: bool = False) -> pandas.DataFrame:
    """Return an exchange as a table, with a row for each sighting.

    Columns: connection, sender, protocol (of the outermost record), bytes (on the wire, without TLS and TCP), what (the
    line of the exchange); with `times` also at_s.
    """
    rows = [_tables_row(exchange, seen) for seen in _checked(exchange)]
    return _frame(rows, ["connection", "sender", *(["at_s"] if times else []), "protocol", "bytes", "what"])


def frame_table(exchange: Exchange, *, times: bool = False) -> pandas.DataFrame:
    """Return the WebSocket frames as a table, with a row for each.

    Columns: connection, sender, opcode, fin, rsv1, masked, header (bytes, with the masking key), payload (bytes),
    engineio, socketio (packet types, "" for none), text (what the payload says); with `times` also at_s.
    """
    frames = _checked(exchange).frames()
    rows = [_frame_row(frames, seen) for seen in frames]
    names = ["opcode", "fin", "rsv1", "masked", "header", "payload", "engineio", "socketio", "text"]
    return _frame(rows, ["connection", "sender", *(["at_s"] if times else []), *names])


def _checked(exchange: Exchange) -> Exchange:
    need(isinstance(exchange, Exchange), "an exchange", exchange, "Pass what dissect(capture) returns")
    return exchange


def _tables_row(exchange: Exchange, seen: Sighting) -> dict[str, Any]:
    return {
        "connection": seen.connection,
        "sender": seen.sender,
        "at_s": seen.at_s,
        "protocol": of_record(seen.record).name,
        "bytes": len(seen.record.raw) + sum(len(r.raw) for r in seen.inside if isinstance(r, HttpBody)),
        "what": exchange.hidden(seen.what),
    }


def _frame_row(exchange: Exchange, seen: Sighting) -> dict[str, Any]:
    frame = seen.record
    assert isinstance(frame, Frame)
    said = seen.parts[-1] if seen.inside else frame.carries
    return {
        "connection": seen.connection,
        "sender": seen.sender,
        "at_s": seen.at_s,
        "opcode": frame.name,
        "fin": frame.fin,
        "rsv1": frame.rsv1,
        "masked": frame.masked,
        "header": len(frame.header) + len(frame.mask_key),
        "payload": len(frame.payload),
        "engineio": _name(seen.inside, EnginePacket),
        "socketio": _name(seen.inside, SocketPacket),
        "text": exchange.hidden(said),
    }


def _name(records: tuple[Record, ...], kind: type[EnginePacket] | type[SocketPacket]) -> str:
    return next((record.name for record in records if isinstance(record, kind)), "")


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pandas.DataFrame:
    import pandas  # takes half a second, so only when a table is needed

    return pandas.DataFrame(rows, columns=columns)
