"""Lab 1's notebook and its checks say the same: names, sizes, hints; and its demonstrations wait for what they need."""

from __future__ import annotations

import ast
import re

import pytest

from midspan.checks import Step
from midspan.checks.lab1_framing import check, lab, written
from tests.course import ROOT, Cell, Notebook

SOLVED = Notebook(ROOT / "solutions" / "lab1_framing.ipynb")
EXERCISES = {cell.graded["grade_id"]: cell for cell in SOLVED.code if cell.is_exercise}


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


@pytest.mark.parametrize("step", list(check), ids=lambda step: step.name)
def test_a_step_is_as_long_as_it_says(step: Step) -> None:
    """In the check and in the goal that stands above the exercise."""
    name, lines = getattr(step, "name", ""), getattr(step, "lines", 0)
    goal = next(
        cell for cell in reversed(SOLVED.cells[: SOLVED.cells.index(EXERCISES[name])]) if "## Step" in cell.source
    )
    assert (size(EXERCISES[name]), f"({lines} lines)" in goal.source) == (lines, True)


def test_the_title_says_how_long_all_of_it_is() -> None:
    total = sum(step.lines for step in check)
    assert f"about {total} lines" in SOLVED.cells[0].source
    assert total < 300, "one holds it in the head"


def test_every_step_has_its_cells_in_order() -> None:
    checks = [cell for cell in SOLVED.code if cell.is_check]
    assert [cell.graded["grade_id"] for cell in checks] == [f"check_{step.name}" for step in check]
    assert list(EXERCISES) == [step.name for step in check]
    assert [cell.source for cell in checks] == [f"check.{step.name}({', '.join(step.answers)})" for step in check]
    assert [cell.graded["points"] for cell in checks] == [step.points for step in check]


def test_the_minutes_of_the_steps_are_those_of_the_notebook() -> None:
    assert sum(step.minutes for step in check) <= SOLVED.about["minutes"]


def test_no_hint_is_empty_or_said_twice() -> None:
    hints = [hint for step in check for hint in step.hints]
    assert len(set(hints)) == len(hints) == 3 * len(lab.steps)


def test_every_misconception_is_looked_for() -> None:
    """An id that no check uses would never be read."""
    sources = [path.read_text("utf-8") for path in (ROOT / "src/midspan/checks/lab1_framing").glob("*.py")]
    used = {id for source in sources if "MISCONCEPTIONS = {" not in source for id in re.findall(r'"([\w-]+)"', source)}
    assert set(lab.misconceptions) - used == set()


def stub() -> None:
    """To do."""
    raise NotImplementedError


def outer() -> object:
    """Finished, but for the function inside."""

    async def inner() -> None:
        raise NotImplementedError

    return inner


class Half:
    """One method of two."""

    def done(self) -> int:
        """Done."""
        return 1

    def to_do(self) -> None:
        """To do."""
        raise NotImplementedError


def test_a_demonstration_waits_for_what_is_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(size, Cell, len)
    assert capsys.readouterr().out == ""
    assert not written(size, stub, outer, Half)
    assert capsys.readouterr().out == "Still to do: stub, outer, Half. Run this cell again when it is written.\n"
