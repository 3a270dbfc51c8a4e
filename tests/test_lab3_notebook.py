"""Lab 3's notebook and its checks say the same: names, sizes, points, hints; each misconception is looked for."""

from __future__ import annotations

import re

import pytest

from midspan.checks import Step
from midspan.checks.lab3_failure import check, lab
from midspan.checks.lab3_failure.searching import SEARCHES
from midspan.sim import PREDICATES
from tests.bank.lab3_failure import WRONG
from tests.course import ROOT, Notebook
from tests.solved import LAB3
from tests.test_lab1_notebook import size

NOTEBOOK = Notebook(LAB3.path)
EXERCISES = {cell.graded["grade_id"]: cell for cell in NOTEBOOK.code if cell.is_exercise}
MOST_LINES = 300
STEPS = pytest.mark.parametrize("step", list(check), ids=lambda step: step.name)


@STEPS
def test_a_step_is_as_long_as_it_says(step: Step) -> None:
    """In the check and in the goal that stands above the exercise."""
    before = NOTEBOOK.cells[: NOTEBOOK.cells.index(EXERCISES[step.name])]
    goal = next(cell for cell in reversed(before) if "## Step" in cell.source)
    assert (size(EXERCISES[step.name]), f"({step.lines} lines)" in goal.source) == (step.lines, True)


def test_one_reads_the_session_in_one_sitting() -> None:
    """All that it needs, frame included, as it stands in the end; the title says how much that is."""
    lines = LAB3.session_lines()
    assert 200 < len(lines) <= MOST_LINES
    assert f"with {len(lines)} lines" in NOTEBOOK.cells[0].source


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
    sources = [path.read_text("utf-8") for path in (ROOT / f"src/midspan/checks/{LAB3.name}").glob("*.py")]
    used = {id for source in sources if "MISCONCEPTIONS = {" not in source for id in re.findall(r'"([\w-]+)"', source)}
    assert set(lab.misconceptions) - used == set()
    assert set(lab.misconceptions) == {"vacuous", *(entry.misconception for entry in WRONG)}
    assert {entry.catcher for entry in WRONG} == set(lab.steps)


def test_every_predicate_is_searched_for_in_some_step() -> None:
    stressed = {
        name for step, searches in SEARCHES.items() if step != "control" for one in searches for name in one.breaks
    }
    assert set(PREDICATES) - stressed == {"no_crash", "no_phantom"}, "each search looks for crashes; the last for all"
    assert set(SEARCHES["control"][0].breaks) == set(PREDICATES)
    assert set(SEARCHES) == set(lab.steps) - {"sender"}


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / f"src/midspan/checks/{LAB3.name}").glob("*.py"))
    for name in ("Sender", "Outbox", "Inbox", "Desk", "Log", "Cursor"):
        assert f"class {name}" not in sources
    for name in ("heartbeat", "backoff", "stay_connected", "feed", "greet"):
        assert f"async def {name}(connection" not in sources
        assert f"def {name}(attempt" not in sources
