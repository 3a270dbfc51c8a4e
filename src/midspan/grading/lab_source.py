"""Notebooks that the course writes: generates labs/ from solutions/, and stores the outputs of one run."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from midspan.errors import Refusal, need
from midspan.grading import notebooks, progress
from midspan.grading.express import NAME as EXPRESS
from midspan.grading.express import SOURCES, express_way, with_outputs_of
from midspan.grading.judge_process import run_cells
from midspan.grading.judging import Submission, opened
from midspan.grading.notebooks import Answers
from midspan.grading.sections import fold

# labs/ is generated from solutions/; a later lab uses the learner's own answers to an earlier lab.
#
# nbgrader's own `ClearSolutions` clears the solutions, so labs/ equals what a teacher releases with nbgrader.


def clear(solved: notebooks.Raw) -> notebooks.Raw:
    """Make the lab of a solved notebook: replace solutions by stubs, remove outputs, and keep all else."""
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
    """Write a notebook as Jupyter writes it to a file: sorted keys, and a JSON string for each line of source."""
    nbformat: Any = importlib.import_module("nbformat")  # nbformat has no type hints
    return str(nbformat.writes(as_node(notebook))).rstrip("\n") + "\n"


def as_node(notebook: notebooks.Raw) -> Any:
    """Convert the notebook to nbformat's own type and to format 4.5, as nbgrader and nbclient need it."""
    nbformat: Any = importlib.import_module("nbformat")
    return nbformat.reads(json.dumps(notebook), as_version=4)


def regenerate(force: bool = False) -> list[str]:
    """Write the express notebook and each lab again from their sources; return the names of those that changed.

    A lab with at least one answer in it is not overwritten unless `force`.
    """
    changed = [f"solutions/{EXPRESS}"] if _write_express(progress.course()) else []
    for path in sorted((progress.course() / "solutions").glob("*.ipynb")):
        generated, lab = text(clear(notebooks.read(path))), notebooks.lab(path.stem)
        before = lab.read_text("utf-8") if lab.exists() else ""
        if generated == before:
            continue
        need(force or not _answered(lab), "a lab without answers", lab.name, "Keep a copy, then add --force")
        lab.parent.mkdir(exist_ok=True)
        lab.write_text(generated, "utf-8")
        changed.append(path.stem)
    return changed


def _write_express(course: Path) -> bool:
    """Write the solved express notebook where the whole course is there; return whether it changed.

    Outputs stay where the source of a cell is the same; all others need `store`.
    """
    if not all((course / source).exists() for source in SOURCES):
        return False
    path = notebooks.solution(EXPRESS)
    old = notebooks.read(path) if path.exists() else {"cells": [], "metadata": {}}
    new = with_outputs_of(express_way(course), old)
    new["metadata"] = {**old["metadata"], **new["metadata"]}
    fold(new)
    changed = not path.exists() or text(new) != path.read_text("utf-8")
    if changed:
        path.write_text(text(new), "utf-8")
    return changed


def _answered(lab: Path) -> bool:
    """Whether an exercise in a notebook has lost its stub."""
    cells = notebooks.code_cells(notebooks.read(lab)) if lab.exists() else []
    exercises = [cell for cell in cells if notebooks.kind_of(cell) == "exercise"]
    return any("raise NotImplementedError" not in notebooks.source_of(cell) for cell in exercises)


class Earlier:
    """Answers of an earlier lab, by name: `earlier("lab1_framing").accept_key`. `str()` says whose each answer is.

    Attributes:
        lab: the name of the lab.
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


def earlier(lab: str, upto: str = "") -> Earlier:
    """Judge the learner's answers to an earlier lab now; return those that pass, and the reference's for the others.

    Args:
        lab: its name, "lab2_events".
        upto: the last step whose answers are needed; "" for all steps.

    Raises:
        Refusal: there is no such lab, or it has no such step.
    """
    solved = opened(notebooks.solution(lab))
    paper, why = _theirs(lab)
    paper = _begun(paper or solved, upto)
    passing: frozenset[str] = frozenset()
    if not why and any(paper.hopeful.values()):
        passing = frozenset(step for step, result in paper.results().items() if result.passed)
    cells = [
        cell
        for step, part in paper.own.items()
        for cell in (part if step in passing else part.answered_by(paper.reference[step])).cells
    ]
    answers = Answers(f"answers_of_{lab}")
    ran = run_cells(answers, cells)
    if ran.error:
        raise ran.error
    mine = tuple(step for step in paper.own if step in passing)
    return Earlier(lab, mine, tuple(step for step in paper.own if step not in passing), answers, why)


def _begun(paper: Submission, upto: str) -> Submission:
    """Return the first steps of a submission, `upto` as the last one; all of them for ""."""
    steps = list(paper.own)
    need(not upto or upto in steps, f"one of the steps {', '.join(steps)}", upto, "Name one of them")
    wanted = steps[: steps.index(upto) + 1] if upto else steps
    return replace(paper, own={step: paper.own[step] for step in wanted})


def _theirs(lab: str) -> tuple[Submission | None, str]:
    """Return the learner's notebook of a lab, or None and the reason why there is none to use."""
    path = notebooks.lab(lab)
    if not path.exists():
        return None, f": labs/{path.name} is not there"
    try:
        return opened(path), ""
    except Refusal as refusal:
        return None, f": labs/{path.name} cannot be used. {refusal}"


# Run notebooks on a fresh kernel and keep their outputs: `python -m midspan store FILE...`.
#
# Stored outputs come from here and not from a browser, which puts late output elsewhere. What differs between runs and
# means nothing (times, Python's version) is left out, so that a second run changes nothing in the file. Outputs are
# portable (see `pictures`), since a reader opens the file before JupyterLab trusts it. Answers are hidden (`sections`).


CELL_LIMIT_S = 120
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def store(path: Path) -> bool:
    """Run a notebook in its folder, and store no progress. Return whether the file changed.

    Refuse, and leave the file as it is, when a cell without the tag raises-exception fails.
    """
    raw = notebooks.read(path)
    notebooks.name_cells(raw)
    notebook = as_node(raw)
    _run(notebook, path)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebooks.leave_out_what_differs(notebook)
    fold(notebook)
    stored, before = text(notebook), path.read_text("utf-8")
    if stored != before:
        part = path.with_suffix(".part")
        part.write_text(stored, "utf-8")
        part.replace(path)
    return stored != before


def _run(notebook: Any, path: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT_S,
        kernel_name=KERNEL["name"],
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    with tempfile.TemporaryDirectory(prefix="midspan-") as home:
        try:
            environment = {**os.environ, "MIDSPAN_HOME": home, "MIDSPAN_PORTABLE": "1"}
            asyncio.run(client.async_execute(env=environment))  # its `execute` keeps a loop open
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise Refusal("a notebook that runs to its end", path.name, f"Mend this cell. {error}") from None
