"""Lab 4, Any node, any client: three nodes that share a broker. A module for each group of steps."""

from midspan.checks.demonstrations import show  # noqa: I001 - importing registers the steps, in the notebook's order
from midspan.checks.lab4_scaling import (
    rooms,
    hearing,
    streaming,
    accepting,
    owning,
    outlets,
    presence,
    leaving,
    control,
)
from midspan.checks.lab4_scaling.lab import lab
from midspan.checks.lab4_scaling.looking import again, draft, look

check = lab.checks

__all__ = [
    "accepting",
    "again",
    "check",
    "control",
    "draft",
    "hearing",
    "lab",
    "leaving",
    "look",
    "outlets",
    "owning",
    "presence",
    "rooms",
    "show",
    "streaming",
]
