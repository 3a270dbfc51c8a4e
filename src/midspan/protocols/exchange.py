"""An exchange: a capture as records, in order. Its text is the same on each run of the same conversation.

So the text has no times, ports and masking keys. A session id, which is random, is shown as `<sid 1>`, `<sid 2>`, in
order of appearance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from midspan.errors import Refusal, need
from midspan.protocols.capture import OTHER, SIDES, Chunk, Record, Side
from midspan.protocols.engineio import EnginePacket
from midspan.protocols.http import HttpBody, HttpHead
from midspan.protocols.socketio import SocketPacket
from midspan.protocols.websocket import Frame, Message

CACHE_BUSTER = re.compile(r"[?&]t=[^&\s]*")  # polling clients add it to a GET, so that no cache answers
SID_IN_QUERY = re.compile(r"[?&]sid=([^&\s]+)")
SID_ANYWHERE = re.compile(r"""([?&]sid=|"sid":")[^&\s"]+""")


@dataclass(frozen=True, slots=True, repr=False)
class Sighting:
    """One record, with its connection and its sender.

    Attributes:
        connection: the number of the connection.
        sender: the side that sent it.
        at_s: when its last byte came, in seconds since the tap was opened.
        record: the record.
        inside: the records inside it, outermost first: (EnginePacket, SocketPacket) in a frame, or ().
        message: the WebSocket message that this frame completes; None if it completes none.
        carried: the chunks that hold its bytes, with their TLS records.
    """

    connection: int
    sender: Side
    at_s: float
    record: Record
    inside: tuple[Record, ...] = ()
    message: Message | None = None
    carried: tuple[Chunk, ...] = ()

    @property
    def what(self) -> str:
        """The records in one line, without the arrow; session ids are not replaced."""
        packets = [i for i, record in enumerate(self.inside, 1) if isinstance(record, EnginePacket)]
        signs = [" + " if i in packets[1:] else " | " for i in range(len(self.parts))]  # +: one more packet
        return "".join(sign + part for sign, part in zip(signs, self.parts, strict=True))[3:]

    @property
    def parts(self) -> tuple[str, ...]:
        """One string a record, outermost first. The data is shown only once, by the innermost record."""
        first = self.record
        if isinstance(first, Frame):
            masked = "masked" if first.masked else ""
            words = first.words(masked)
            said = words if self.inside else f"{words} {first.carries}".rstrip()
            outermost = f"{said} (breaks RFC 6455: {self.fault})" if self.fault else said
        else:
            outermost = str(first)
        return (outermost, *(_part(record, self.inside[i + 1 :]) for i, record in enumerate(self.inside)))

    @property
    def fault(self) -> str:
        """What RFC 6455 forbids in this frame, in the words of `websockets`; "" if nothing."""
        if not isinstance(self.record, Frame):
            return ""
        wrong_mask = self.record.masked != (self.sender == "client")  # section 5.1
        return self.record.fault or ("incorrect masking" if wrong_mask else "")

    def __str__(self) -> str:
        return f"{self.sender} -> {OTHER[self.sender]}  {self.what}"

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Exchange(Sequence[Sighting]):
    """Sightings, in the order in which their last bytes came. A slice or a selection is an exchange again."""

    sightings: tuple[Sighting, ...] = ()
    known_sids: tuple[str, ...] = ()  # so that a part of an exchange numbers its session ids as the whole

    @overload
    def __getitem__(self, index: int) -> Sighting: ...
    @overload
    def __getitem__(self, index: slice) -> Exchange: ...
    def __getitem__(self, index: int | slice) -> Sighting | Exchange:
        return self._with(self.sightings[index]) if isinstance(index, slice) else self.sightings[index]

    def __len__(self) -> int:
        return len(self.sightings)

    def __iter__(self) -> Iterator[Sighting]:
        return iter(self.sightings)

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of the connections, in ascending order."""
        return tuple(sorted({seen.connection for seen in self.sightings}))

    @cached_property
    def sids(self) -> tuple[str, ...]:
        """All session ids of Engine.IO and Socket.IO, in order of appearance."""
        found = dict.fromkeys(self.known_sids)
        for seen in self.sightings:
            for record in (seen.record, *seen.inside):
                found |= dict.fromkeys(_sids(record))
        return tuple(found)

    def of(self, connection: int) -> Exchange:
        """The sightings of one connection."""
        known = ", ".join(map(str, self.connections)) or "none"
        need(
            connection in self.connections,
            f"a connection seen here ({known})",
            connection,
            "Choose one of .connections",
        )
        return self._where(lambda seen: seen.connection == connection)

    def sent_by(self, side: Side) -> Exchange:
        """The sightings that one side sent."""
        need(side in SIDES, "a side, 'client' or 'server'", side, "Name the end whose records you want")
        return self._where(lambda seen: seen.sender == side)

    def between(self, start_s: float, end_s: float) -> Exchange:
        """The sightings with `start_s <= at_s < end_s`, in seconds since the tap was opened."""
        need(start_s <= end_s, "a start no later than the end", (start_s, end_s), "Swap the two")
        return self._where(lambda seen: start_s <= seen.at_s < end_s)

    def frames(self) -> Exchange:
        """The WebSocket frames only, without TCP and HTTP."""
        return self._where(lambda seen: isinstance(seen.record, Frame))

    def messages(self) -> tuple[Message, ...]:
        """Whole WebSocket messages in order: fragments joined, compression undone."""
        return tuple(seen.message for seen in self.sightings if seen.message is not None)

    def packets(self) -> tuple[SocketPacket, ...]:
        """Socket.IO packets in order, of both transports."""
        inside = (record for seen in self.sightings for record in seen.inside)
        return tuple(record for record in inside if isinstance(record, SocketPacket))

    def heads(self) -> tuple[HttpHead, ...]:
        """HTTP heads in order: `print(exchange.heads()[0].text())`."""
        return tuple(seen.record for seen in self.sightings if isinstance(seen.record, HttpHead))

    def find(self, text: str) -> Sighting:
        """The first sighting whose line contains `text`.

        Raises:
            Refusal: there is none.
        """
        need(isinstance(text, str), "text to look for in the lines", text, "Pass a piece of a line as a string")
        for seen, line in zip(self.sightings, self.lines(), strict=True):
            if text in line or text in seen.what:
                return seen
        raise Refusal("text that stands in one of the lines", text, "Print the exchange to see them")

    def hidden(self, line: str) -> str:
        """`line` with numbered session ids and without cache busters."""
        line = CACHE_BUSTER.sub("", line)
        for number, sid in enumerate(self.sids, 1):
            line = line.replace(sid, f"<sid {number}>")
        return line

    def lines(self, hide: bool = True) -> tuple[str, ...]:
        """One line for each sighting. It begins with the number of the connection, if there are several."""
        several = len(self.connections) > 1
        return tuple(self._line(seen, several, hide) for seen in self.sightings)

    def text(self, hide: bool = True) -> str:
        """All lines. `hide=False` shows the real session ids and cache busters."""
        return "\n".join(self.lines(hide)) or "(nothing seen)"

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _line(self, seen: Sighting, several: bool, hide: bool) -> str:
        what = self.hidden(seen.what) if hide else seen.what
        number = f"{seen.connection}  " if several else ""
        return f"{number}{seen.sender} -> {OTHER[seen.sender]}  {what}"

    def _where(self, wanted: Callable[[Sighting], bool]) -> Exchange:
        return self._with(tuple(filter(wanted, self.sightings)))

    def _with(self, sightings: tuple[Sighting, ...]) -> Exchange:
        return Exchange(sightings, self.sids)


def without_sids(text: str) -> str:
    """`text` of one record outside of an exchange: session ids become `<sid>`, cache busters are removed."""
    return CACHE_BUSTER.sub("", SID_ANYWHERE.sub(r"\1<sid>", text))


def _part(record: Record, after: tuple[Record, ...]) -> str:
    """The text of one record, without its data if the next record shows the data."""
    explained = bool(after) and not isinstance(after[0], EnginePacket)
    if isinstance(record, EnginePacket):
        return record.words if explained else str(record)
    return record.words if isinstance(record, (HttpBody, Message)) and after else str(record)


def _sids(record: Record) -> list[str]:
    if isinstance(record, HttpHead):
        return SID_IN_QUERY.findall(record.target)
    data = record.data if isinstance(record, SocketPacket) else None
    if isinstance(record, EnginePacket) and record.name == "open":
        try:
            data = json.loads(record.data)
        except ValueError:
            return []
    sid = data.get("sid") if isinstance(data, dict) else None
    return [sid] if isinstance(sid, str) and sid else []
