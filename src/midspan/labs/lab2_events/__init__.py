"""Lab 2, Names, answers, namespaces: from an envelope on raw WSS to a Socket.IO server.

A module for each group of steps, in the order of the notebook: `peers` (the envelope, events and answers), `sessions`
(several namespaces), `packets` (bytes beside JSON, refused input), `engineio` (Engine.IO and the text of a packet),
`serving` (real sockets). `lab` defines the lab, and the records and doubles that its checks give to an answer.
"""

from midspan.grading.finished_labs import show, written  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.labs.lab2_events import peers, sessions, packets, engineio, serving
from midspan.labs.lab2_events.lab import lab

borrow, check = lab.borrow, lab.checks

__all__ = ["borrow", "check", "lab", "show", "written"]
