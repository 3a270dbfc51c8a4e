"""Each lab's notebook and its checks say the same: names, sizes, points, hints; each misconception is looked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import pytest

from midspan.grading import Step
from tests.bank import banks, entries
from tests.course import ROOT, Cell, Notebook, size

LABS = pytest.mark.parametrize("name", banks())
STEPS = [(name, step) for name in banks() for step in import_module(f"midspan.labs.{name}").check]
GOAL = re.compile(r"^## (Deeper: )?Step \d+[a-z]?: ", re.MULTILINE)
SAID_BY_LAB_3 = {"lab4_scaling": {"vacuous"}, "lab5_overhead": {"vacuous"}}  # their searches are lab 3's


@cache
def solved(name: str) -> Notebook:
    """The solved notebook of a lab."""
    return Notebook(ROOT / "solutions" / f"{name}.ipynb")


def exercises(name: str) -> dict[str, Cell]:
    """The cell of each step."""
    return {cell.graded["grade_id"]: cell for cell in solved(name).code if cell.is_exercise}


def checks(name: str) -> Any:
    """The package of a lab: `check` and `lab` are what its notebook imports."""
    return import_module(f"midspan.labs.{name}")


@pytest.mark.parametrize(("name", "step"), STEPS, ids=[f"{name}-{step.name}" for name, step in STEPS])
def test_a_step_is_as_long_as_it_says(name: str, step: Step) -> None:
    """In the check and in the goal that stands above the exercise."""
    cells, exercise = solved(name).cells, exercises(name)[step.name]
    goal = next(cell for cell in reversed(cells[: cells.index(exercise)]) if GOAL.search(cell.source))
    assert size(exercise) == step.lines, f"write lines={size(exercise)} in the step"
    assert f"({step.lines} lines)" in goal.source, "the heading of the exercise says how many lines its reference has"


@LABS
def test_every_step_has_its_cells_in_order(name: str) -> None:
    steps, cells = list(checks(name).check), [cell for cell in solved(name).code if cell.is_check]
    assert list(exercises(name)) == [step.name for step in steps]
    assert [cell.graded["grade_id"] for cell in cells] == [f"check_{step.name}" for step in steps]
    assert [cell.source for cell in cells] == [f"check.{step.name}({', '.join(step.answers)})" for step in steps]
    assert [cell.graded["points"] for cell in cells] == [step.points for step in steps]


@LABS
def test_every_step_ends_with_a_question(name: str) -> None:
    prose = [cell.source for cell in solved(name).cells if not cell.is_code]
    steps = checks(name).lab.steps
    assert sum("*A question.*" in text for text in prose) >= len(steps) - 1, (
        "each step but a control ends with prose that has *A question.* in it"
    )


@LABS
def test_the_minutes_of_the_steps_are_those_of_the_notebook(name: str) -> None:
    about = solved(name).about
    assert 0 < sum(step.minutes for step in checks(name).check) <= about["minutes"] + about.get("deeper_minutes", 0)


@LABS
def test_no_hint_is_empty_or_said_twice(name: str) -> None:
    hints = [hint for step in checks(name).check for hint in step.hints]
    assert len(set(hints)) == len(hints) == 3 * len(checks(name).lab.steps)


def texts_outside_of_words(tree: ast.AST) -> Iterator[str]:
    """The literals of a module, but for those in the tables that give misconceptions their words."""
    if isinstance(tree, ast.keyword) and tree.arg in ("words", "misconceptions"):
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    for child in ast.iter_child_nodes(tree):
        yield from texts_outside_of_words(child)


def test_a_table_of_words_alone_looks_for_nothing() -> None:
    tree = ast.parse('@lab.step("title", words={"a": "b"})\ndef step(t, answer): t.fail("c", id="d")')
    assert sorted(texts_outside_of_words(tree)) == ["c", "d", "title"]


@LABS
def test_every_misconception_is_looked_for_and_has_a_wrong_solution(name: str) -> None:
    """An id that no check uses would never be read; one without an entry in the bank is not known to be found."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / f"src/midspan/labs/{name}").glob("*.py")]
    used = {text for tree in trees for text in texts_outside_of_words(tree)}
    lab, (wrong, _) = checks(name).lab, entries(name)
    assert set(lab.misconceptions) - used == SAID_BY_LAB_3.get(name, set())
    assert set(lab.misconceptions) == {*(["vacuous"] if lab.plays else []), *(entry.misconception for entry in wrong)}
    assert {entry.catcher for entry in wrong} == set(lab.steps)
