"""Lab 2, Names, answers, namespaces: from an envelope on raw WSS to a Socket.IO server. A module for each step."""

from midspan.checks.lab2_events import (  # noqa: I001 - importing registers the steps, in the order of the notebook
    envelopes,
    events,
    calls,
    sessions,
    guarding,
    attachments,
    hostility,
    engines,
    packets,
    serving,
)
from midspan.checks.demonstrations import show, written
from midspan.checks.lab2_events.lab import lab

check = lab.checks

__all__ = [
    "attachments",
    "calls",
    "check",
    "engines",
    "envelopes",
    "events",
    "guarding",
    "hostility",
    "lab",
    "packets",
    "serving",
    "sessions",
    "show",
    "written",
]
