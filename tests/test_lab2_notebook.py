"""Lab 2's notebook and its checks say the same: names, sizes, points, hints; each misconception is looked for."""

from __future__ import annotations

import ast
import re

import pytest

from midspan.checks import Step
from midspan.checks.lab2_events import check, lab
from tests.bank import entries
from tests.course import ROOT, Cell, Notebook
from tests.test_lab1_notebook import size

SOLVED = Notebook(ROOT / "solutions" / "lab2_events.ipynb")
EXERCISES = {cell.graded["grade_id"]: cell for cell in SOLVED.code if cell.is_exercise}
STEPS = pytest.mark.parametrize("step", list(check), ids=lambda step: step.name)


@STEPS
def test_a_step_is_as_long_as_it_says(step: Step) -> None:
    """In the check and in the goal that stands above the exercise."""
    before = SOLVED.cells[: SOLVED.cells.index(EXERCISES[step.name])]
    goal = next(cell for cell in reversed(before) if "## Step" in cell.source)
    assert (size(EXERCISES[step.name]), f"({step.lines} lines)" in goal.source) == (step.lines, True)


def test_the_title_says_how_long_all_of_it_is() -> None:
    total = sum(step.lines for step in check)
    assert f"about {total} lines" in SOLVED.cells[0].source
    assert total < 300, "one holds it in the head"


def test_every_step_has_its_cells_in_order() -> None:
    checks = [cell for cell in SOLVED.code if cell.is_check]
    assert list(EXERCISES) == [step.name for step in check]
    assert [cell.graded["grade_id"] for cell in checks] == [f"check_{step.name}" for step in check]
    assert [cell.source for cell in checks] == [f"check.{step.name}({', '.join(step.answers)})" for step in check]
    assert [cell.graded["points"] for cell in checks] == [step.points for step in check]


def test_the_minutes_of_the_steps_are_those_of_the_notebook() -> None:
    assert 0 < sum(step.minutes for step in check) <= SOLVED.about["minutes"]


def test_no_hint_is_empty_or_said_twice() -> None:
    hints = [hint for step in check for hint in step.hints]
    assert len(set(hints)) == len(hints) == 3 * len(lab.steps)


def test_every_misconception_is_looked_for_and_has_a_wrong_solution() -> None:
    """An id that no check uses would never be read; one without an entry in the bank is not known to be found."""
    sources = [path.read_text("utf-8") for path in (ROOT / "src/midspan/checks/lab2_events").glob("*.py")]
    used = {id for source in sources if "MISCONCEPTIONS = {" not in source for id in re.findall(r'"([\w-]+)"', source)}
    wrong, _ = entries("lab2_events")
    assert set(lab.misconceptions) - used == set()
    assert set(lab.misconceptions) == {entry.misconception for entry in wrong}
    assert {entry.catcher for entry in wrong} == set(lab.steps)


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
