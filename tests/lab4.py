"""What the tests of lab 4 share: the session of its solved notebook, whole or with the edits of a bank entry."""

from __future__ import annotations

import ast
import functools
from itertools import count

from midspan.checks import limits
from midspan.checks.cells import Answers
from midspan.checks.sheet import Part, read_reference
from midspan.sim import Cast
from tests.bank import Right, edited
from tests.course import ROOT, Cell, Notebook

NAME = "lab4_scaling"
SOLVED = ROOT / "solutions" / f"{NAME}.ipynb"
_numbers = count(1)


@functools.cache
def parts() -> dict[str, Part]:
    """The solved notebook, step by step."""
    return read_reference(SOLVED, NAME)[1]


def session(entry: Right | None = None) -> Cast:
    """The reference, or what is left of it when an entry of the bank has edited it."""
    own = parts() if entry is None else edited(parts(), entry)
    answers = Answers(f"lab4_session_{next(_numbers)}")
    ran = limits.run(lambda: answers.run(cell for part in own.values() for cell in part.cells), 5.0)
    assert ran.error is None, ran.error
    cast = answers.ours
    assert isinstance(cast, Cast)
    return cast


@functools.cache
def reference() -> Cast:
    """The reference, made once."""
    return session()


def session_lines() -> list[str]:
    """All that the session needs, frame included, as it stands in the end; without blank lines and marks."""
    cells = [cell for cell in Notebook(SOLVED).code if cell.is_exercise or "setup" in cell.tags]
    last = {name: cell.source for cell in cells for name in _defined(cell) if name != "broken"}
    lines = [line for source in dict.fromkeys(last.values()) for line in source.splitlines() if line.strip()]
    return [line for line in lines if not line.strip().startswith("### ")]


def _defined(cell: Cell) -> list[str]:
    """The names of the functions and classes of a cell; of one that defines none, its first line."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in cell.tree.body if isinstance(node, kinds)] or [cell.source.partition("\n")[0]]
