"""What the cells of a finished notebook define: for those who play, serve or measure a lab's session."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from midspan.checks import limits, notebooks, places, sheet
from midspan.checks.attempt import CELLS_LIMIT_S
from midspan.checks.cells import Answers
from midspan.checks.seeds import finished_cells
from midspan.checks.values import error_in_words
from midspan.refusal import Refusal, Words

_numbers = count(1)


def finished(lab: str, source: str) -> Answers:
    """The names that a finished notebook of a lab defines.

    Args:
        lab: its name, "lab3_failure".
        source: "solutions", "labs", or the path of a notebook.

    Raises:
        Refusal: it is not there, a part is still to do, or a cell raises.
    """
    own, _ = parts_of(lab, source)
    cells = finished_cells(own, f"solutions/{lab}.ipynb")
    answers = Answers(f"{lab}_{next(_numbers)}")
    ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
    if ran.error is not None or ran.expired:
        words = error_in_words(ran.error) if ran.error else f"no end after {CELLS_LIMIT_S:g} s"
        raise Refusal("cells that define a session", Words(words), "Run all cells of the notebook")
    return answers


def parts_of(lab: str, source: str) -> tuple[dict[str, sheet.Part], dict[str, sheet.Part]]:
    """Step -> its cells, in a notebook of this lab, and in its solution; arguments as for `finished`."""
    path = {"solutions": places.solution(lab), "labs": places.lab(lab)}.get(source, Path(source))
    solved, reference = sheet.read_reference(places.solution(lab, path), lab)
    return sheet.own(notebooks.read(path), solved), reference
