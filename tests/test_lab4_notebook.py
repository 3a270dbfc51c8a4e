"""Lab 4's notebook and its checks say the same: names, sizes, points, hints; each misconception is looked for."""

from __future__ import annotations

import re

import pytest

from midspan.checks import Step
from midspan.checks.lab4_scaling import check, lab
from midspan.checks.lab4_scaling.searching import SEARCHES
from midspan.sim import PREDICATES
from tests.bank.lab4_scaling import WRONG
from tests.course import ROOT, Notebook
from tests.solved import LAB4
from tests.test_lab1_notebook import size

NOTEBOOK = Notebook(LAB4.path)
EXERCISES = {cell.graded["grade_id"]: cell for cell in NOTEBOOK.code if cell.is_exercise}
MOST_LINES = 430  # with docstrings
STEPS = pytest.mark.parametrize("step", list(check), ids=lambda step: step.name)


@STEPS
def test_a_step_is_as_long_as_it_says(step: Step) -> None:
    """In the check and in the goal that stands above the exercise."""
    before = NOTEBOOK.cells[: NOTEBOOK.cells.index(EXERCISES[step.name])]
    goal = next(cell for cell in reversed(before) if "## Step" in cell.source)
    assert (size(EXERCISES[step.name]), f"({step.lines} lines)" in goal.source) == (step.lines, True)


def test_one_reads_the_nodes_in_one_sitting() -> None:
    """What the learner writes, and all that a node needs, frame included; the title says how much the first is."""
    total = sum(step.lines for step in check)
    assert f"with {total} lines of yours" in NOTEBOOK.cells[0].source
    assert total < len(LAB4.session_lines()) <= MOST_LINES


def test_every_step_has_its_cells_in_order() -> None:
    checks = [cell for cell in NOTEBOOK.code if cell.is_check]
    assert list(EXERCISES) == [step.name for step in check]
    assert [cell.graded["grade_id"] for cell in checks] == [f"check_{step.name}" for step in check]
    assert [cell.source for cell in checks] == [f"check.{step.name}({', '.join(step.answers)})" for step in check]
    assert [cell.graded["points"] for cell in checks] == [step.points for step in check]


def test_every_step_ends_with_a_question() -> None:
    prose = [cell.source for cell in NOTEBOOK.cells if not cell.is_code]
    assert sum("*A question.*" in text for text in prose) >= len(lab.steps) - 1, "the control is itself a question"


def test_the_minutes_of_the_steps_are_those_of_the_notebook() -> None:
    assert 0 < sum(step.minutes for step in check) <= NOTEBOOK.about["minutes"]


def test_no_hint_is_empty_or_said_twice() -> None:
    hints = [hint for step in check for hint in step.hints]
    assert len(set(hints)) == len(hints) == 3 * len(lab.steps)


def test_every_misconception_is_looked_for_and_has_a_wrong_solution() -> None:
    """An id that no check uses would never be read; one without an entry in the bank is not known to be found."""
    sources = [path.read_text("utf-8") for path in (ROOT / f"src/midspan/checks/{LAB4.name}").glob("*.py")]
    used = {id for source in sources if "MISCONCEPTIONS = {" not in source for id in re.findall(r'"([\w-]+)"', source)}
    assert set(lab.misconceptions) - used == set()
    assert set(lab.misconceptions) == {"vacuous", *(entry.misconception for entry in WRONG)}
    assert {entry.catcher for entry in WRONG} == set(lab.steps)


def test_what_the_searches_name_is_searched_for() -> None:
    assert set(SEARCHES) <= set(lab.steps)
    assert set(SEARCHES["control"].breaks) == set(PREDICATES), "the last one looks for all"
    for step, search in SEARCHES.items():
        assert set(search.breaks) <= set(PREDICATES), step
        assert set(search.breaks.values()) <= {"", *lab.misconceptions}, step


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / f"src/midspan/checks/{LAB4.name}").glob("*.py"))
    for name in ("Rooms", "Log", "Owners", "Outlet", "Presence"):
        assert f"class {name}" not in sources
    for name in ("accept", "mailbox", "resume", "take_script", "release_script"):
        assert not re.search(rf"def {name}\((?!t: Transcript)", sources), name
    for command in ("XADD', KEYS", "HSETNX", "hincrby(self", ".xread({stream: f\"{offset}-0\"}, PAGE, block=0):"):
        assert command not in sources, command
