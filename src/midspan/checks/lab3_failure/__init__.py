"""Lab 3, Nothing lost, nothing twice, in order: a session over raw WSS. A module for each group of steps."""

from midspan.checks.demonstrations import show  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.checks.lab3_failure import (
    drafting,
    beating,
    returning,
    sending,
    taking,
    resuming,
    control,
)
from midspan.checks.lab3_failure.cast import cast_of
from midspan.checks.lab3_failure.earlier import earlier
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.lab3_failure.looking import again, look

check = lab.checks

__all__ = [
    "again",
    "beating",
    "cast_of",
    "check",
    "control",
    "drafting",
    "earlier",
    "lab",
    "look",
    "resuming",
    "returning",
    "sending",
    "show",
    "taking",
]
