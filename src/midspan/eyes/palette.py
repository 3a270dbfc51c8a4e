"""One colour and one tag for each protocol, the same in every picture of the course.

The colours are those of Okabe and Ito (2008), told apart with every common form of colour blindness; the tag says
the same in letters, so that colour is never the only sign. Ink and paper are those of JupyterLab's theme where there is
one.
"""

from __future__ import annotations

from dataclasses import dataclass

from midspan.records.engineio import EnginePacket
from midspan.records.frames import CONTROL, Frame
from midspan.records.http import HttpBody, HttpHead
from midspan.records.messages import Message
from midspan.records.record import Garbage, Partial, Record, TcpEvent
from midspan.records.socketio import Attachment, Reunited, SocketPacket

INK = "var(--jp-content-font-color1, #212121)"
QUIET = "var(--jp-content-font-color2, #616161)"
PAPER = "var(--jp-layout-color0, #ffffff)"
SHADE = "var(--jp-layout-color2, #eeeeee)"
LINE = "var(--jp-border-color1, #bdbdbd)"
MONO = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
SANS = "system-ui, 'DejaVu Sans', 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one protocol looks. `ink` is legible on `colour`; `dash` is the arrow's pattern, "" for a solid one."""

    name: str
    tag: str
    colour: str
    ink: str
    dash: str = ""


TCP = Protocol("TCP", "TCP", "#8a8a8a", "#000000", "2 4")
TLS = Protocol("TLS", "TLS", "#cc79a7", "#000000")
HTTP = Protocol("HTTP", "HTTP", "#e69f00", "#000000")
WEBSOCKET = Protocol("WebSocket", "WS", "#0072b2", "#ffffff")
CONTROL_FRAME = Protocol("WebSocket control frame", "WS", "#0072b2", "#ffffff", "7 4")
ENGINEIO = Protocol("Engine.IO", "EIO", "#56b4e9", "#000000")
SOCKETIO = Protocol("Socket.IO", "SIO", "#009e73", "#000000")
APPLICATION = Protocol("application", "APP", "#f0e442", "#000000")
FAULT = Protocol("fault", "✗", "#d55e00", "#000000", "1 3")

PROTOCOLS = (TCP, TLS, HTTP, WEBSOCKET, ENGINEIO, SOCKETIO, APPLICATION, FAULT)

OF_LAYER: dict[str, Protocol] = {
    "TLS record": TLS,
    "TLS tag": TLS,
    "HTTP head": HTTP,
    "frame header": WEBSOCKET,
    "mask": WEBSOCKET,
    "close code": WEBSOCKET,
    "close reason": WEBSOCKET,
    "Engine.IO": ENGINEIO,
    "separator": ENGINEIO,
    "Socket.IO": SOCKETIO,
    "attachments": SOCKETIO,
    "namespace": SOCKETIO,
    "ack id": SOCKETIO,
    "JSON": APPLICATION,
    "payload": APPLICATION,
}


def of_record(record: Record) -> Protocol:
    """The protocol a record belongs to."""
    match record:
        case Partial() | Garbage():
            return FAULT
        case TcpEvent():
            return FAULT if record.kind == "reset" else TCP
        case HttpHead() | HttpBody():
            return HTTP
        case Frame():
            return CONTROL_FRAME if record.opcode & CONTROL else WEBSOCKET
        case EnginePacket():
            return ENGINEIO
        case SocketPacket() | Attachment() | Reunited():
            return SOCKETIO
        case Message():
            return WEBSOCKET
    return APPLICATION
