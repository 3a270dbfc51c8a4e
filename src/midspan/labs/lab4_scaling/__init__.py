"""Lab 4, Any node, any client: three nodes that share a broker.

`drafts` has the first draft of each part, and `ends` a node and a client that use the parts. The notebook takes both.
The checks begin with `searching` (the lab and its schedules) and `doubles` (for a connection and a broker). Then a
module for each group of steps, in the order of the notebook: `membership` (rooms on one node), `broker_log` (what takes
a message into a log in the broker), `following` (a node follows that log, and acknowledges), `ownership` (which node
owns a connection, slow readers), `departures` (nodes leave).
"""

from pathlib import Path  # noqa: I001 - importing registers the steps, in the notebook's order

from midspan.grading.finished_labs import show
from midspan.labs.lab4_scaling import membership, broker_log, following, ownership, departures
from midspan.labs.first_draft import FirstDraft
from midspan.labs.lab4_scaling.searching import lab
from midspan.labs.lab4_scaling.searching import again, draft, look

borrow, check = lab.borrow, lab.checks
_first = FirstDraft(Path(__file__).parent)
first_draft, show_source = _first.define, _first.show

__all__ = ["again", "borrow", "check", "draft", "first_draft", "lab", "look", "show", "show_source"]
