"""An exchange as a table: a pandas frame, to be filtered, counted and summed like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from midspan.eyes.palette import of_record
from midspan.records.engineio import EnginePacket
from midspan.records.exchange import Exchange, Sighting
from midspan.records.frames import Frame
from midspan.records.http import HttpBody
from midspan.records.record import Record
from midspan.records.socketio import SocketPacket
from midspan.refusal import need

if TYPE_CHECKING:
    import pandas


def table(exchange: Exchange, *, times: bool = False) -> pandas.DataFrame:
    """Everything seen, a row for each sighting.

    Columns: connection, sender, protocol (of the outermost record), bytes (on the wire, without TLS and TCP), what (the
    line of the exchange); with `times` also at_s.
    """
    rows = [_row(exchange, seen) for seen in _checked(exchange)]
    return _frame(rows, ["connection", "sender", *(["at_s"] if times else []), "protocol", "bytes", "what"])


def frame_table(exchange: Exchange, *, times: bool = False) -> pandas.DataFrame:
    """The WebSocket frames, a row each.

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


def _row(exchange: Exchange, seen: Sighting) -> dict[str, Any]:
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
    import pandas  # half a second: only for those who ask for a table

    return pandas.DataFrame(rows, columns=columns)
