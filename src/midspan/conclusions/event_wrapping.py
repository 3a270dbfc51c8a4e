"""The conclusions of chapter 02: what stands around an event, which program puts it there, and what that takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.experiments.conversations import Reaction
from midspan.protocols.capture import count
from midspan.protocols.engineio import EnginePacket
from midspan.protocols.exchange import Exchange, Sighting
from midspan.protocols.socketio import SocketPacket

# Socket.IO protocol, 5th version, "Packet encoding": what may stand in front of the JSON
HEAD = re.compile(r"(?P<type>\d)(?P<namespace>/[^,]*,)?(?P<ack_id>\d*)")


@conclusion(
    "M1",
    "",
    "holds",
    "websockets",
    "each message goes out once, as written, to the other end alone; the library answers none and sends none again "
    "after a cut; and the loop of the handler sets the order of the answers",
    control="client code that sends the lost message again; a server that passes messages on; the same loop twice",
)
def our_code_decides(said: Sequence[str], wire: Sequence[str], orders: Iterable[Sequence[str]]) -> Seen:
    """What Ana's code gave to `send` around a cut; what the tap saw of it; the answers of two loops, in their order."""
    first, lost, last = said
    first_loop, second_loop = orders
    return Seen(
        list(wire) == [first, last] and list(first_loop) == [*reversed(second_loop)],
        f"3 messages given, {len(wire)} on the wire, {wire.count(lost)} of them the lost one; "
        f"first answers: {first_loop[0]} and {second_loop[0]}",
    )


@conclusion(
    "M2",
    "",
    "holds",
    "python-socketio",
    "type, namespace and ack id have a place each in front of the JSON; the name is the first item in it; and "
    "without an ack id its place is empty",
    control="the same changes to this chapter's envelope, an array of name, data and id",
)
def each_part_has_its_place(texts: Mapping[str, str]) -> Seen:
    """One event as text, "as it is" and with one part changed; "no ack id": without it."""
    base, *_ = parts = [_places(text) for text in texts.values()]
    moved = {
        what: sorted(place for place in base.keys() | now.keys() if base.get(place) != now.get(place))
        for what, now in zip(texts, parts, strict=True)
    }
    own = {"packet type": ["type"], "namespace": ["namespace"], "event name": ["JSON"], "ack id": ["ack_id"]}
    right: dict[str, list[str]] = {"as it is": [], **own, "no ack id": ["ack_id"]}
    return Seen(moved == right, "; ".join(f"{what} moves {', '.join(moved[what]) or 'nothing'}" for what in own))


@conclusion(
    "L3",
    "events",
    "holds",
    "python-socketio, websockets",
    "neither python-socketio's server nor our envelope's takes the other's event: each closes the connection",
    control="an event of its own kind for each server",
)
def refuse_each_others_events(reactions: Mapping[str, Reaction]) -> Seen:
    """What each server did with the event."""
    closed = [one.close_code is not None and not one.answers for one in reactions.values()]
    return Seen(all(closed), "; ".join(f"{server}: {one}" for server, one in reactions.items()))


@conclusion(
    "L4",
    "protocol",
    "holds",
    "python-socketio",
    "before the first event the two ends exchange packets that no application sent",
    control="a connection of websockets with the same message",
)
def greets_before_events(connection: Exchange, first: str) -> Seen:
    """The connection, and a piece of its first event."""
    frames = list(connection.frames())
    before = frames[: next(place for place, seen in enumerate(frames) if first in seen.what)]
    names = ", ".join(_name(seen) for seen in before)
    return Seen(bool(before), f"{len(before)} messages before the first event: {names or 'none'}")


@conclusion(
    "L4",
    "events",
    "holds",
    "python-socketio",
    "the library calls the handler that is registered for the name of the event",
    control="the same names and data as JSON for a handler of websockets, which gets each message",
)
def finds_handlers_by_name(answers: Mapping[str, tuple[Any, Any]]) -> Seen:
    """For each event: what the function for its name returns, and what the client heard."""
    found = [name for name, (returned, heard) in answers.items() if returned == heard]
    return Seen(len(found) == len(answers) > 1, f"{len(found)} of {len(answers)} events met the function of their name")


