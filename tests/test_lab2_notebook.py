"""Lab 2's notebook: its size, and demonstrations that wait for what they need."""

from __future__ import annotations

import ast

from midspan.labs.lab2_events import check
from tests.course import ROOT, Cell, Notebook

SOLVED = Notebook(ROOT / "solutions" / "lab2_events.ipynb")
EXERCISES = {cell.graded["grade_id"]: cell for cell in SOLVED.code if cell.is_exercise}


def test_the_title_says_how_long_all_of_it_is() -> None:
    total = sum(step.lines for step in check)
    assert f"about {total} lines" in SOLVED.cells[0].source
    assert total < 300, "one holds it in the head"


def test_a_demonstration_that_needs_answers_waits_for_them() -> None:
    """What is not a check, an exercise or a definition is shown by `show`, or awaits nothing of the learner's."""
    theirs = {name for cell in EXERCISES.values() for name in defined(cell)}
    for cell in SOLVED.code:
        if cell.is_exercise or cell.is_check or "setup" in cell.tags:
            continue
        outside = [node for node in cell.tree.body if not isinstance(node, DEFINITIONS)]
        called = {getattr(call.func, "id", "") for node in outside for call in calls(node)}
        assert not called & theirs, cell.source


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def defined(cell: Cell) -> list[str]:
    return [node.name for node in cell.tree.body if isinstance(node, DEFINITIONS)]


def calls(node: ast.AST) -> list[ast.Call]:
    """Calls in a statement, but for those in a lambda, which runs when `show` lets it."""
    if isinstance(node, ast.Lambda):
        return []
    found = [node] if isinstance(node, ast.Call) else []
    return found + [call for child in ast.iter_child_nodes(node) for call in calls(child)]
