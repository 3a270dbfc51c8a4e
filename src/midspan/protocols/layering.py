"""The layers of one record, outermost first. Each byte belongs to exactly one layer.

On the wire is the TLS record. Inside it is the frame: a header, a masking key, and a payload, which a client XORs with
the key. A layer has its bytes unmasked (`data`) and as in the frame (`wire`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import overload

from midspan.errors import Refusal
from midspan.protocols.capture import TRAILER_BYTES, Record, TlsRecord, count, read_tls_records, shown
from midspan.protocols.engineio import SEPARATOR, EnginePacket
from midspan.protocols.exchange import Sighting, without_sids
from midspan.protocols.http import HttpBody, HttpHead
from midspan.protocols.socketio import PACKET_TYPES, SocketPacket
from midspan.protocols.websocket import OPCODES, Frame, describe_close

SHOWN_BYTES = 8  # of a layer in its line of text
HIDDEN = "??"


@dataclass(frozen=True, slots=True)
class Layer:
    """The bytes of one layer, without those of the layers inside it.

    Attributes:
        name: "TLS record", "frame header", "mask", "Engine.IO", "Socket.IO", "namespace", "ack id", "JSON", ...
        data: its bytes, decrypted and unmasked.
        says: what the bytes mean, in words.
        wire: the same bytes inside the TLS record: XORed with the key if the frame is masked.
        depth: 0 for the outermost layer. A layer contains the deeper layers that follow it.
        random: whether the bytes differ on each run: the masking key and the TLS tag.
    """

    name: str
    data: bytes
    says: str
    wire: bytes
    depth: int
    random: bool = False


@dataclass(frozen=True)
class Stack(Sequence[Layer]):
    """The layers of `record`. `tls`: the TLS record around it, if it carried nothing else."""

    layers: tuple[Layer, ...]
    record: Record
    tls: TlsRecord | None = None

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Layer]: ...
    def __getitem__(self, index: int | slice) -> Layer | Sequence[Layer]:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def layer(self, name: str) -> Layer:
        """The first layer with that name.

        Raises:
            Refusal: the stack has none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise Refusal(f"a layer of this stack ({', '.join(dict.fromkeys(self.names))})", name, "Choose one of them")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the layers, outermost first."""
        return tuple(layer.name for layer in self.layers)

    @property
    def size_bytes(self) -> int:
        """The bytes of all layers together: what TCP carries for this record."""
        return sum(len(layer.data) for layer in self.layers)

    def text(self, hide: bool = True) -> str:
        """One line for each layer: name, size, bytes and meaning. `hide` replaces random bytes with ??."""
        width = max((2 * layer.depth + len(layer.name) for layer in self.layers), default=0)
        lines = [_line(layer, width, hide) for layer in self.layers]
        return "\n".join([*lines, f"{'in all':<{width}}  {count(self.size_bytes, 'byte'):>10}"])

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def layers(seen: Sighting | Frame) -> Stack:
    """Cut one record into its layers.

    Args:
        seen: a sighting, which has also the layers around the frame and inside it; or a frame alone.

    Raises:
        Refusal: it is something else, or a sighting of neither a frame nor an HTTP message.
    """
    if isinstance(seen, Frame):
        return Stack(tuple(_frame_layers(seen, (), 0)), seen)
    record = seen.record if isinstance(seen, Sighting) else None
    tls = _tls_around(seen) if isinstance(seen, Sighting) else None
    depth = 1 if tls else 0
    if isinstance(record, Frame) and isinstance(seen, Sighting):
        inner = _frame_layers(record, seen.inside, depth)
    elif isinstance(record, HttpHead) and isinstance(seen, Sighting):
        inner = _http_layers(record, seen.inside, depth)
    else:
        raise Refusal("a frame, or a sighting of a frame or an HTTP message", seen, "Take one with exchange.find(...)")
    return Stack(tuple(_with_tls(inner, tls) if tls else inner), record, tls)


def _tls_around(seen: Sighting) -> TlsRecord | None:
    """The TLS record that carried this record and nothing else; None if there is none."""
    records = read_tls_records(b"".join(chunk.tls for chunk in seen.carried))[0]
    size = len(seen.record.raw) + sum(len(record.raw) for record in seen.inside if isinstance(record, HttpBody))
    alone = sum(len(chunk.data) for chunk in seen.carried) == size
    return records[0] if alone and len(records) == 1 and len(records[0].fragment) == size + TRAILER_BYTES else None


def _with_tls(inner: list[Layer], tls: TlsRecord) -> list[Layer]:
    says = f"{tls.name}, {count(len(tls.fragment), 'byte')} follow, encrypted"
    tag = tls.raw[-TRAILER_BYTES:]
    return [
        Layer("TLS record", tls.header, says, tls.header, 0),
        *inner,
        Layer("TLS tag", tag, "true content type, authentication tag", tag, 0, random=True),
    ]


def _frame_layers(frame: Frame, inside: tuple[Record, ...], depth: int) -> list[Layer]:
    made = [Layer("frame header", frame.header, frame.words("masked" if frame.masked else ""), frame.header, depth)]
    if frame.masked:
        depth += 1
        made.append(Layer("mask", frame.mask_key, "XORed over all that follows", frame.mask_key, depth, random=True))
    at = 0
    for name, data, says in _payload_parts(frame, inside):
        key = cycle(frame.mask_key[at % 4 :] + frame.mask_key[: at % 4])
        wire = bytes(a ^ b for a, b in zip(data, key, strict=False)) if frame.masked else data
        depth, at = depth + 1, at + len(data)
        made.append(Layer(name, data, says, wire, depth))
    return made


def _payload_parts(frame: Frame, inside: tuple[Record, ...]) -> list[tuple[str, bytes, str]]:
    """Name, bytes and meaning of each part of a payload."""
    if not frame.payload:
        return []
    if OPCODES.get(frame.opcode, ("",))[0] == "CLOSE":
        parts = [("close code", frame.payload[:2], describe_close(frame.payload))]
        return parts + [("close reason", frame.payload[2:], shown(frame.payload[2:]))][: len(frame.payload) > 2]
    if isinstance(packet := inside[0] if inside else None, EnginePacket) and packet.raw == frame.payload:
        return _packet_parts(packet, inside[1:])
    says = f"compressed; {inside[0]}" if frame.rsv1 and inside else shown(frame.payload)
    return [("payload", frame.payload, says)]


def _packet_parts(packet: EnginePacket, inside: tuple[Record, ...]) -> list[tuple[str, bytes, str]]:
    """The parts of an Engine.IO packet: its digit, then the fields of its Socket.IO packet, or its data."""
    parts = [("Engine.IO", packet.header, packet.words)] if packet.header else []
    if inside and isinstance(inside[0], SocketPacket):
        return parts + [(name, data, _socket_says(inside[0], name)) for name, data in inside[0].parts()]
    data = packet.raw[len(packet.header) :]
    says = str(inside[0]) if inside else without_sids(shown(data))
    return [*parts, ("payload", data, says)] if data else parts


def _socket_says(packet: SocketPacket, name: str) -> str:
    says = {
        "Socket.IO": f"{packet.type} {packet.name}: {PACKET_TYPES[packet.type][1]}",
        "attachments": f"{count(packet.expected_attachments, 'binary message')} will follow",
        "namespace": packet.namespace,
        "ack id": f"answer with ACK {packet.ack_id}"
        if packet.type in (2, 5)
        else f"answers the event with id {packet.ack_id}",
    }
    if name == "JSON" and isinstance(packet.data, list) and packet.type in (2, 5):
        return (
            f"event {shown(str(packet.data[0]), 30)}, then its arguments" if packet.data else "an event without a name"
        )
    return says.get(name, "arguments" if isinstance(packet.data, list) else "data")


def _http_layers(head: HttpHead, inside: tuple[Record, ...], depth: int) -> list[Layer]:
    made = [Layer("HTTP head", head.raw, f"{without_sids(str(head))}, {len(head.headers)} headers", head.raw, depth)]
    body = next((record for record in inside if isinstance(record, HttpBody)), None)
    packets = [(i, record) for i, record in enumerate(inside) if isinstance(record, EnginePacket)]
    if body and (not packets or body.raw != SEPARATOR.join(p.raw for _, p in packets)):
        return [*made, Layer("payload", body.raw, shown(body.data), body.raw, depth + 1)]
    for nth, (i, packet) in enumerate(packets):
        if nth:
            made.append(Layer("separator", SEPARATOR, "between two packets", SEPARATOR, depth + 1))
        parts = enumerate(_packet_parts(packet, inside[i + 1 : i + 2]), depth + 1)
        made += [Layer(name, data, says, data, level) for level, (name, data, says) in parts]
    return made


def _line(layer: Layer, width: int, hide: bool) -> str:
    name = "  " * layer.depth + layer.name
    hidden = layer.random and hide
    some = layer.data[:SHOWN_BYTES]
    bytes_shown = " ".join([HIDDEN] * len(some)) if hidden else some.hex(" ")
    bytes_shown += " ..." if len(layer.data) > SHOWN_BYTES else ""
    return f"{name:<{width}}  {count(len(layer.data), 'byte'):>10}  {bytes_shown:<27}  {layer.says}".rstrip()
