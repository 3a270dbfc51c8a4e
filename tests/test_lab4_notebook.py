"""Lab 4's notebook: its size, its searches; the package holds no answer."""

from __future__ import annotations

import re
from itertools import takewhile

from midspan.labs.first_draft import FirstDraft
from midspan.labs.lab4_scaling import check, lab
from midspan.labs.lab4_scaling.searching import SEARCHES
from midspan.simulation import PREDICATES
from tests.course import ROOT, Notebook
from tests.solved import LAB4

NOTEBOOK = Notebook(LAB4.path)
FOLDER = ROOT / f"src/midspan/labs/{LAB4.name}"
SCREEN = 40  # lines of code


def test_the_title_says_how_much_one_writes() -> None:
    total = sum(step.lines for step in check)
    assert f"with {total} lines of yours" in NOTEBOOK.cells[0].source


def test_one_meets_step_1_after_one_screen_of_code() -> None:
    """The first draft is imported, and each part shown at the step that replaces it."""
    before = list(takewhile(lambda cell: "## Step 1" not in cell.source, NOTEBOOK.cells))
    assert sum(len(cell.source.splitlines()) for cell in before if cell.is_code) <= SCREEN
    showing = "\n".join(cell.source for cell in NOTEBOOK.code if "show_source(" in cell.source)
    shown = set(re.findall(r'"(\w+)"', showing))
    drafted = {name for step in check for name in step.answers} & set(FirstDraft(FOLDER).sources)
    assert drafted - {"ours", "Log"} <= shown


def test_what_the_searches_name_is_searched_for() -> None:
    assert set(SEARCHES) <= set(lab.steps)
    assert set(SEARCHES["control"].breaks) == set(PREDICATES), "the last one looks for all"
    for step, search in SEARCHES.items():
        assert set(search.breaks) <= set(PREDICATES), step
        assert set(search.breaks.values()) <= {"", *lab.misconceptions}, step


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    checks = [path for path in FOLDER.glob("*.py") if path.stem not in ("drafts", "ends")]
    sources = "\n".join(path.read_text("utf-8") for path in checks)
    for name in ("Rooms", "Log", "Owners", "Outlet", "Presence"):
        assert f"class {name}" not in sources
    for name in ("taken", "accept", "mailbox", "resume", "take_script", "release_script"):
        assert not re.search(rf"def {name}\((?!t: Transcript)", sources), name
    for command in ("XADD', KEYS", "HSETNX", "hincrby(self", '.xread({stream: f"{offset}-0"}, PAGE, block=0):'):
        assert command not in sources, command
    drafts = "\n".join(FirstDraft(FOLDER).sources[name] for name in ("take", "follow", "resume", "Owners", "Presence"))
    for command in ("eval(", "hget(facts", "xread(", "hincrby("):
        assert command not in drafts, command
