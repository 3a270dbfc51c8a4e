"""Lab 2, Names, answers, namespaces: from an envelope on raw WSS to a Socket.IO server.

A module for each group of steps; begin with `peer`.
"""

from midspan.grading.finished_labs import show, written  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.labs.lab2_events import peer, sessions, packets, engineio, serving
from midspan.labs.lab2_events.lab import lab

check = lab.checks

__all__ = ["check", "lab", "show", "written"]
