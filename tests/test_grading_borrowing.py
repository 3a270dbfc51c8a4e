"""`borrow`: the reference's part of a step stands in: in a kernel, for the judge, in reports, a grade, the progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from midspan.errors import Refusal
from midspan.grading import progress
from midspan.grading.finished_labs import finished
from midspan.grading.judging import judge
from midspan.grading.junit_report import junit
from midspan.grading.lab_source import earlier
from midspan.grading.transcript import CheckFailed, Result
from tests.labs import lab0_adding
from tests.labs.lab0_adding import SOLVED, UNSOLVED, notebook, write


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with one small lab; the learner's notebook of it is unsolved."""
    folder = lab0_adding.course(tmp_path, monkeypatch)
    write(folder / "labs" / "lab0_adding.ipynb", notebook(UNSOLVED))
    return folder


@pytest.fixture
def kernel() -> dict[str, Any]:
    """The names of a kernel in which the cells above the first step have run."""
    names: dict[str, Any] = {"check": lab0_adding.check, "borrow": lab0_adding.lab.borrow}
    exec(lab0_adding.SETUP, names)
    return names


def check(kernel: dict[str, Any], step: str) -> Result:
    exec(f"result = check.{step}({', '.join(getattr(lab0_adding.check, step).answers)})", kernel)
    result: Result = kernel["result"]
    return result


def test_a_borrowed_part_works_and_its_step_counts_as_borrowed(kernel: dict[str, Any]) -> None:
    exec('lent = borrow("double")', kernel)
    assert kernel["double"](21) == 42
    assert str(kernel["lent"]) == "double: double borrowed from the reference"
    result = check(kernel, "double")
    assert (result.verdict, result.passed) == ("borrowed", False)
    assert progress.standing("lab0_adding") == {"double": "borrowed"}
    assert "◇ check.double(double): Twice" in repr(lab0_adding.check)
    assert "0 of 3 steps done" in repr(lab0_adding.check)


def test_the_step_after_a_borrowed_one_can_pass(kernel: dict[str, Any]) -> None:
    exec('borrow("double")', kernel)
    exec("def total(xs): return sum(double(x) for x in xs)", kernel)
    assert check(kernel, "total").verdict == "passed"


def test_an_own_answer_takes_the_step_back(kernel: dict[str, Any]) -> None:
    exec('borrow("double")', kernel)
    exec("def double(x): return x + x", kernel)
    assert check(kernel, "double").verdict == "passed"
    assert progress.standing("lab0_adding") == {"double": "passed"}


def test_an_own_answer_that_is_wrong_is_no_longer_borrowed(kernel: dict[str, Any]) -> None:
    exec('borrow("double")', kernel)
    exec("def double(x): return x * x", kernel)
    with pytest.raises(CheckFailed):
        check(kernel, "double")
    assert progress.standing("lab0_adding") == {}  # it has never passed


def test_a_step_that_passed_and_is_borrowed_now_is_not_done(kernel: dict[str, Any]) -> None:
    progress.passed("lab0_adding", "double")
    exec('borrow("double")', kernel)
    assert progress.standing("lab0_adding") == {"double": "borrowed"}


def test_several_steps_at_once(kernel: dict[str, Any]) -> None:
    exec('borrow("double", "later")', kernel)
    assert [check(kernel, step).verdict for step in ("double",)] == ["borrowed"]
    assert set(kernel) >= {"double", "later", "serve"}  # all names that the reference's cell defines


@pytest.mark.parametrize("call", ["borrow()", 'borrow("duoble")', "borrow(3)"])
def test_a_step_that_there_is_not_is_refused_with_the_steps(kernel: dict[str, Any], call: str) -> None:
    with pytest.raises(Refusal, match="double, total, later"):
        exec(call, kernel)


def test_cells_above_that_have_not_run_are_named(course: Path, kernel: dict[str, Any]) -> None:
    write(course / "solutions" / "lab0_adding.ipynb", notebook({**SOLVED, "double": "double = twice"}))
    with pytest.raises(Refusal, match="a notebook whose cells above have run, but got NameError: name 'twice'"):
        exec('borrow("double")', kernel)


def test_nbgrader_gives_no_points_for_it(kernel: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    exec('borrow("double")', kernel)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(CheckFailed, match="double: borrowed"):
        check(kernel, "double")


@pytest.fixture
def borrowing(course: Path) -> Path:
    """The learner's notebook: the first step is borrowed, the second their own, the third to do."""
    answers = {**UNSOLVED, "double": 'borrow("double")', "total": SOLVED["total"]}
    return write(course / "labs" / "lab0_adding.ipynb", notebook(answers))


def test_the_judge_says_borrowed_and_judges_the_later_steps_with_the_reference(borrowing: Path) -> None:
    report = judge(borrowing)
    assert {r.step: r.verdict for r in report.results} == {"double": "borrowed", "total": "passed", "later": "to do"}
    assert not report.passed
    assert str(report).splitlines()[1:6] == [
        "  ◇ double  borrowed",
        "  ✓ total   passed",
        "  ○ later   to do",
        "1 of 3 steps pass.",
        "Still to do: later.",
    ]
    assert str(report).splitlines()[6] == "Borrowed: double."


def test_junit_skips_it(borrowing: Path) -> None:
    suite = ElementTree.fromstring(junit(judge(borrowing)))[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "2")
    first = suite[0].find("skipped")
    assert first is not None
    assert "The reference's part stands in" in first.get("message", "")


def test_a_borrowed_part_finishes_a_lab(course: Path) -> None:
    path = write(course / "labs" / "lab0_adding.ipynb", notebook({**SOLVED, "double": 'borrow("double")'}))
    assert finished("lab0_adding", str(path)).total([1, 2]) == 6


@pytest.mark.usefixtures("borrowing")
def test_a_later_lab_says_that_the_part_is_the_references() -> None:
    carried = earlier("lab0_adding")
    assert (carried.mine, carried.others) == (("total",), ("double", "later"))
