"""Lab 1, Whole messages only: RFC 6455 from the accept key to sockets.

A module for each group of steps, in the order of the notebook: `frames` (the accept key, the mask, one frame),
`parsing` (frames from any pieces, messages from fragments), `connections` (closing, without sockets), `handshakes`
(the opening, on both ends), `serving` (real sockets).
"""

from midspan.grading.finished_labs import show  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.labs.lab1_framing import frames, parsing, connections, handshakes, serving
from midspan.labs.lab1_framing.frames import lab

borrow, check = lab.borrow, lab.checks

__all__ = ["borrow", "check", "lab", "show"]
