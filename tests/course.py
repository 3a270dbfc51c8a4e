"""The course's notebooks, found and read: what the tests of the notebooks start from."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook's JSON."""

    raw: dict[str, Any]

    @property
    def is_code(self) -> bool:
        return bool(self.raw["cell_type"] == "code")

    @cached_property
    def source(self) -> str:
        text = self.raw["source"]
        return text if isinstance(text, str) else "".join(text)

    @property
    def tags(self) -> list[str]:
        return list(self.raw["metadata"].get("tags", []))

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return list(self.raw.get("outputs", []))

    @property
    def graded(self) -> dict[str, Any]:
        """nbgrader's metadata; {} for a cell that it leaves alone."""
        return dict(self.raw["metadata"].get("nbgrader", {}))

    @property
    def is_exercise(self) -> bool:
        return bool(self.graded.get("solution"))

    @property
    def is_check(self) -> bool:
        return bool(self.graded.get("grade"))

    @cached_property
    def tree(self) -> ast.Module:
        """The code as Python reads it in a notebook, where `await` may stand at the top."""
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        module = compile(self.source, "<cell>", "exec", flags)
        assert isinstance(module, ast.Module)
        return module


@dataclass(frozen=True)
class Notebook:
    """One .ipynb file."""

    path: Path

    @property
    def folder(self) -> str:
        return self.path.parent.name

    @cached_property
    def raw(self) -> dict[str, Any]:
        data = json.loads(self.path.read_text(encoding="utf-8"))
        assert isinstance(data, dict)
        return data

    @property
    def about(self) -> dict[str, Any]:
        """What the notebook says of itself: minutes, objectives, needs, and the lab it belongs to."""
        return dict(self.raw["metadata"].get("midspan", {}))

    @cached_property
    def cells(self) -> list[Cell]:
        return [Cell(raw) for raw in self.raw["cells"]]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.is_code]

    def __str__(self) -> str:
        return f"{self.folder}/{self.path.stem}"


def found(*folders: str) -> list[Notebook]:
    """The notebooks of these folders, in reading order."""
    return [Notebook(path) for folder in folders for path in sorted((ROOT / folder).glob("*.ipynb"))]


def size(cell: Cell) -> int:
    """Lines of code between the marks: no blank ones, no comments, no docstrings."""
    documented = set[int]()
    for node in ast.walk(cell.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            text = node.body[0]
            documented |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    inside, count = False, 0
    for number, line in enumerate(cell.source.splitlines(), start=1):
        if line.strip().startswith("### "):
            inside = "BEGIN" in line
        elif inside and number not in documented and line.strip() and not line.strip().startswith("#"):
            count += 1
    return count


def calls(cell: Cell, name: str) -> Iterator[ast.Call]:
    """The calls of a function by that name."""
    for node in ast.walk(cell.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def words(node: ast.expr) -> str:
    """A string literal, or the name of what stands there."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def questions(notebook: Notebook) -> set[str]:
    """The ids of a chapter's questions; each has a score, with a cell that ran in between."""
    asked = {words(call.args[0]): n for n, cell in enumerate(notebook.code) for call in calls(cell, "predict")}
    scored = {words(call.args[0]): n for n, cell in enumerate(notebook.code) for call in calls(cell, "score")}
    assert asked.keys() == scored.keys()
    for question, n in scored.items():
        assert n > asked[question] + 1, question
    return {*asked}


def questions_with_asserted_scores(notebook: Notebook) -> set[str]:
    """As `questions`; the cell of each score asserts what it says."""
    for cell in notebook.code:
        for call in calls(cell, "score"):
            assert any(isinstance(node, ast.Assert) for node in ast.walk(cell.tree)), words(call.args[0])
    return questions(notebook)
