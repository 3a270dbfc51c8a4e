"""The bytes of a capture, layer by layer and in both directions. Each byte belongs to exactly one layer.

The bytes are counted in a tap's capture. Only the row of IP and TCP is computed: for each segment with data on an
Ethernet, headers of 20 + 20 bytes and 12 bytes of timestamps (RFC 791, 9293, 7323). Segments without data and the
Ethernet's own headers are not included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

from midspan.errors import checked, need
from midspan.protocols.capture import (
    HEADER_BYTES,
    SIDES,
    TRAILER_BYTES,
    Capture,
    Record,
    Side,
    as_text,
    count,
    read_tls_records,
)
from midspan.protocols.dissecting import dissect
from midspan.protocols.exchange import Sighting
from midspan.protocols.http import HttpHead
from midspan.protocols.layering import Layer, layers
from midspan.protocols.websocket import CONTROL, Frame

SEGMENT_HEADER_BYTES = 20 + 20 + 12
SEGMENT_BYTES = 1500 - SEGMENT_HEADER_BYTES  # of TCP payload in a segment on an Ethernet (RFC 894)

# The rows, outermost first.
TCP_IP, TLS_HEADER, TLS_TRAILER = "IP and TCP", "TLS header", "TLS type and tag"
TLS_PADDING, TLS_ALONE = "TLS padding", "TLS for itself"
HTTP, FRAME, MASK, CONTROL_PAYLOAD = "HTTP", "frame header", "mask", "control frame"
ENGINEIO, SOCKETIO, ACK_ID, JSON = "Engine.IO", "Socket.IO", "ack id", "JSON"
BASE64, COMPRESSED, PAYLOAD = "base64", "compressed", "payload"
LAYERS = (
    TCP_IP,
    TLS_HEADER,
    TLS_TRAILER,
    TLS_PADDING,
    TLS_ALONE,
    HTTP,
    FRAME,
    MASK,
    CONTROL_PAYLOAD,
    ENGINEIO,
    SOCKETIO,
    ACK_ID,
    JSON,
    BASE64,
    COMPRESSED,
    PAYLOAD,
)
TLS_LAYERS = (TLS_HEADER, TLS_TRAILER, TLS_PADDING, TLS_ALONE)
ROWS = {
    "HTTP head": HTTP,
    "frame header": FRAME,
    "mask": MASK,
    "close code": CONTROL_PAYLOAD,
    "close reason": CONTROL_PAYLOAD,
    "Engine.IO": ENGINEIO,
    "separator": ENGINEIO,
    "Socket.IO": SOCKETIO,
    "attachments": SOCKETIO,
    "namespace": SOCKETIO,
    "ack id": ACK_ID,
    "JSON": JSON,
}


@dataclass(frozen=True, slots=True)
class Row:
    """The bytes of one layer, from the client and from the server."""

    layer: str
    up_bytes: int
    down_bytes: int

    @property
    def both_bytes(self) -> int:
        """The sum of both directions."""
        return self.up_bytes + self.down_bytes

    def __str__(self) -> str:
        return f"{self.layer:<16}  {self.up_bytes:>7,}  {self.down_bytes:>7,}"


@dataclass(frozen=True, repr=False)
class ByteLedger:
    """The bytes of one capture, layer by layer. `str()` is a table.

    Attributes:
        rows: the outermost layer first, without empty layers.
    """

    rows: tuple[Row, ...]

    def row(self, layer: str) -> Row:
        """The row of that layer; a row of zeros if the layer is empty.

        Raises:
            Refusal: there is no such layer.
        """
        need(layer in LAYERS, f"a layer ({', '.join(LAYERS)})", layer, "Choose one of them")
        return next((row for row in self.rows if row.layer == layer), Row(layer, 0, 0))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def wire_bytes(self) -> int:
        """All bytes in both directions, in IP packets with data."""
        return sum(row.both_bytes for row in self.rows)

    @property
    def tcp_bytes(self) -> int:
        """The bytes that TCP carries in both directions: TLS records, or plaintext without TLS."""
        return self.wire_bytes - self.row(TCP_IP).both_bytes

    @property
    def plain_bytes(self) -> int:
        """The bytes that TLS carries in both directions: frames or HTTP messages."""
        return self.tcp_bytes - sum(self.row(layer).both_bytes for layer in TLS_LAYERS)

    @property
    def payload_bytes(self) -> int:
        """The bytes of the application's message."""
        return self.row(PAYLOAD).both_bytes

    @property
    def around_bytes(self) -> int:
        """The bytes that the protocols above TLS add to the application's bytes."""
        return self.plain_bytes - self.payload_bytes

    def sent_by(self, side: Side) -> int:
        """The bytes that TCP carries from that side."""
        need(side in SIDES, "a side, 'client' or 'server'", side, "Name the end whose bytes you want")
        rows = [row for row in self.rows if row.layer != TCP_IP]
        return sum(row.up_bytes if side == "client" else row.down_bytes for row in rows)

    def __str__(self) -> str:
        lines = [f"{'bytes of':<16}  {'up':>7}  {'down':>7}", *map(str, self.rows)]
        up, down = (sum(getattr(row, way) for row in self.rows) for way in ("up_bytes", "down_bytes"))
        return "\n".join([*lines, str(Row("in all", up, down))])

    __repr__ = __str__


