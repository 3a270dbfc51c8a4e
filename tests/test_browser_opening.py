"""What a learner sees at the first opening of a fresh clone, and what git sees afterwards.

Screenshots are kept in results/browser/, to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from midspan.grading.sections import DEEPER, answering, deeper
from tests.course import ROOT, Notebook
from tests.lab_in_browser import CHROMIUM, Lab, clone, git, kept, lab, study

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `make test` installs one as root on Debian"),
]
PICTURES = ROOT / "results/browser"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A fresh clone in a JupyterLab that has seen nothing yet."""
    course = clone(tmp_path_factory.mktemp("clone"))
    home = tmp_path_factory.mktemp("home")
    with study(course, home, "notebooks/00_two_layers.ipynb") as url, lab(url) as opened:
        yield opened, course


@pytest.mark.parametrize("path", ["notebooks/00_two_layers", "notebooks/03_failure_handling", "labs/lab1_framing"])
def test_a_notebook_that_is_opened_saved_and_closed_is_the_same_file(fresh: tuple[Lab, Path], path: str) -> None:
    """A first opening: each stored output is shown as it stands; git has nothing to say after a save."""
    page, course = fresh
    page.open(f"{path}.ipynb")
    trusted = page.trusted()
    assert trusted
    assert all(trusted)
    kept(page.page.screenshot(), PICTURES / f"first_{Path(path).name}.png")
    before = (course / f"{path}.ipynb").stat().st_mtime_ns
    page.save()
    page.close()
    assert (course / f"{path}.ipynb").stat().st_mtime_ns > before, "it was not saved"
    assert git(course, "status", "--porcelain") == ""


def test_answers_are_hidden_until_their_cell_runs_and_deeper_sections_are_folded(fresh: tuple[Lab, Path]) -> None:
    """What the file says, as JupyterLab takes it: see `midspan.grading.sections`."""
    page, course = fresh
    notebook = Notebook(course / "notebooks/00_two_layers.ipynb")
    page.open("notebooks/00_two_layers.ipynb")
    answers = answering(notebook.raw)
    assert page.hidden() == answers
    headings = {place for place in deeper(notebook.raw) if DEEPER.match(notebook.cells[place].source)}
    assert page.folded() == headings
    first = min(answers)
    for place in range(first + 1):
        page.run(place)
    assert page.hidden() == answers - {first}
    page.close()


def test_learners_see_neither_the_teachers_panels_nor_news(fresh: tuple[Lab, Path]) -> None:
    """No panel, no button and no command of nbgrader; JupyterLab asks for no news: the course is offline."""
    page, _ = fresh
    assert "notebook:run-all-cells" in page.commands(), "the list of commands is not the one we think"
    assert [name for name in page.commands() if "nbgrader" in name] == []
    assert page.page.get_by_text("Create Assignment").count() + page.page.get_by_text("Validate").count() == 0
    assert page.has("@jupyterlab/apputils-extension:notification")
    assert not page.has("@jupyterlab/apputils-extension:announcements")
