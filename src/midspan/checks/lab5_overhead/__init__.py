"""Lab 5, The guarantees, cheaper: lab 3's session in fewer bytes, with all that it promised. A module for each step."""

from midspan.checks.demonstrations import show  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.checks.lab3_failure.earlier import earlier
from midspan.checks.lab5_overhead import (
    heads,
    wires,
    shaping,
    deflating,
    sending,
    running,
    acking,
    writing,
    reading,
    cheaper,
)
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.looking import again, cost, look

check = lab.checks

__all__ = [
    "acking",
    "again",
    "cheaper",
    "check",
    "cost",
    "deflating",
    "earlier",
    "heads",
    "lab",
    "look",
    "reading",
    "running",
    "sending",
    "shaping",
    "show",
    "wires",
    "writing",
]