@checked
def byte_ledger(capture: Capture, payload: bytes = b"", segments: Mapping[Side, int] | None = None) -> ByteLedger:
    """Count the bytes of a capture, layer by layer.

    Args:
        capture: whole records only; incomplete ones belong to no layer.
        payload: the bytes of the application's message. The rest of a text message counts as "JSON".
        segments: how many segments with data the kernel has counted from each side. A segment on loopback is larger
            than on an Ethernet, so the count is at least what the bytes need on an Ethernet: an end that sends after
            it has heard from the other one needs a new segment.

    Raises:
        Refusal: it is no capture, or it has bytes that belong to no layer.
    """
    counted: Counter[tuple[str, Side]] = Counter()
    for seen in dissect(capture):
        for name, size in _plain(seen, payload):
            counted[name, seen.sender] += size
    for chunk in capture:
        for name, size in _tls(chunk.tls, len(chunk.data)):
            counted[name, chunk.sender] += size
    for side in SIDES:
        carried = sum(len(chunk.tls or chunk.data) for chunk in capture if chunk.sender == side)
        named = sum(size for (_, sender), size in counted.items() if sender == side)
        need(named == carried, f"{count(carried, 'byte')} from the {side}, each in a layer", named, "Capture it whole")
        counted[TCP_IP, side] = SEGMENT_HEADER_BYTES * max(
            (segments or {}).get(side, 0), _least_segments(capture, side)
        )
    rows = (Row(layer, counted[layer, "client"], counted[layer, "server"]) for layer in LAYERS)
    return ByteLedger(tuple(row for row in rows if row.both_bytes))


@checked
def round_trips(capture: Capture) -> int:
    """How often the client waited for the server: once for the TCP handshake, then for each answer.

    (Session tickets, which a TLS server sends after the handshake, do not count: they come with another answer.)
    """
    spoken = [chunk for chunk in capture if chunk.kind in ("opened", "data")]
    opened = sum(chunk.kind == "opened" for chunk in spoken)
    turns = [chunk.sender for chunk in spoken if chunk.kind == "data"]
    return opened + sum(pair == ("client", "server") for pair in pairwise(turns))


def _least_segments(capture: Capture, side: Side) -> int:
    """How many segments this side needs on an Ethernet, for what it sends at once and in turn with the other side."""
    sent = [(chunk.sender, len(chunk.tls or chunk.data)) for chunk in capture]
    turns = groupby((one for one in sent if one[1]), key=lambda one: one[0])
    return sum(-(-sum(size for _, size in turn) // SEGMENT_BYTES) for sender, turn in turns if sender == side)


def _plain(seen: Sighting, payload: bytes) -> Iterator[tuple[str, int]]:
    """The layers above TLS of one record, with their sizes."""
    if not isinstance(seen.record, (Frame, HttpHead)):
        return
    cut = layers(seen)
    for layer in cut:
        if not layer.name.startswith("TLS"):
            yield from _split(layer, cut.record, payload)


def _split(layer: Layer, record: Record, payload: bytes) -> Iterator[tuple[str, int]]:
    """Divide a layer into the application's bytes and the bytes around them."""
    size, own = len(layer.data), len(payload)
    if layer.name not in ("payload", "JSON"):
        yield ROWS[layer.name], size
    elif isinstance(record, Frame) and record.rsv1:
        yield COMPRESSED, size
    elif isinstance(record, Frame) and record.opcode & CONTROL:
        yield CONTROL_PAYLOAD, size
    elif payload and payload in layer.data:
        yield PAYLOAD, own
        yield JSON, size - own
    elif payload and size > own and as_text(payload) is None:  # binary in a text body
        yield PAYLOAD, own
        yield BASE64, size - own
    else:
        yield (HTTP if isinstance(record, HttpHead) and layer.name == "payload" else JSON), size


def _tls(data: bytes, plain_bytes: int) -> Iterator[tuple[str, int]]:
    """The bytes that TLS adds to plaintext. Records without plaintext count in full as TLS_ALONE."""
    records, rest = read_tls_records(data)
    if not data or not plain_bytes:
        yield TLS_ALONE, len(data)
        return
    yield TLS_HEADER, HEADER_BYTES * len(records)
    yield TLS_TRAILER, TRAILER_BYTES * len(records)
    around = sum(len(record.fragment) - TRAILER_BYTES for record in records) - plain_bytes
    yield TLS_PADDING, around + len(rest)
