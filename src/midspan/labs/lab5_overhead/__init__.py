"""Lab 5, The guarantees, cheaper: lab 3's session in fewer bytes, with all that it promised.

A module for each group of steps; begin with `packets`.
"""

from midspan.grading.finished_labs import show  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.labs.lab5_overhead import packets, sending, direct_handling
from midspan.labs.lab5_overhead.searching import lab
from midspan.labs.lab3_failure.session import earlier
from midspan.labs.lab5_overhead.searching import again, cost, look

check = lab.checks

__all__ = ["again", "check", "cost", "earlier", "lab", "look", "show"]
