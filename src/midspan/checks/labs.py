"""The lab machinery: labs/ is generated from solutions/, and a later lab stands on the learner's own earlier work.

Clearing is nbgrader's own (`ClearSolutions`), so that what a teacher releases with nbgrader is what stands in labs/.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from midspan.checks import limits, notebooks, places
from midspan.checks.attempt import CELLS_LIMIT_S
from midspan.checks.cells import Answers
from midspan.checks.judge import Paper, opened
from midspan.refusal import Refusal, need


def clear(solved: notebooks.Raw) -> notebooks.Raw:
    """The lab of a solved notebook: solutions give way to stubs, outputs go, all else stays as it is."""
    try:
        preprocessors: Any = importlib.import_module("nbgrader.preprocessors")
    except ImportError:
        do = "Install the extra: pip install -e '.[teach]'"
        raise Refusal("nbgrader, which clears solutions", None, do) from None
    notebook, _ = preprocessors.ClearSolutions().preprocess(as_node(solved), {})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return dict(notebook)


def text(notebook: notebooks.Raw) -> str:
    """A notebook as Jupyter writes it to a file: sorted keys, one line of source a line."""
    nbformat: Any = importlib.import_module("nbformat")  # has no types
    return str(nbformat.writes(as_node(notebook))).rstrip("\n") + "\n"


def as_node(notebook: notebooks.Raw) -> Any:
    """The notebook as nbformat's own type, brought to format 4.5, which nbgrader and nbclient work on."""
    nbformat: Any = importlib.import_module("nbformat")
    return nbformat.reads(json.dumps(notebook), as_version=4)


def regenerate(force: bool = False) -> list[str]:
    """Write each lab again from its solved notebook; returns the names of those that changed.

    A lab in which somebody has begun to answer is not written over unless `force`.
    """
    changed = []
    for path in sorted((places.course() / "solutions").glob("*.ipynb")):
        generated, lab = text(clear(notebooks.read(path))), places.lab(path.stem)
        before = lab.read_text("utf-8") if lab.exists() else ""
        if generated == before:
            continue
        need(force or not _answered(lab), "a lab without answers", lab.name, "Keep a copy, then add --force")
        lab.parent.mkdir(exist_ok=True)
        lab.write_text(generated, "utf-8")
        changed.append(path.stem)
    return changed


def _answered(lab: Path) -> bool:
    """Whether an exercise in a notebook has lost its stub."""
    cells = notebooks.code_cells(notebooks.read(lab)) if lab.exists() else []
    exercises = [cell for cell in cells if notebooks.kind_of(cell) == "exercise"]
    return any("raise NotImplementedError" not in notebooks.source_of(cell) for cell in exercises)


class Earlier:
    """Answers of an earlier lab, by name: `earlier("lab1_framing").accept_key`. `str()` says whose each step is.

    Attributes:
        lab: name of the lab.
        mine: steps whose answers are the learner's own.
        others: steps whose answers are the reference's.
    """

    def __init__(self, lab: str, mine: tuple[str, ...], others: tuple[str, ...], answers: Answers, why: str) -> None:
        self.lab, self.mine, self.others = lab, mine, others
        self._answers, self._why = answers, why

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self._answers, name):
            raise AttributeError(f"the answers of {self.lab} define no {name!r}")
        return getattr(self._answers, name)

    def __str__(self) -> str:
        lines = [f"{self.lab}{self._why}"]
        lines += [f"  your own:        {', '.join(self.mine)}"] if self.mine else []
        lines += [f"  the reference's: {', '.join(self.others)}"] if self.others else []
        return "\n".join(lines)

    __repr__ = __str__


def earlier(lab: str) -> Earlier:
    """The answers of an earlier lab: the learner's where they pass (each judged now), else the reference's."""
    solved = opened(places.solution(lab))
    paper, why = _theirs(lab)
    passing: frozenset[str] = frozenset()
    if paper and any(paper.hopeful.values()):
        passing = frozenset(step for step, result in paper.results().items() if result.passed)
    paper = paper or solved
    cells = [
        cell
        for step, part in paper.own.items()
        for cell in (part if step in passing else part.answered_by(paper.reference[step])).cells
    ]
    answers = Answers(f"answers_of_{lab}")
    ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
    if ran.error:
        raise ran.error
    mine = tuple(step for step in paper.own if step in passing)
    return Earlier(lab, mine, tuple(step for step in paper.own if step not in passing), answers, why)


def _theirs(lab: str) -> tuple[Paper | None, str]:
    """The learner's notebook of a lab, or why there is none to use."""
    path = places.lab(lab)
    if not path.exists():
        return None, f": labs/{path.name} is not there"
    try:
        return opened(path), ""
    except Refusal as refusal:
        return None, f": labs/{path.name} cannot be used. {refusal}"
