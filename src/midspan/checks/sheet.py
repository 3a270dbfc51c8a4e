"""A lab's notebook taken apart: for each step the setup cells, and the cells that hold the answer.

The reference (the solved notebook) says which cells there are. A learner's file is matched against it by grade id,
by cell id, or by source, since files come back from other tools without one or the other. What the reference does
not know, the learner added: such a cell belongs to the step whose exercise or check comes next. Checks, and cells
that only show something, are never part of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from midspan.checks import notebooks
from midspan.checks.notebooks import Raw
from midspan.refusal import need

CHECK = "check_"  # the grade id of a check cell is this and the step's name


@dataclass(frozen=True, slots=True)
class Cell:
    """Source to run. An `added` cell is the learner's own idea: it may fail and the answer can still be right."""

    name: str
    source: str
    added: bool = False

    @property
    def unsolved(self) -> bool:
        """Whether nbgrader's stub still stands in it."""
        return not self.added and "raise NotImplementedError" in self.source


@dataclass(frozen=True, slots=True)
class Part:
    """What one step contributes: cells that set up, and cells that answer."""

    step: str
    setup: tuple[Cell, ...]
    answer: tuple[Cell, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All, in the order in which they run."""
        return (*self.setup, *self.answer)

    def answered_by(self, other: Part) -> Part:
        """The same setup with another's answer."""
        return replace(self, answer=other.answer)


def reference(solved: Raw) -> dict[str, Part]:
    """Step -> part of a solved notebook, in order. A cell belongs to the next check after it."""
    return {
        step: Part(step, tuple(_of("setup", cells)), tuple(_of("exercise", cells)))
        for step, cells in _stretches(solved)
        if step
    }


def read_reference(path: Path, lab: str) -> tuple[Raw, dict[str, Part]]:
    """The solved notebook and its parts; refused when it has no check cell."""
    solved = notebooks.read(path)
    parts = reference(solved)
    need(bool(parts), f"the solved notebook of {lab}, with check cells", path.name, "Take solutions/ from the course")
    return solved, parts


def own(theirs: Raw, solved: Raw) -> dict[str, Part]:
    """Step -> part of a learner's notebook. The setup is the reference's.

    A setup cell that the learner edited, to import one thing more, runs before the reference's: so what it adds is
    there, and what it changes is not.
    """
    known, parts = _Known(solved), reference(solved)
    setup: dict[str, list[Cell]] = {step: [] for step in parts}
    answer: dict[str, list[Cell]] = {step: [] for step in parts}
    step = ""
    for place, cell in reversed(list(enumerate(notebooks.code_cells(theirs), start=1))):
        kind, step, name = known.entry(cell, after=step)
        if step and kind == "exercise":
            answer[step].insert(0, Cell(name, notebooks.source_of(cell)))
        elif step and kind in ("added", "setup"):
            where = answer if kind == "added" else setup
            where[step].insert(0, Cell(f"added {place}", notebooks.source_of(cell), added=True))
    return {s: Part(s, (*setup[s], *part.setup), tuple(answer[s])) for s, part in parts.items()}


class _Known:
    """What the reference knows of the cells in somebody's file."""

    def __init__(self, solved: Raw) -> None:
        self._entries: dict[str, tuple[str, str, str]] = {}  # key of a cell -> kind, step, name
        self._sources: set[str] = set()  # of the cells that nobody has to edit
        for step, cells in _stretches(solved):
            for cell in cells:
                kind = notebooks.kind_of(cell)
                self._entries |= dict.fromkeys(_keys(cell), (kind, step, notebooks.grade_id_of(cell)))
                self._sources |= {notebooks.source_of(cell).strip()} if kind != "exercise" else set()

    def entry(self, cell: Raw, after: str) -> tuple[str, str, str]:
        """Kind, step and name of a cell; `after` is the step of the exercise or check that follows it in the file.

        The kind is "exercise", "check", "setup" (edited), "added", or "other" for what is not run from the file.
        """
        kind, step, name = next((self._entries[k] for k in _keys(cell) if k in self._entries), ("", "", ""))
        if kind in ("exercise", "check"):
            return kind, step, name
        if notebooks.source_of(cell).strip() in self._sources or kind == "other" or notebooks.kind_of(cell) == "check":
            return "other", after, ""
        return ("setup" if "setup" in (kind, notebooks.kind_of(cell)) else "added"), after, ""


def _stretches(solved: Raw) -> Iterator[tuple[str, list[Raw]]]:
    """(step, the code cells up to and with its check), and at last ("", the cells after the last check)."""
    cells: list[Raw] = []
    for cell in notebooks.code_cells(solved):
        cells.append(cell)
        if notebooks.kind_of(cell) == "check":
            yield notebooks.grade_id_of(cell).removeprefix(CHECK), cells
            cells = []
    yield "", cells


def _keys(cell: Raw) -> list[str]:
    grade_id, id = notebooks.grade_id_of(cell), cell.get("id")
    return ([f"grade id {grade_id}"] if grade_id else []) + ([f"id {id}"] if id else [])


def _of(kind: notebooks.Kind, cells: Iterable[Raw]) -> Iterator[Cell]:
    for place, cell in enumerate(cells, start=1):
        if notebooks.kind_of(cell) == kind:
            yield Cell(notebooks.grade_id_of(cell) or f"{kind} {place}", notebooks.source_of(cell))
