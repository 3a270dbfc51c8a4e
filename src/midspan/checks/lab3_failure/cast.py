"""The session of a finished lab 3, as a cast: the reference's, the learner's, or that of any notebook."""

from __future__ import annotations

from dataclasses import replace

from midspan.checks.finished import finished
from midspan.checks.lab3_failure.lab import lab
from midspan.refusal import Refusal
from midspan.sim import Bounds, Cast


def cast_of(source: str = "solutions", bounds: Bounds | None = None) -> Cast:
    """The session that a notebook of this lab has built.

    Args:
        source: "solutions", "labs", or the path of a notebook.
        bounds: what the session promises; those of the notebook if None.

    Raises:
        Refusal: the notebook is not there, a part is still to do, or a cell raises.
    """
    cast = getattr(finished(lab.name, source), lab.plays, None)
    if not isinstance(cast, Cast):
        raise Refusal("a session named ours", cast, "Take a fresh copy of the lab")
    return cast if bounds is None else replace(cast, bounds=bounds)
