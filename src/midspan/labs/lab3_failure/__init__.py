"""Lab 3, Nothing lost, nothing twice, in order: a session over raw WSS.

Begin with `searching`: the lab, its doubles, and how a step searches for a schedule that violates a guarantee. Then a
module for each group of steps, in the order of the notebook: `connecting`, `reconnecting`, `sending`, `places`,
`resuming`. `drafts` has the parts that the learner replaces, `ends` the server and the client that use the parts.
`session` makes an implementation under test from a finished notebook; labs 4 and 5 use it too.
"""

from midspan.grading.finished_labs import show, show_source  # noqa: I001 - importing registers the steps, in order
from midspan.labs.lab3_failure import connecting, drafts, ends, reconnecting, sending, places, resuming
from midspan.labs.lab3_failure.searching import lab
from midspan.labs.lab3_failure.session import again, implementation_of, earlier, look, own_column

borrow, check = lab.borrow, lab.checks

__all__ = ["again", "borrow", "check", "drafts", "earlier", "ends", "implementation_of", "lab", "look"]
__all__ += ["own_column", "show", "show_source"]
