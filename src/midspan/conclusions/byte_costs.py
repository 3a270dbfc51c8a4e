"""The conclusions of chapter 05 that count: bytes of an event, lines of code, calls of an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.experiments.fan_outs import FanOutCost
from midspan.protocols.ledgers import ACK_ID, ENGINEIO, HTTP, SOCKETIO, ByteLedger

Ledgers = Mapping[str, ByteLedger]  # by the name of the channel

SHORT = (("envelope", "Socket.IO"), ("envelope + short ack", "Socket.IO + ack"))  # ours, theirs


@conclusion(
    "O2",
    "less framing",
    "holds only when",
    "websockets, python-socketio",
    "the acknowledgement of our envelope is spelled no longer than Socket.IO's",
    control='our acknowledgement is {"ack":2} in place of [2]',
)
def frames_less(ledgers: Ledgers) -> Seen:
    """An event in an envelope and in a Socket.IO packet: the bytes of its frames; then with the acknowledgement."""
    (ours, theirs), (our_ack, their_ack) = [[ledgers[name].plain_bytes for name in pair] for pair in SHORT]
    return Seen(
        ours < theirs and our_ack < their_ack,
        f"{ours} bytes in frames against Socket.IO's {theirs}; with the acknowledgement {our_ack} against {their_ack}",
    )


@conclusion(
    "M4",
    "more bytes",
    "holds",
    "python-socketio",
    "an event has more bytes on the wire than in a short envelope: less than a tenth more over a WebSocket, "
    "more than twice as many over polling",
    control="a WebSocket also where polling is measured",
)
def takes_more_bytes(ledgers: Ledgers) -> Seen:
    """An event and an acknowledged event in our envelope, in Socket.IO's packets, and in these over polling."""
    ways = [(*SHORT[0], "polling"), (*SHORT[1], "polling + ack")]
    sizes = [[ledgers[name].wire_bytes for name in names] for names in ways]
    right = [ours < framed < 1.1 * ours and polled > 2 * ours for ours, framed, polled in sizes]
    each = [f"{framed} bytes against {ours}, over polling {polled}" for ours, framed, polled in sizes]
    return Seen(all(right), f"{each[0]}; with the acknowledgement {each[1]}")


@conclusion(
    "O3",
    "metadata",
    "holds",
    "python-socketio",
    "each packet has one character of Engine.IO, one of Socket.IO, and an id if it is acknowledged; over polling more "
    "than half of all bytes are HTTP's",
    control="our envelope in place of Socket.IO",
)
def carries_types(ledgers: Ledgers) -> Seen:
    """The rows of the ledgers: one packet without an acknowledgement, two with it; and over polling."""
    packets = {"Socket.IO": (1, 1, 0), "Socket.IO + ack": (2, 2, 2)}
    rows = {
        name: tuple(ledgers[name].row(layer).both_bytes for layer in (ENGINEIO, SOCKETIO, ACK_ID)) for name in packets
    }
    polled = [ledgers[name] for name in ("polling", "polling + ack")]
    shares = [one.row(HTTP).both_bytes / one.wire_bytes for one in polled]
    own = "{} characters of Engine.IO, {} of Socket.IO, {} of an id".format(*rows["Socket.IO + ack"])
    return Seen(
        rows == packets and all(share > 1 / 2 for share in shares),
        f"an event and its acknowledgement have {own}; over polling HTTP has {shares[0]:.0%} and {shares[1]:.0%} of "
        "the bytes",
    )


@conclusion(
    "M4",
    "protocol code of our own",
    "holds only when",
    "aiohttp, python-socketio",
    "we need more than an envelope",
    control="the server with an envelope in place of lab 2's",
)
def saves_protocol_code(lines: Mapping[str, int]) -> Seen:
    """Lines of code of three servers: an envelope's, python-socketio's, and one that does what Socket.IO does."""
    bare, framework, own = (lines[name] for name in ("with an envelope", "with python-socketio", "lab 2's server"))
    return Seen(
        1 / 2 < bare / framework < 2 and own > 5 * framework,
        f"{framework} lines with python-socketio, {bare} with an envelope, {own} in lab 2's server",
    )


@conclusion(
    "S1",
    "fan-out",
    "holds",
    "websockets, python-socketio",
    "emit and broadcast encode a message once for all receivers, and emit takes half as much processor time again "
    "at least: the cost is in the delivery to each receiver",
    control="a broadcast in place of emit",
)
def delivery_costs(rounds: Sequence[Mapping[str, FanOutCost]]) -> Seen:
    """The same message to all, by `emit` and by `broadcast`, in each round."""
    calls = {way: max(one[way].encoder_calls for one in rounds) for way in ("broadcast", "emit")}
    ratio = median(one["emit"].cpu_ms / one["broadcast"].cpu_ms for one in rounds)
    return Seen(
        set(calls.values()) == {1} and ratio > 1.5,
        f"the encoder ran {calls['broadcast']} and {calls['emit']} times; emit took {ratio:.1f} times as much",
    )
