"""The session of a solved lab: whole, or with the edits of a bank entry. Labs 3, 4 and 5 share it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from itertools import count

from midspan.grading import notebooks
from midspan.grading.judge_process import run_cells
from midspan.grading.notebooks import Answers, Part
from midspan.simulation import Implementation
from tests.bank import Right, edited
from tests.course import ROOT, Cell, Notebook

CELLS_LIMIT_S = 10.0
_numbers = count(1)


class Solved:
    """A lab's solved notebook, whose answers make a cast named `ours`.

    Args:
        name: of the lab, "lab3_failure".
    """

    def __init__(self, name: str) -> None:
        self.name, self.path = name, ROOT / "solutions" / f"{name}.ipynb"

    @functools.cached_property
    def parts(self) -> dict[str, Part]:
        """The solved notebook, step by step."""
        return notebooks.read_reference(self.path, self.name)[1]

    def answers(self, entry: Right | None = None) -> Answers:
        """The names that it defines, or what is left of them when an entry of the bank has edited it."""
        own = self.parts if entry is None else edited(self.parts, entry)
        return self._run(cell for part in own.values() for cell in part.cells)

    def stands(self, upto: str, cells: str = "") -> Answers:
        """The names that it defines when the step `upto` has been answered, and these further lines were run."""
        names = list(self.parts)
        wanted = names[: names.index(upto) + 1] if upto else []
        setup = [cell for part in self.parts.values() for cell in part.setup]
        solved = [cell for name in wanted for cell in self.parts[name].answer]
        made = self._run([*setup, *solved])
        exec(compile(cells, "<cell extra>", "exec"), vars(made))
        return made

    def session(self, entry: Right | None = None) -> Implementation:
        """The reference, or that of an entry."""
        implementation = self.answers(entry).ours
        assert isinstance(implementation, Implementation)
        return implementation

    @functools.cached_property
    def reference(self) -> Implementation:
        """The reference, made once."""
        return self.session()

    def session_lines(self) -> list[str]:
        """All that the session needs, frame included, as it stands in the end; without blank lines and marks."""
        cells = [cell for cell in Notebook(self.path).code if cell.is_exercise or "setup" in cell.tags]
        last = {name: cell.source for cell in cells for name in _defined(cell) if name != "broken"}
        lines = [line for source in dict.fromkeys(last.values()) for line in source.splitlines() if line.strip()]
        return [line for line in lines if not line.strip().startswith("### ")]

    def _run(self, cells: Iterable[notebooks.Cell]) -> Answers:
        made = Answers(f"{self.name}_{next(_numbers)}")
        ran = run_cells(made, cells, CELLS_LIMIT_S)
        assert ran.error is None, ran.error
        return made


def _defined(cell: Cell) -> list[str]:
    """The names of the functions and classes of a cell; of one that defines none, its first line."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in cell.tree.body if isinstance(node, kinds)] or [cell.source.partition("\n")[0]]


LAB3, LAB4, LAB5 = (Solved(name) for name in ("lab3_failure", "lab4_scaling", "lab5_overhead"))
