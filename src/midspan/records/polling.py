"""Payloads of HTTP long polling, Engine.IO version 4: several packets in one body, binary ones in base64.

Engine.IO protocol, "Packet encoding", "HTTP long-polling": packets are joined by the record separator 0x1E, bytes are
written in base64 after the letter `b`.
"""

from __future__ import annotations

from midspan.records.engineio import EnginePacket, read_engine_packet
from midspan.records.record import Garbage
from midspan.refusal import Refusal, need

SEPARATOR = b"\x1e"
OK = b"ok"  # what a server answers to a POST, and no packet; python-engineio writes it in capitals


def read_polling_payload(body: bytes) -> tuple[EnginePacket | Garbage, ...]:
    """The packets of one body in order; a piece that is none becomes `Garbage`. Nothing for an empty body or `ok`."""
    need(isinstance(body, bytes), "the body of a polling request or response", body, "Pass HttpBody.data")
    return tuple(_piece(piece) for piece in body.split(SEPARATOR)) if body and body.lower() != OK else ()


def _piece(piece: bytes) -> EnginePacket | Garbage:
    try:
        return read_engine_packet(piece.decode(), "polling")
    except Refusal as refusal:
        return Garbage("an Engine.IO packet", f"expected {refusal.expected}", piece)
    except UnicodeDecodeError:
        return Garbage("an Engine.IO packet", "not UTF-8", piece)
