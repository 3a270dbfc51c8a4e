"""`make check` chooses the tests that an edit reaches, nearest first, and says truly what came of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests import check
from tests.check import Ran, changed_files
from tests.choice import COMPARE, Chosen, affordable, choose
from tests.course import ROOT
from tests.import_map import ImportMap, is_test
from tests.shares import SECONDS

# A small made-up course: what each file holds.
TREE = {
    "src/midspan/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
    "    from midspan.study import open as open\nHOMES = {'open': 'midspan.study'}\n",
    "src/midspan/errors.py": "",
    "src/midspan/study.py": "import midspan.errors\n",
    "src/midspan/net/__init__.py": "from midspan.net.taps import Tap\nfrom midspan.net.tcp import keep\n"
    "__all__ = ['Tap']\nkeep()\n",
    "src/midspan/net/taps.py": "from midspan.errors import need\n",
    "src/midspan/net/tcp.py": "",
    "src/midspan/net/page.html": "",
    "src/midspan/net/pages.py": "PAGE = 'page.html'\n",
    "src/midspan/labs/lab1/__init__.py": "",
    "tests/conftest.py": "from tests.helper import watch\n",
    "tests/helper.py": "",
    "tests/test_name.py": "from midspan.net import Tap\n",
    "tests/test_attribute.py": "import midspan.net as net\nnet.Tap\n",
    "tests/test_other.py": "from midspan.net import keep\n",
    "tests/test_whole.py": "import midspan\nmidspan.open\n",
    "tests/test_inside.py": "def test():\n    from midspan.net.tcp import keep\n",
    "tests/test_string.py": "from importlib import import_module\nimport_module('midspan.study')\n",
    "tests/test_program.py": "KERNEL = 'from midspan import open\\nopen()'\n",
    "tests/test_labs.py": "LABS = [f'midspan.labs.{name}' for name in NAMES]\n",
    "tests/test_readme.py": "TEXT = 'README.md'\n",
    "notebooks/00_tiny.ipynb": '{"cells": [{"cell_type": "code", "source": ["from midspan import open"]}]}',
    "README.md": "",
}
NET = {"tests/test_name.py", "tests/test_attribute.py"}
SEEN = [
    ("src/midspan/net/taps.py", 1, NET),
    ("src/midspan/net/tcp.py", 1, {"tests/test_inside.py"}),  # and none that only wants a Tap
    ("src/midspan/net/taps.py", 2, set()),  # not test_other, which takes something else from the package
    ("src/midspan/net/tcp.py", 2, {*NET, "tests/test_other.py"}),  # `keep()` runs for each
    ("src/midspan/net/__init__.py", 1, {*NET, "tests/test_other.py"}),
    ("src/midspan/net/__init__.py", 2, {"tests/test_inside.py"}),
    (
        "src/midspan/study.py",
        1,
        {"tests/test_whole.py", "tests/test_string.py", "tests/test_program.py", "notebooks/00_tiny.ipynb"},
    ),
    ("src/midspan/net/page.html", 2, set()),
    ("src/midspan/labs/lab1/__init__.py", 1, {"tests/test_labs.py"}),
    ("tests/helper.py", 2, {path for path in TREE if path.startswith("tests/test_")}),
    ("README.md", 1, {"tests/test_readme.py"}),
    ("src/midspan/gone.py", 1, set()),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The made-up course, written down."""
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def reached_at(root: Path, changed: str, steps: int) -> set[str]:
    found = ImportMap(root, gone=[changed]).steps(changed)
    return {path for path, count in found.items() if count == steps and is_test(path)}


@pytest.mark.parametrize(("changed", "steps", "wanted"), SEEN)
def test_a_changed_file_reaches_those_that_import_it(changed: str, steps: int, wanted: set[str], tree: Path) -> None:
    assert reached_at(tree, changed, steps) == wanted


