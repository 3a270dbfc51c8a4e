"""The conclusions of chapter 00: what a cut leaves, where Socket.IO stands, what a raw connection carries."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.protocols.exchange import Exchange
from midspan.protocols.layering import Stack
from midspan.simulation.run_report import RunReport


@conclusion(
    "L4",
    "reconnection",
    "holds",
    "python-socketio, websockets",
    "after a cut each client connects again by itself, and what it sends then arrives",
    control="the same cut with a plain client of websockets, which connects once",
)
def reconnects(*runs: RunReport) -> Seen:
    """Each run of the opening chat: was the message that Ana sends after the cut delivered to both?"""
    heard = [sum(record.message == "three" for record in run.history.of("delivered")) for run in runs]
    return Seen(all(count == 2 for count in heard), f"'three' was delivered to {_listed(heard)} of 2 clients")


@conclusion(
    "L1",
    "",
    "holds",
    "python-socketio, websockets",
    "over a WebSocket, all bytes that Socket.IO adds stand inside the frame's payload",
    control="the same event over HTTP polling, where no frame carries it",
)
def events_are_payload(framework: Stack, raw: Stack) -> Seen:
    """The same JSON as a Socket.IO event, and as a raw message, both cut into layers."""
    payload = raw.names.index("payload")
    around = (raw.names[:payload], raw.names[payload + 1 :])
    end = len(framework) - len(around[1])
    inside = sum(len(layer.data) for layer in framework[payload:end]) - len(raw.layer("payload").data)
    added = framework.size_bytes - raw.size_bytes
    return Seen(
        around == (framework.names[:payload], framework.names[end:]) and added == inside,
        f"{added} bytes more in all, {inside} of them in {', '.join(framework.names[payload:end])}; "
        f"around these stand {', '.join(framework.names[:payload] + framework.names[end:])}",
    )


@conclusion(
    "L2",
    "",
    "holds",
    "websockets",
    "one TCP connection carries one frame for each short message, with exactly its bytes, and the close",
    control="the connection of a python-socketio client that sends the same",
)
def nothing_but_messages(connection: Exchange, messages: Collection[bytes]) -> Seen:
    """All that passed on one connection, and the messages that its applications sent and received on it."""
    frames = connection.frames()
    data = [frame.record.payload for frame in frames if frame.record.name != "CLOSE"]  # type: ignore[attr-defined]
    opened = str(connection).count("TCP opened")
    right = sorted(data) == sorted(messages) and len(frames) == len(data) + 2 and opened == 1
    return Seen(
        right and len(connection.heads()) == 2,
        f"{len(connection.heads())} HTTP heads, {len(data)} frames for {len(messages)} messages, "
        f"{len(frames) - len(data)} close frames, {opened} TCP connection",
    )


@conclusion(
    "L3",
    "",
    "holds",
    "python-socketio, websockets",
    "no client that speaks one of them is served by a server of the other",
    control="a client of python-socketio at a server of python-socketio",
)
def a_wrong_pairing_fails(visits: Mapping[str, BaseException | None]) -> Seen:
    """The error that ended each visit of a client; None for one that was served."""
    ended = "; ".join(f"{visit}: {_in_words(error)}" for visit, error in visits.items())
    return Seen(None not in visits.values(), ended)


def _in_words(error: BaseException | None) -> str:
    return "served" if error is None else type(error).__name__


def _listed(counts: Collection[int]) -> str:
    return " and ".join(map(str, counts))
