"""The session of a finished lab 3, as a cast: the reference's, the learner's, or that of any notebook."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from midspan.checks import limits, notebooks, places, sheet
from midspan.checks.attempt import CELLS_LIMIT_S
from midspan.checks.cells import Answers
from midspan.checks.lab3_failure.lab import lab
from midspan.checks.seeds import finished_cells
from midspan.checks.sheet import Cell
from midspan.checks.values import error_in_words
from midspan.refusal import Refusal, Words
from midspan.sim import Bounds, Cast

_numbers = count(1)


def cast_of(source: str = "solutions", bounds: Bounds | None = None) -> Cast:
    """The session that a notebook of this lab has built.

    Args:
        source: "solutions", "labs", or the path of a notebook.
        bounds: what the session promises; those of the notebook if None.

    Raises:
        Refusal: the notebook is not there, a part is still to do, or a cell raises.
    """
    cells = finished_cells(parts_of(source))
    cast = _ours(cells)
    return cast if bounds is None else replace(cast, bounds=bounds)


def parts_of(source: str) -> dict[str, sheet.Part]:
    """Step -> part of a notebook of this lab. `source` as for `cast_of`."""
    path = {"solutions": places.solution(lab.name), "labs": places.lab(lab.name)}.get(source, Path(source))
    solved, _ = sheet.read_reference(places.solution(lab.name, path), lab.name)
    return sheet.own(notebooks.read(path), solved)


def _ours(cells: list[Cell]) -> Cast:
    answers = Answers(f"session_{next(_numbers)}")
    ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
    if ran.error is not None or ran.expired:
        words = error_in_words(ran.error) if ran.error else f"no end after {CELLS_LIMIT_S:g} s"
        raise Refusal("cells that define a session", Words(words), "Run all cells of the notebook")
    cast = getattr(answers, lab.plays, None)
    if not isinstance(cast, Cast):
        raise Refusal("a session named ours", cast, "Take a fresh copy of the lab")
    return cast
