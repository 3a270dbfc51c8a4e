"""Lab 4's notebook: its size, its searches; the package holds no answer."""

from __future__ import annotations

import re

from midspan.labs.lab4_scaling import check, lab
from midspan.labs.lab4_scaling.searching import SEARCHES
from midspan.simulation import PREDICATES
from tests.course import ROOT, Notebook
from tests.solved import LAB4

NOTEBOOK = Notebook(LAB4.path)
MOST_LINES = 430  # with docstrings


def test_one_reads_the_nodes_in_one_sitting() -> None:
    """What the learner writes, and all that a node needs, frame included; the title says how much the first is."""
    total = sum(step.lines for step in check)
    assert f"with {total} lines of yours" in NOTEBOOK.cells[0].source
    assert total < len(LAB4.session_lines()) <= MOST_LINES


def test_what_the_searches_name_is_searched_for() -> None:
    assert set(SEARCHES) <= set(lab.steps)
    assert set(SEARCHES["control"].breaks) == set(PREDICATES), "the last one looks for all"
    for step, search in SEARCHES.items():
        assert set(search.breaks) <= set(PREDICATES), step
        assert set(search.breaks.values()) <= {"", *lab.misconceptions}, step


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / f"src/midspan/labs/{LAB4.name}").glob("*.py"))
    for name in ("Rooms", "Log", "Owners", "Outlet", "Presence"):
        assert f"class {name}" not in sources
    for name in ("accept", "mailbox", "resume", "take_script", "release_script"):
        assert not re.search(rf"def {name}\((?!t: Transcript)", sources), name
    for command in ("XADD', KEYS", "HSETNX", "hincrby(self", '.xread({stream: f"{offset}-0"}, PAGE, block=0):'):
        assert command not in sources, command
