"""How many bytes one TCP connection has put on the wire, headers included, as its kernel counts them.

Linux tells it of any socket, without capture or privilege (`TCP_INFO`, `struct tcp_info` in linux/tcp.h). A segment has
an IPv4 header of 20 bytes, a TCP header of 20, and 12 more of timestamps where both ends use them (RFC 7323). Segments
that only acknowledge are counted too: on a quiet connection they are a good part of the price.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Protocol

IP_BYTES, TCP_BYTES, TIMESTAMPS_BYTES = 20, 20, 12
TCPI_OPT_TIMESTAMPS = 1
OPTIONS_AT, RECEIVED_AT, SEGMENTS_AT, DATA_SEGMENTS_AT, SENT_AT = 5, 128, 136, 152, 200  # offsets in struct tcp_info
INFO_BYTES = 208  # what of it we read; since Linux 4.19


class HasOptions(Protocol):
    """A socket, or what asyncio gives in its place."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class WireCount:
    """TCP payload and segments of a connection so far, both ways; `later - earlier` is what lies between."""

    sent_bytes: int
    received_bytes: int
    segments: int
    header_bytes: int  # of one segment
    data_segments_received: int = 0  # segments that brought something, and not an acknowledgement alone

    @property
    def payload_bytes(self) -> int:
        """What TCP carried, both ways: TLS records, or frames where there is no TLS."""
        return self.sent_bytes + self.received_bytes

    @property
    def wire_bytes(self) -> int:
        """All bytes on the wire, both ways, IP and TCP headers included; no link layer."""
        return self.payload_bytes + self.segments * self.header_bytes

    def __sub__(self, earlier: WireCount) -> WireCount:
        return WireCount(
            self.sent_bytes - earlier.sent_bytes,
            self.received_bytes - earlier.received_bytes,
            self.segments - earlier.segments,
            self.header_bytes,
            self.data_segments_received - earlier.data_segments_received,
        )


def wire_count(connection: HasOptions) -> WireCount | None:
    """What the kernel has counted on a connection; None on a system that does not tell, or of a closed socket."""
    info = getattr(socket, "TCP_INFO", None)
    if info is None:
        return None
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, info, INFO_BYTES)
    except OSError:
        return None
    if len(told) < INFO_BYTES:  # another system's struct, or an old one
        return None
    (received,) = struct.unpack_from("=Q", told, RECEIVED_AT)
    out, into = struct.unpack_from("=II", told, SEGMENTS_AT)
    (data_into,) = struct.unpack_from("=I", told, DATA_SEGMENTS_AT)
    (sent,) = struct.unpack_from("=Q", told, SENT_AT)
    stamps = TIMESTAMPS_BYTES if told[OPTIONS_AT] & TCPI_OPT_TIMESTAMPS else 0
    return WireCount(sent, received, out + into, IP_BYTES + TCP_BYTES + stamps, data_into)