@conclusion(
    "L4",
    "acknowledgements",
    "holds",
    "python-socketio",
    "the library sends what the handler returned, under the number that the client chose",
    control="the same event from a client that asks for no acknowledgement",
)
def returns_the_handlers_value(connection: Exchange, value: object) -> Seen:
    """The connection of a client that sends one event, and the value that the handler returns."""
    asked = [one.ack_id for one in connection.sent_by("client").packets() if one.name == "EVENT"]
    acks = {one.ack_id: one.data for one in connection.sent_by("server").packets() if one.name == "ACK"}
    right = all(number is not None and acks.get(number) == [value] for number in asked)
    said = f"{count(len(asked), 'event')}, {count(len(acks), 'ACK packet')} with the handler's value"
    return Seen(right and bool(asked), said)


@conclusion(
    "L4",
    "namespaces",
    "holds",
    "python-socketio",
    "on one connection a namespace refuses the client, another one takes it, and an event is answered there",
    control="the same packets for a server where no handler serves a second namespace",
)
def shares_one_connection(connection: Exchange) -> Seen:
    """All that passed while a client tried several namespaces."""
    packets = connection.sent_by("server").packets()
    spaces = {name: _namespaces(packets, name) for name in ("CONNECT_ERROR", "CONNECT", "ACK")}
    right = spaces["CONNECT_ERROR"] - spaces["CONNECT"] and spaces["ACK"] & spaces["CONNECT"]
    told = {"refused": "CONNECT_ERROR", "entered": "CONNECT", "an event answered": "ACK"}
    words = "; ".join(f"{what}: {', '.join(sorted(spaces[name])) or 'none'}" for what, name in told.items())
    return Seen(bool(right) and len(connection.connections) == 1, f"{len(connection.connections)} connection; {words}")


@conclusion(
    "L4",
    "heartbeats on the wire",
    "holds",
    "python-socketio",
    "the server's heartbeat is a packet in a TEXT frame, and it sends no PING frame",
    control="a server of websockets, whose heartbeat is a PING frame",
)
def pings_in_text_frames(connection: Exchange) -> Seen:
    """A connection on which heartbeats passed."""
    heard = connection.frames().sent_by("server")
    packets = [seen for seen in heard if _engine_name(seen) == "ping" and seen.record.name == "TEXT"]  # type: ignore[attr-defined]
    frames = [seen for seen in heard if seen.record.name == "PING"]  # type: ignore[attr-defined]
    said = f"{count(len(packets), 'ping packet')}, {count(len(frames), 'PING frame')} of the server"
    return Seen(bool(packets) and not frames, said)


@conclusion(
    "L4",
    "polling",
    "holds",
    "python-socketio",
    "events and their answers pass in HTTP bodies, without a WebSocket frame",
    control="the same event from a client that opens a WebSocket",
)
def needs_no_websocket(connections: Exchange) -> Seen:
    """All that passed between a client and the server."""
    sent, back = (connections.sent_by(side).packets() for side in ("client", "server"))
    events = [one for one in sent if one.name.endswith("EVENT")]
    answers = [one for one in back if one.name.endswith("ACK")]
    frames = connections.frames()
    said = f"{count(len(events), 'event')}, {count(len(answers), 'answer')}, {count(len(frames), 'frame')}"
    return Seen(len(events) == len(answers) > 0 and not frames, said)


@conclusion(
    "M4",
    "lines for events",
    "holds",
    "python-socketio, websockets",
    "an application that answers several kinds of event has fewer lines of its own with the framework",
    control="an application with one kind of event and no answers",
)
def takes_fewer_lines(with_framework: int, with_envelope: int) -> Seen:
    """Lines of code that the application itself has around its handlers."""
    return Seen(with_framework < with_envelope, f"{with_framework} lines with Socket.IO, {with_envelope} on raw WSS")


def _places(text: str) -> dict[str, str]:
    """The parts of a packet by their places; only "JSON" where nothing stands before it that a packet may have."""
    head, bracket, rest = text.partition("[")
    found = HEAD.fullmatch(head)
    return {**(found.groupdict(default="") if found else {}), "JSON": bracket + rest}


def _name(seen: Sighting) -> str:
    """The innermost packet of a frame, or the frame."""
    return str((seen.inside or (seen.record,))[-1].name)  # type: ignore[attr-defined]


def _engine_name(seen: Sighting) -> str:
    return seen.inside[0].name if seen.inside and isinstance(seen.inside[0], EnginePacket) else ""


def _namespaces(packets: Iterable[SocketPacket], name: str) -> set[str]:
    return {one.namespace for one in packets if one.name == name}
