"""Lab 3's notebook: its size, its searches; the package holds no answer."""

from __future__ import annotations

from midspan.labs.lab3_failure import lab
from midspan.labs.lab3_failure.searching import SEARCHES
from midspan.simulation import PREDICATES
from tests.course import ROOT, Notebook
from tests.solved import LAB3

NOTEBOOK = Notebook(LAB3.path)
MOST_LINES = 300


def test_one_reads_the_session_in_one_sitting() -> None:
    """All that it needs, frame included, as it stands in the end; the title says how much that is."""
    lines = LAB3.session_lines()
    assert 200 < len(lines) <= MOST_LINES
    assert f"with {len(lines)} lines" in NOTEBOOK.cells[0].source


def test_every_predicate_is_searched_for_in_some_step() -> None:
    stressed = {
        name for step, searches in SEARCHES.items() if step != "control" for one in searches for name in one.breaks
    }
    assert set(PREDICATES) - stressed == {"no_crash", "no_phantom"}, "each search looks for crashes; the last for all"
    assert set(SEARCHES["control"][0].breaks) == set(PREDICATES)
    assert set(SEARCHES) == set(lab.steps) - {"sender"}


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / f"src/midspan/labs/{LAB3.name}").glob("*.py"))
    for name in ("Sender", "Outbox", "Inbox", "Desk", "Log", "Cursor"):
        assert f"class {name}" not in sources
    for name in ("heartbeat", "backoff", "stay_connected", "feed", "greet"):
        assert f"async def {name}(connection" not in sources
        assert f"def {name}(attempt" not in sources
