"""TLS records, as much of them as a tap without keys can see: RFC 8446, section 5.1.

The header is in the clear: what kind, how long. What a record says about itself is part of the price of TLS, 5 bytes
in front and 17 behind (the true content type and the tag), and is all that a stranger on the wire learns.
"""

from __future__ import annotations

from dataclasses import dataclass

from midspan.errors import need
from midspan.protocols.record import count

HEADER_BYTES = 5
TRAILER_BYTES = (
    17  # section 5.2: 1 byte of true content type, and 16 bytes of tag with each cipher of section B.4 but CCM_8
)

# RFC 8446, section 5.1 (and appendix B.1)
CONTENT_TYPES: dict[int, str] = {
    0: "invalid",
    20: "change_cipher_spec",
    21: "alert",
    22: "handshake",
    23: "application_data",
}


@dataclass(frozen=True, slots=True, repr=False)
class TlsRecord:
    """One record: header in the clear, then a fragment, encrypted but for the first of a handshake."""

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