def test_a_name_that_is_not_only_offered_counts_as_used(tree: Path) -> None:
    """The guard of the line above it: without `__all__` a package needs what it imports."""
    (tree / "src/midspan/net/__init__.py").write_text("from midspan.net.taps import Tap\n")
    assert reached_at(tree, "src/midspan/net/taps.py", 1) == set()
    assert reached_at(tree, "src/midspan/net/taps.py", 2) == {*NET, "tests/test_other.py"}


def test_data_reaches_the_module_that_names_it_and_a_deleted_module_those_that_import_it(tree: Path) -> None:
    assert ImportMap(tree).steps("src/midspan/net/page.html")["src/midspan/net/pages.py"] == 1
    (tree / "src/midspan/net/taps.py").unlink()
    assert reached_at(tree, "src/midspan/net/taps.py", 1) == NET


# The order


@cache
def course_map() -> ImportMap:
    """Of the course as it stands."""
    return ImportMap(ROOT)


def chosen_for(*changed: str) -> list[Chosen]:
    return choose(course_map(), changed)


def paths(chosen: Sequence[Chosen], steps: int) -> list[str]:
    return [it.path for it in chosen if it.steps == steps]


@pytest.mark.parametrize(
    ("changed", "nearest", "farther"),
    [
        ("net/taps.py", "tests/test_net_tap.py", "tests/test_net_link.py"),
        ("simulation/history.py", "tests/test_simulation_predicates.py", "tests/test_simulation_search.py"),
        ("errors.py", "tests/test_arguments.py", "tests/test_lab1_notebook.py"),
        ("protocols/websocket.py", "tests/test_protocols_readers.py", "tests/test_net_link.py"),
    ],
)
def test_the_nearest_tests_come_first(changed: str, nearest: str, farther: str) -> None:
    found = chosen_for(f"src/midspan/{changed}")
    assert nearest in paths(found, 1)
    assert farther not in paths(found, 1)
    assert [it.steps for it in found] == sorted(it.steps for it in found)


def test_at_the_same_distance_short_ones_come_first() -> None:
    seconds = [SECONDS.get(path, 0.0) for path in paths(chosen_for("src/midspan/errors.py"), 1)]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[-1]


def test_every_module_is_reached_by_a_test() -> None:
    """One that is not would be edited without an answer."""
    modules = [path for path in course_map().sources if path.startswith("src/")]
    assert [path for path in modules if not any(map(is_test, course_map().steps(path)))] == []


def test_a_changed_file_of_tests_runs_first_and_whole() -> None:
    assert chosen_for("tests/test_turns.py")[0] == Chosen("tests/test_turns.py", 0, "it changed")


def test_a_bank_means_its_own_lab() -> None:
    found = chosen_for("tests/bank/lab4_scaling.py")
    assert found[0] == Chosen("tests/test_bank.py", 0, "tests/bank/lab4_scaling.py changed", only="lab4_scaling")
    assert "tests/test_lab4_bank.py" in paths(found, 1)
    assert "tests/test_lab3_bank.py" not in [it.path for it in found]


def test_a_solution_means_itself_its_rules_and_its_lab() -> None:
    found = {it.path: it.only for it in chosen_for("solutions/lab2_events.ipynb") if it.steps == 0}
    assert found == {
        "solutions/lab2_events.ipynb": "",
        "tests/test_lab2_notebook.py": "",
        "tests/test_notebook_rules.py": "solutions/lab2_events-",
        COMPARE[0]: COMPARE[1],
    }


def test_a_lab_is_compared_and_a_chapter_is_run() -> None:
    lab = paths(chosen_for("labs/lab2_events.ipynb"), 0)
    assert sorted(lab) == ["tests/test_labs.py", "tests/test_notebook_rules.py"]
    found = chosen_for("notebooks/00_two_layers.ipynb")
    assert {"notebooks/00_two_layers.ipynb", "tests/test_notebook_rules.py"} == set(paths(found, 0))
    assert "tests/test_chapter00.py" in paths(found, 1)


