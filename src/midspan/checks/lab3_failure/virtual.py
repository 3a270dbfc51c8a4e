"""Unit checks in virtual time: what cannot go on there is a sentence."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from midspan.checks.transcript import Wrong
from midspan.sim import SimulationError, run


def in_virtual_time(checks: Coroutine[Any, Any, None], limit_s: float = 3600.0) -> None:
    """Run these checks to their end; a deadlock, a loop that never waits, or a real clock is wrong in its own words."""
    try:
        run(checks, limit_s)
    except SimulationError as error:
        raise Wrong(str(error)) from None
