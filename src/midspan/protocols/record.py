"""What every record has in common, the records that belong to no protocol in particular, and those of TLS.

A record is a frozen dataclass. `str()` is one line of the wire, `.raw` the bytes as they stood there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from midspan import errors
from midspan.errors import need

SHOWN_CHARACTERS = 72  # of a payload in a line: what is left of 120 after the arrow and the frame's own words


@runtime_checkable
class Record(Protocol):
    """One thing seen on the wire, of whatever protocol."""

    @property
    def raw(self) -> bytes:
        """The bytes as they stood on the wire."""
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
    """Bytes at the end of what was captured that begin something and do not finish it."""

    of: str
    raw: bytes

    def __str__(self) -> str:
        return f"incomplete {self.of}: {count(len(self.raw), 'byte')} {shown(self.raw)}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class Garbage:
    """Bytes that are not what stands at this place in the protocol, and why."""

    expected: str
    why: str
    raw: bytes

    def __str__(self) -> str:
        return f"not {self.expected}: {count(len(self.raw), 'byte')} {shown(self.raw)} ({self.why})"

    __repr__ = __str__


def count(number: int, what: str) -> str:
    """`1 byte`, `2 bytes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def shown(data: bytes | str, characters: int = SHOWN_CHARACTERS) -> str:
    """A payload in one line: text in quotes where it is printable UTF-8, hexadecimal elsewhere; nothing if empty."""
    text = as_text(data)
    if text is None:
        return shortened(bytes(data).hex(), characters) if isinstance(data, bytes) else ""
    return quoted(shortened(text, characters)) if text else ""


def quoted(text: str) -> str:
    """`text` in double quotes, in single ones where it has double ones (JSON); a line break shows as \\n."""
    if '"' not in text or "'" in text:
        return json.dumps(text, ensure_ascii=False)
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"') + "'"


def as_text(data: bytes | str) -> str | None:
    """The text that `data` holds, None where a reader would not call it text (not UTF-8, or control characters)."""
    if isinstance(data, bytes):
        try:
            data = data.decode()
        except UnicodeDecodeError:
            return None
        # Control characters but tab, newlines and Engine.IO's record separator: a picture of noise helps nobody.
        return data if all(c.isprintable() or c in "\t\r\n\x1e" for c in data) else None
    return data


def shortened(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """`text` with its middle left out where it is longer than a line has room for."""
    return errors.without_middle(text, characters)


# TLS 1.3: RFC 8446
HEADER_BYTES = 5
# section 5.2: 1 byte of true content type, and 16 bytes of tag with each cipher of section B.4 but CCM_8
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
    """One record, as a tap without keys sees it: header in the clear, then a fragment, encrypted after the handshake.

    What a record says about itself is part of the price of TLS, 5 bytes in front and 17 behind (the true content type
    and the tag), and is all that a stranger on the wire learns.
    """

    content_type: int
    fragment: bytes
    raw: bytes

    @property
    def name(self) -> str:
        """The content type in the specification's word. In TLS 1.3 all that is encrypted says application_data."""
        return CONTENT_TYPES.get(self.content_type, f"unknown type {self.content_type}")

    @property
    def header(self) -> bytes:
        """Type, version (0303 whatever the version), length."""
        return self.raw[:HEADER_BYTES]

    def __str__(self) -> str:
        return f"{self.name} {count(len(self.fragment), 'byte')}"

    __repr__ = __str__


def read_tls_records(data: bytes) -> tuple[tuple[TlsRecord, ...], bytes]:
    """All whole records at the beginning of `data` (`Chunk.tls`), and the bytes that are left."""
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
