"""A capture: the chunks of bytes that a tap saw. Also what all records have in common, and the records of TLS.

A record is a frozen dataclass. Its `str()` is one line, and `.raw` is the bytes on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, get_args, overload, runtime_checkable

from midspan import errors
from midspan.errors import Refusal, need

SHOWN_CHARACTERS = 72  # of a payload in a line of 120 characters


@runtime_checkable
class Record(Protocol):
    """One thing that a parser has read, of any protocol."""

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class TcpEvent:
    """A TCP connection was opened, ended by its sender (FIN) or reset (RST): RFC 9293, sections 3.5 and 3.6."""

    kind: Literal["opened", "ended", "reset"]
    raw: bytes = b""

    def __str__(self) -> str:
        return {"opened": "TCP opened", "ended": "TCP ended (FIN)", "reset": "TCP reset (RST)"}[self.kind]

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class Partial:
    """Bytes at the end of a capture that are the beginning of something. `of`: of what."""

    of: str
    raw: bytes

    def __str__(self) -> str:
        return f"incomplete {self.of}: {count(len(self.raw), 'byte')} {shown(self.raw)}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class Garbage:
    """Bytes that do not follow the protocol at this place. `why`: the reason."""

    expected: str
    why: str
    raw: bytes

    def __str__(self) -> str:
        return f"not {self.expected}: {count(len(self.raw), 'byte')} {shown(self.raw)} ({self.why})"

    __repr__ = __str__


def count(number: int, what: str) -> str:
    """A number with its noun: `1 byte`, `2 bytes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def shown(data: bytes | str, characters: int = SHOWN_CHARACTERS) -> str:
    """A payload in one line: in quotes if it is printable UTF-8, otherwise in hexadecimal; "" if empty."""
    text = as_text(data)
    if text is None:
        return shortened(bytes(data).hex(), characters) if isinstance(data, bytes) else ""
    return quoted(shortened(text, characters)) if text else ""


def quoted(text: str) -> str:
    """`text` in double quotes, or in single quotes if it has double ones (JSON). A line break is shown as \\n."""
    if '"' not in text or "'" in text:
        return json.dumps(text, ensure_ascii=False)
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"') + "'"


def as_text(data: bytes | str) -> str | None:
    """The text in `data`; None if it is not UTF-8 or has control characters."""
    if isinstance(data, bytes):
        try:
            data = data.decode()
        except UnicodeDecodeError:
            return None
        # Allowed control characters: tab, newlines and the record separator of Engine.IO.
        return data if all(c.isprintable() or c in "\t\r\n\x1e" for c in data) else None
    return data


def shortened(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """`text`, without its middle if it is longer than `characters`."""
    return errors.without_middle(text, characters)


# TLS 1.3: RFC 8446
HEADER_BYTES = 5
# section 5.2: 1 byte of true content type and 16 bytes of tag, with all ciphers of section B.4 except CCM_8
TRAILER_BYTES = 17
# section 5.1 (and appendix B.1)
CONTENT_TYPES: dict[int, str] = {
    0: "invalid",
    20: "change_cipher_spec",
    21: "alert",
    22: "handshake",
    23: "application_data",
}


@dataclass(frozen=True, slots=True, repr=False)
class TlsRecord:
    """One TLS record on the wire: a header in plaintext, then a fragment, which is encrypted after the handshake.

    TLS adds 5 bytes before the content and 17 bytes after it (the true content type and the tag). An observer without
    keys can read the header only.
    """

    content_type: int
    fragment: bytes
    raw: bytes

    @property
    def name(self) -> str:
        """The content type, as the specification names it. In TLS 1.3 every encrypted record is application_data."""
        return CONTENT_TYPES.get(self.content_type, f"unknown type {self.content_type}")

    @property
    def header(self) -> bytes:
        """Type, version (always 0303), length."""
        return self.raw[:HEADER_BYTES]

    def __str__(self) -> str:
        return f"{self.name} {count(len(self.fragment), 'byte')}"

    __repr__ = __str__


def read_tls_records(data: bytes) -> tuple[tuple[TlsRecord, ...], bytes]:
    """All whole records at the beginning of `data` (`Chunk.tls`), and the bytes after them."""
    need(isinstance(data, bytes), "bytes of a TLS stream", data, "Pass Chunk.tls")
    records, at = [], 0
    while len(data) - at >= HEADER_BYTES:
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        end = at + HEADER_BYTES + length
        if end > len(data):
            break
        records.append(TlsRecord(data[at], data[at + HEADER_BYTES : end], data[at:end]))
        at = end
    return tuple(records), data[at:]


# A `Capture` is a value. It can be sliced, compared, written to JSON and read again. So one recording can be the input
# of all parsers, pictures and tests.


Side = Literal["client", "server"]
ChunkKind = Literal["opened", "data", "ended", "reset"]

SIDES: tuple[Side, ...] = get_args(Side)
KINDS: tuple[ChunkKind, ...] = get_args(ChunkKind)
OTHER: dict[Side, Side] = {"client": "server", "server": "client"}
SHOWN_BYTES = 16  # of a chunk's data in its line


@dataclass(frozen=True, slots=True, repr=False)
class Chunk:
    """What the tap saw at one moment: bytes of one side, or the begin or end of a connection.

    Attributes:
        connection: 1, 2, ... in the order in which the connections were opened.
        sender: the side that sent it, "client" or "server".
        at_s: seconds since the tap was opened.
        kind: "opened" (TCP connection), "data" (bytes), "ended" (FIN from the sender), "reset" (RST).
        data: plaintext; empty for TLS records that carry none, such as a handshake.
        tls: the TLS records on the wire; empty without TLS.
    """

    connection: int
    sender: Side
    at_s: float
    kind: ChunkKind
    data: bytes = b""
    tls: bytes = b""

    def __post_init__(self) -> None:
        need(
            isinstance(self.connection, int) and self.connection >= 1,
            "a connection number from 1 up",
            self.connection,
            "Number the connections in the order in which they are opened",
        )
        need(self.sender in SIDES, "a sender, 'client' or 'server'", self.sender, "Name the end that sent the chunk")
        need(self.kind in KINDS, f"a kind out of {KINDS}", self.kind, "Say what the tap saw")
        need(isinstance(self.data, bytes), "plaintext as bytes", self.data, "Convert it with bytes(...)")
        need(isinstance(self.tls, bytes), "TLS records as bytes", self.tls, "Convert them with bytes(...)")

    def __str__(self) -> str:
        arrow = f"{self.sender} -> {OTHER[self.sender]}"
        if self.kind != "data":
            return f"{arrow}  TCP connection {self.connection} {self.kind}"
        if not self.data:
            kind = CONTENT_TYPES.get(self.tls[0], "record") if self.tls else "record"
            return f"{arrow}  TLS {kind}, no plaintext"
        dots = " ..." if len(self.data) > SHOWN_BYTES else ""
        return f"{arrow}  {len(self.data)} bytes {self.data[:SHOWN_BYTES].hex(' ')}{dots}"

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Capture(Sequence[Chunk]):
    """An immutable sequence of chunks, in order. A slice is a capture again.

    Attributes:
        chunks: what the tap saw.
        before: earlier chunks of the same connections. A parser needs them (for the agreed protocol, the beginning of
            a frame, the state of a compressor), and gives no records of them.
    """

    chunks: tuple[Chunk, ...] = ()
    before: tuple[Chunk, ...] = ()

    def __post_init__(self) -> None:
        for chunk in (*self.before, *self.chunks):
            need(isinstance(chunk, Chunk), "chunks only", chunk, "Build a Capture from a tuple of Chunk")

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> Capture: ...
    def __getitem__(self, index: int | slice) -> Chunk | Capture:
        return Capture(self.chunks[index], self.before) if isinstance(index, slice) else self.chunks[index]

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.chunks)

    def __str__(self) -> str:
        return "\n".join(map(str, self.chunks)) or "(nothing captured)"

    __repr__ = __str__

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of the connections in this capture, in ascending order."""
        return tuple(sorted({chunk.connection for chunk in self.chunks}))

    def of(self, connection: int) -> Capture:
        """The chunks of one connection.

        Raises:
            Refusal: the capture has no such connection.
        """
        kept = tuple(chunk for chunk in self.chunks if chunk.connection == connection)
        known = ", ".join(map(str, self.connections)) or "none"
        need(bool(kept), f"a connection of this capture ({known})", connection, "Choose one of its .connections")
        return Capture(kept, tuple(chunk for chunk in self.before if chunk.connection == connection))

    def since(self, index: int) -> Capture:
        """The chunks from `index` on. Earlier chunks go to `before`, because a parser needs them.

        To look at one step of a conversation: `mark = len(capture)`, do the step, then `capture.since(mark)`.
        """
        need(0 <= index <= len(self), f"a position from 0 to {len(self)}", index, "Take len(capture) before the step")
        return Capture(self.chunks[index:], self.before + self.chunks[:index])

    def sent_by(self, side: Side) -> bytes:
        """All plaintext that one side sent, in order.

        If the capture has several connections, choose one first: `capture.of(1).sent_by("client")`.
        """
        need(side in SIDES, "a side, 'client' or 'server'", side, "Name the end whose bytes you want")
        return b"".join(chunk.data for chunk in self.chunks if chunk.sender == side)

    def to_json(self) -> str:
        """A JSON text, with bytes in hexadecimal. One chunk a line, so that a diff of two captures is readable."""
        return '{"before": ' + _lines(self.before) + ', "chunks": ' + _lines(self.chunks) + "}\n"

    @classmethod
    def from_json(cls, text: str) -> Capture:
        """The capture that `to_json` wrote.

        Raises:
            Refusal: `text` is not such a JSON text.
        """
        try:
            plain = json.loads(text)
            return cls(tuple(map(_chunk, plain["chunks"])), tuple(map(_chunk, plain["before"])))
        except Refusal:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            expected = "a capture written by Capture.to_json()"
            raise Refusal(expected, text, f"Record it again ({type(error).__name__}: {error})") from error


def _lines(chunks: tuple[Chunk, ...]) -> str:
    return "[\n" + ",\n".join("  " + json.dumps(_plain(chunk)) for chunk in chunks) + "\n]" if chunks else "[]"


def _plain(chunk: Chunk) -> dict[str, Any]:
    plain: dict[str, Any] = {"connection": chunk.connection, "sender": chunk.sender}
    plain |= {"at_s": round(chunk.at_s, 6), "kind": chunk.kind}
    return plain | {name: value.hex() for name, value in (("data", chunk.data), ("tls", chunk.tls)) if value}


def _chunk(plain: dict[str, Any]) -> Chunk:
    hexadecimal = {name: bytes.fromhex(plain.get(name, "")) for name in ("data", "tls")}
    sender, kind = cast("Side", plain["sender"]), cast("ChunkKind", plain["kind"])
    return Chunk(plain["connection"], sender, float(plain["at_s"]), kind, **hexadecimal)
