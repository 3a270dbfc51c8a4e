"""Lab 3's notebook: its size, its searches; the package holds no answer, and no draft passes for one."""

from __future__ import annotations

import ast

import pytest

from midspan.grading.judge_process import judge_answers
from midspan.labs.lab3_failure import drafts, ends, lab
from midspan.labs.lab3_failure.searching import SEARCHES
from midspan.simulation import PREDICATES
from tests.course import ROOT, Notebook
from tests.solved import LAB3

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

NOTEBOOK = Notebook(LAB3.path)
MOST_GIVEN = 25  # lines of given code before step 1: far less than a screen
MOST_OF_ENDS = 110  # lines of the two ends, with docstrings: they are read in the lab
DRAFTS = {  # step -> the parts that it replaces
    "heartbeat": ("heartbeat",),
    "reconnect": ("stay_connected",),
    "outbox": ("Outbox",),
    "dedupe": ("Inbox",),
    "desk": ("Desk",),
    "cursor": ("Cursor",),
    "log": ("Log",),
    "feed": ("feed",),
    "greet": ("greet",),
}


def lines(text: str) -> int:
    """How many lines are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


def test_the_title_says_how_many_lines_one_writes() -> None:
    """Those of the session: the control of the last step is no part of it."""
    own = sum(step.lines for step in lab.steps.values() if step.name != "control")
    assert f"with {own} lines that you write" in NOTEBOOK.cells[0].source


def test_little_stands_before_the_first_step() -> None:
    begin = next(n for n, cell in enumerate(NOTEBOOK.cells) if cell.source.startswith("## Step 1:"))
    given = [cell for cell in NOTEBOOK.cells[:begin] if cell.is_code]
    assert sum(lines(cell.source) for cell in given) <= MOST_GIVEN


def test_the_two_ends_are_short_and_shown() -> None:
    """Each class and function of them, once; `two_ends` and `Parts` stand in a cell."""
    source = (ROOT / f"src/midspan/labs/{LAB3.name}/ends.py").read_text("utf-8")
    assert lines(source) <= MOST_OF_ENDS + 30  # head and imports
    shown = [cell.source for cell in NOTEBOOK.code if cell.source.startswith("show_source(")]
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    for name in set(names) - {"Parts", "two_ends"}:
        assert sum(f"ends.{name}" in call for call in shown) == 1, f"{name} is not shown once"


def test_each_draft_is_shown_between_its_heading_and_its_exercise() -> None:
    cells = NOTEBOOK.cells
    for step, names in DRAFTS.items():
        end = next(n for n, cell in enumerate(cells) if cell.graded.get("grade_id") == step)
        begin = max(n for n, cell in enumerate(cells[:end]) if cell.source.startswith("## Step"))
        calls = [cell.source for cell in cells[begin:end] if cell.source.startswith("show_source(")]
        assert all(any(f"drafts.{name}" in call for call in calls) for name in names), step


def test_every_predicate_is_searched_for_in_some_step() -> None:
    stressed = {
        name for step, searches in SEARCHES.items() if step != "control" for one in searches for name in one.breaks
    }
    assert set(PREDICATES) - stressed == {"no_crash", "no_phantom"}, "each search looks for crashes; the last for all"
    assert set(SEARCHES["control"][0].breaks) == set(PREDICATES)
    assert set(SEARCHES) == set(lab.steps) - {"sender"}


@pytest.mark.parametrize("step", DRAFTS)
def test_no_draft_passes_the_check_of_its_step(step: str) -> None:
    """With all steps before it answered; so a learner who writes nothing passes nothing."""
    before = list(lab.steps)[list(lab.steps).index(step) - 1]
    answers = LAB3.stands(before)
    whole = vars(LAB3.answers())
    vars(answers).update({name: whole[name] for name in ("backoff", "OutboxFull")})  # of which there is no draft
    assert not judge_answers(lab.steps[step], answers).passed


def test_the_package_holds_no_answer() -> None:
    """What the learner is to build stands in no module of the lab; the drafts are others, and are not complete."""
    folder = ROOT / f"src/midspan/labs/{LAB3.name}"
    sources = {path.stem: path.read_text("utf-8") for path in folder.glob("*.py")}
    drafted = sources.pop("drafts")
    for name in ends.Parts._fields:
        for stem, source in sources.items():
            assert f"class {name}" not in source, stem
            assert f"async def {name}(connection" not in source, stem
    assert "class Sender" not in drafted
    assert "def backoff" not in drafted
    assert set(ends.Parts._fields) - set(vars(drafts)) == {"Sender"}
