"""Lab 2, Names, answers, namespaces: from an envelope on raw WSS to a Socket.IO server.

A module for each group of steps, in the order of the notebook: `peers` (the envelope, events), `calling` (calls with
answers), `sessions` (several namespaces), `packets` (the text of a Socket.IO packet), `engineio` (Engine.IO),
`conversations` (one client on one connection), `permissions`, `attachments` (bytes beside JSON), `hostile` (refused
input), `heartbeat`, `serving` (bytes on the wire, the clock, real sockets). `lab` defines the lab, and the doubles that
its checks give to an answer. `given` has what the notebook imports, `lab1_server` puts lab 1's server under it.
"""

from midspan.grading.finished_labs import show, show_source, written  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.labs.lab2_events import peers, calling, sessions, packets, engineio, conversations, permissions
from midspan.labs.lab2_events import attachments, hostile, heartbeat, serving
from midspan.labs.lab2_events.given import (
    KINDS,
    LIMITS,
    MAX_ID,
    RESERVED,
    Envelope,
    Failed,
    Left,
    Limits,
    Namespace,
    Options,
    Refused,
    Send,
    TaskOwner,
    Violation,
)
from midspan.labs.lab2_events.lab import lab
from midspan.labs.lab2_events.lab1_server import Closed, serve_websocket, websocket_layer

borrow, check = lab.borrow, lab.checks

__all__ = [
    "KINDS",
    "LIMITS",
    "MAX_ID",
    "RESERVED",
    "Closed",
    "Envelope",
    "Failed",
    "Left",
    "Limits",
    "Namespace",
    "Options",
    "Refused",
    "Send",
    "TaskOwner",
    "Violation",
    "borrow",
    "check",
    "lab",
    "serve_websocket",
    "show",
    "show_source",
    "websocket_layer",
    "written",
]
