"""Lab 1, Whole messages only: RFC 6455 from the accept key to sockets. A module for each group of steps."""

from midspan.checks.lab1_framing import (  # noqa: I001 - importing registers the steps, in the order of the notebook
    keys,
    writing,
    reading,
    messages,
    closing,
    connections,
    opening,
    sockets,
    serving,
    patience,
)
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.demonstrations import show

check = lab.checks

__all__ = [
    "check",
    "closing",
    "connections",
    "keys",
    "lab",
    "messages",
    "opening",
    "patience",
    "reading",
    "serving",
    "show",
    "sockets",
    "writing",
]
