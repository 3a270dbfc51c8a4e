"""Lab 5's notebook and its checks say the same: names, sizes, points, hints; each misconception is looked for."""

from __future__ import annotations

import re

import pytest

from midspan.checks import Step
from midspan.checks.lab5_overhead import check, lab
from midspan.checks.lab5_overhead import searching as lab5_searching
from midspan.sim import PREDICATES
from tests.bank.lab5_overhead import WRONG
from tests.course import ROOT, Notebook
from tests.solved import LAB5
from tests.test_lab1_notebook import size

NOTEBOOK = Notebook(LAB5.path)
EXERCISES = {cell.graded["grade_id"]: cell for cell in NOTEBOOK.code if cell.is_exercise}
STEPS = pytest.mark.parametrize("step", list(check), ids=lambda step: step.name)


@STEPS
def test_a_step_is_as_long_as_it_says(step: Step) -> None:
    """In the check and in the goal that stands above the exercise."""
    before = NOTEBOOK.cells[: NOTEBOOK.cells.index(EXERCISES[step.name])]
    goal = next(cell for cell in reversed(before) if "## Step" in cell.source)
    assert (size(EXERCISES[step.name]), f"({step.lines} lines)" in goal.source) == (step.lines, True)


def test_every_step_has_its_cells_in_order() -> None:
    checks = [cell for cell in NOTEBOOK.code if cell.is_check]
    assert list(EXERCISES) == [step.name for step in check]
    assert [cell.graded["grade_id"] for cell in checks] == [f"check_{step.name}" for step in check]
    assert [cell.source for cell in checks] == [f"check.{step.name}({', '.join(step.answers)})" for step in check]
    assert [cell.graded["points"] for cell in checks] == [step.points for step in check]
    assert f"There are {'nine' if len(lab.steps) == 9 else len(lab.steps)} **steps**" in NOTEBOOK.cells[0].source


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
    sources = [path.read_text("utf-8") for path in (ROOT / f"src/midspan/checks/{LAB5.name}").glob("*.py")]
    used = {id for source in sources if "MISCONCEPTIONS = {" not in source for id in re.findall(r'"([\w-]+)"', source)}
    assert set(lab.misconceptions) - used == {"vacuous"}, "lab 3's searches say it"
    assert set(lab.misconceptions) == {"vacuous", *(entry.misconception for entry in WRONG)}
    assert {entry.catcher for entry in WRONG} == set(lab.steps)


def test_all_predicates_are_searched_for_in_the_last_step() -> None:
    searches = lab5_searching.SEARCHES
    assert set(searches["cheaper"][0].breaks) == set(PREDICATES)
    assert set(searches) == set(lab.steps) - {"head"}


def test_what_the_checks_take_from_the_notebook_is_what_it_says() -> None:
    """Kinds, limits and times stand in the notebook; a check that looks at bytes must have the same."""
    from midspan.checks.lab5_overhead import acking, deflating, sending, shaping, writing

    said = LAB5.answers()
    assert (said.LONGEST, said.ACK_S, said.BATCH, said.ROOM) == (
        deflating.LONGEST,
        acking.ACK_S,
        sending.BATCH,
        writing.ROOM_BYTES,
    )
    assert shaping.MANY > said.SHAPES
    kinds = [said.TEXT, said.DEFLATED, said.SHAPE, said.SHAPED, said.NUMBER, said.MINE, said.ASK, said.ACK]
    assert kinds == [*range(8)]


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / f"src/midspan/checks/{LAB5.name}").glob("*.py"))
    for name in ("Wire", "Shapes", "Sender", "Feed"):
        assert f"class {name}" not in sources
    for name in ("head(kind", "read_head(data", "block(text", "read_block(data", "runs(entries", "flush(line"):
        assert f"def {name}" not in sources