def test_what_the_parts_name_is_there() -> None:
    """A test that was renamed would be chosen no more, and nothing would say so."""
    assert f"def test_{COMPARE[1]}" in (ROOT / COMPARE[0]).read_text("utf-8")
    assert '@pytest.mark.parametrize("notebook", ALL, ids=str)' in (ROOT / "tests/test_notebook_rules.py").read_text()


def test_of_two_reasons_the_nearer_counts_and_the_whole_file() -> None:
    found = {it.path: it for it in chosen_for("labs/lab2_events.ipynb", "src/midspan/grading/lab_source.py")}
    assert (found["tests/test_labs.py"].steps, found["tests/test_labs.py"].only) == (0, "")


def test_no_more_is_chosen_than_fits() -> None:
    long = next(name for name, seconds in SECONDS.items() if seconds >= 100)
    found = [Chosen(long, 0, ""), *(Chosen(f"tests/test_{number}.py", 1, "") for number in range(9))]
    assert affordable(found, 10.0) == found[1:5]


# What changed, and what is said


def git(root: Path, *words: str) -> None:
    own = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false"]
    subprocess.run([*own, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tree: Path) -> Path:
    """The made-up course as a repository."""
    git(tree, "init", "--initial-branch=main")
    git(tree, "add", ".")
    git(tree, "commit", "-m", "all")
    return tree


def test_changes_are_edits_new_files_and_commits_since_a_base(repository: Path) -> None:
    assert changed_files(repository) == []
    git(repository, "checkout", "-b", "own")
    (repository / "src/midspan/study.py").write_text("1\n")
    git(repository, "commit", "--all", "-m", "one")
    (repository / "tests/test_new ä.py").write_text("")
    (repository / "README.md").unlink()
    assert changed_files(repository) == ["README.md", "tests/test_new ä.py"]
    assert changed_files(repository, "main") == ["README.md", "src/midspan/study.py", "tests/test_new ä.py"]
    with pytest.raises(SystemExit, match=r"git diff .*nowhere.* failed"):
        changed_files(repository, "nowhere")


def stages(monkeypatch: pytest.MonkeyPatch, lint: str = "", tests: str = "") -> None:
    """In place of the tools: one program for the lint, one for the tests."""
    monkeypatch.setattr(check, "LINT", {"style": [sys.executable, "-c", lint]})
    monkeypatch.setattr(check, "pytest_command", lambda *_: [sys.executable, "-c", tests])


FAILS = "import sys; print('what is wrong'); sys.exit(1)"


@pytest.mark.parametrize(("lint", "tests", "code"), [("", "", 0), (FAILS, "", 1), ("", FAILS, 1), (FAILS, FAILS, 1)])
def test_a_stage_that_fails_is_shown_and_fails_the_check(
    lint: str,
    tests: str,
    code: int,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stages(monkeypatch, lint, tests)
    (repository / "src/midspan/study.py").write_text("1\n")
    assert check.main([], repository) == code
    said = capsys.readouterr().out
    assert "   tests/test_string.py: imports midspan.study\n" in said
    assert said.count("what is wrong") == (lint, tests).count(FAILS)
    assert ("== Right" in said, "== Not right" in said) == (code == 0, code == 1)


def test_with_nothing_changed_it_says_so_and_runs_no_test(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages(monkeypatch, tests=FAILS)
    assert check.main([], repository) == 0
    assert "== Nothing has changed since the last commit" in capsys.readouterr().out


def test_a_good_stage_is_one_line_and_a_bad_one_shows_all() -> None:
    assert str(Ran("types", 0, "Success: 292 files", 4.21)) == "   types       4.2 s  good"
    assert str(Ran("tests", 0, "...\ncheck: 3 passed\n", 60.0)) == "   tests      60.0 s  3 passed"
    assert str(Ran("types", 1, "a.py:1: error\n", 4.0)) == "   types       4.0 s  BAD\na.py:1: error"
