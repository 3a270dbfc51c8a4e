"""Lab 1, Whole messages only: RFC 6455 from the accept key to sockets.

A module for each group of steps, in the order of the notebook: `frames` (the accept key, the mask, one frame),
`headers` (reading a header), `parsing` (frames from any pieces), `messages` (messages from fragments, what a close
says), `connections` (both ends of a conversation, without sockets), `handshakes` (the opening, on both ends),
`streams` (a connection on a stream), `serving` (servers and clients). `given` holds what the notebook imports:
records, errors, and the first server.
"""

from midspan.grading.finished_labs import show, show_source  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.labs.lab1_framing import frames, headers, parsing, messages, connections, handshakes, streams, serving
from midspan.labs.lab1_framing.frames import lab
from midspan.labs.lab1_framing.given import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_SIZE,
    PING,
    PONG,
    TEXT,
    Closed,
    Frame,
    Header,
    ListeningServer,
    Refused,
    Violation,
    carry_bytes,
    hang_up,
    library_handshake,
    simple_server,
)

borrow, check = lab.borrow, lab.checks

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "MAX_SIZE",
    "PING",
    "PONG",
    "TEXT",
    "Closed",
    "Frame",
    "Header",
    "ListeningServer",
    "Refused",
    "Violation",
    "borrow",
    "carry_bytes",
    "check",
    "hang_up",
    "lab",
    "library_handshake",
    "show",
    "show_source",
    "simple_server",
]
