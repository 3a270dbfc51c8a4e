"""The conclusions of chapter 01: what a WebSocket connection is made of, and what passes on it."""

from __future__ import annotations

from collections.abc import Collection

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.experiments.both_ways import largest_frame
from midspan.protocols.capture import OTHER, SIDES, Capture, Side, TcpEvent, count, read_tls_records
from midspan.protocols.exchange import Exchange
from midspan.protocols.websocket import Frame

MIB = 2**20


@conclusion(
    "L2",
    "one connection",
    "holds",
    "websockets",
    "all messages of both ends pass on one TCP connection, which ends after a close frame from each",
    control="a python-socketio client over HTTP polling that sends the same",
)
def one_connection_carries_all(seen: Exchange, messages: Collection[bytes]) -> Seen:
    """All that a tap saw, and the messages that the applications of both ends sent."""
    tcp = {kind: [at for at, one in enumerate(seen) if _is_tcp(one.record, kind)] for kind in ("opened", "ended")}
    closes = [at for at, one in enumerate(seen) if isinstance(one.record, Frame) and one.record.name == "CLOSE"]
    carried = sum(message.data in messages for message in seen.messages())
    lasts = len(closes) == 2 and max(closes) < min(tcp["ended"], default=0)
    all_carried = sorted(message.data for message in seen.messages()) == sorted(messages)
    return Seen(
        len(tcp["opened"]) == 1 and lasts and all_carried,
        f"{count(len(tcp['opened']), 'TCP connection')} opened; {carried} of {len(messages)} messages in frames; "
        f"{count(len(closes), 'close frame')} before the end of TCP",
    )


@conclusion(
    "L2",
    "only RFC 6455 inside TLS",
    "holds",
    "websockets",
    "each byte of an uncompressed connection belongs to one of the upgrade's two HTTP heads or to a WebSocket frame, "
    "and travels in a TLS record",
    control="a python-socketio client over HTTP polling, whose packets are HTTP bodies; and the same talk without TLS",
)
def only_frames_inside_tls(seen: Exchange, capture: Capture) -> Seen:
    """The records of one connection, and the chunks that they were read from."""
    carrying = [chunk for chunk in capture if chunk.data]
    frames = [one for one in seen.frames() if not one.fault]
    known = [head.raw for head in seen.heads()] + [one.record.raw for one in frames]
    rest = sum(len(chunk.data) for chunk in carrying) - sum(map(len, known))
    clear = sum(len(chunk.data) for chunk in carrying if not _in_records(chunk.tls, chunk.data))
    return Seen(
        len(seen.heads()) == 2 and frames != [] and rest == clear == 0,
        f"{len(seen.heads())} HTTP heads, {len(frames)} frames, {rest} other bytes; {_some(clear)} outside TLS",
    )


@conclusion(
    "L2",
    "full-duplex",
    "holds",
    "websockets",
    "while a large message of one end passes, bytes of the other end's message pass too, in both directions",
    control="the same two messages, of which the server sends its own only after it has received the client's",
)
def both_ends_send_at_once(seen: Exchange) -> Seen:
    """The two largest frames of an exchange, one of each end: how much of each passed inside the other."""
    inside = {side: _inside(seen, side) for side in SIDES}
    passed = (f"{size / MIB:.1f} MiB of the {side}'s inside the {OTHER[side]}'s" for side, size in inside.items())
    return Seen(all(inside.values()), " and ".join(passed))


def _inside(seen: Exchange, side: Side) -> int:
    """The bytes of one side that passed between the first and the last byte of the other side's message."""
    mine, other = (_largest(seen, end) for end in (side, OTHER[side]))
    return sum(size for at_s, size in mine if other[0][0] < at_s < other[-1][0])


def _largest(seen: Exchange, side: Side) -> list[tuple[float, int]]:
    """When the parts of a side's largest frame passed, and how many bytes each has."""
    return [(chunk.at_s, len(chunk.data)) for chunk in largest_frame(seen, side).carried]


def _is_tcp(record: object, kind: str) -> bool:
    return isinstance(record, TcpEvent) and record.kind == kind


def _in_records(tls: bytes, plaintext: bytes) -> bool:
    """Whether these bytes are whole TLS records in which the plaintext does not stand readable."""
    records, rest = read_tls_records(tls)
    return bool(records) and rest == b"" and plaintext not in tls


def _some(size: int) -> str:
    return count(size, "byte") if size else "none"
