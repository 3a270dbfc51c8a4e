"""The checks are checked: each wrong solution is caught where and in the words it says, each right one passes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from midspan.checks import Lab, catalogue, judge, places, sheet
from tests import bank
from tests.bank import BadEdit, Judged, Right, Wrong, edited
from tests.labs import lab0_adding
from tests.labs.lab0_adding import SOLVED, notebook, write

SQUARE = Wrong("square", "double", old="2 * x", new="x * x", words="expected: 6")
FIRST = Wrong("first", "total", old="sum(map(double, xs))", new="double(xs[0])")


@pytest.fixture
def parts() -> dict[str, sheet.Part]:
    return sheet.reference(notebook(SOLVED))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The tests' own small lab, with its solution."""
    monkeypatch.setattr(catalogue, "HOMES", ["tests.labs"])
    monkeypatch.setenv("MIDSPAN_COURSE", str(tmp_path))
    write(tmp_path / "solutions" / "lab0_adding.ipynb", notebook(SOLVED))
    return lab0_adding.lab


def complaint(lab: Lab, entry: Right) -> str:
    (row,) = bank.judged(lab, [entry])
    return row.complaint()


# --- the bank itself


def test_a_wrong_solution_is_caught_where_and_as_it_says(lab: Lab) -> None:
    assert complaint(lab, SQUARE) == ""
    assert complaint(lab, FIRST) == ""


def test_a_right_solution_passes(lab: Lab) -> None:
    assert complaint(lab, Right("shift", "double", old="2 * x", new="x << 1")) == ""
    assert complaint(lab, Right("whole", "double", old="", new="double = lambda x: x + x")) == ""


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Wrong("square", "double", "2 * x", "x + x"), "passes every check"),
        (Wrong("square", "double", "2 * x", "x * x", check="total"), "is to be caught by total, but"),
        (Wrong("square", "double", "2 * x", "x * x", words="no such words"), "and 'no such words', but"),
        (Wrong("first", "double", "2 * x", "x * x"), "does not read 'All numbers count.'"),
        (Wrong("unknown", "double", "2 * x", "x * x"), "has no misconception unknown"),
        (Wrong("square", "double", "return 2 * x", "raise NotImplementedError"), "to do"),
        (Wrong("square", "double", "", "while True: pass"), "hangs"),
        (Right("cube", "double", "2 * x", "x ** 3"), "is right, but"),
    ],
)
def test_an_entry_that_is_not_as_it_says_is_complained_of(lab: Lab, entry: Right, words: str) -> None:
    assert words in complaint(lab, entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Wrong("square", "double", "3 * x", "x * x"), "occurs 0 times"),
        (Wrong("square", "double", "x", "y"), "occurs 2 times"),
        (Wrong("square", "double", "2 * x", "2 * x"), "changes nothing"),
        (Wrong("square", "double", "", SOLVED["double"]), "changes nothing"),
        (Wrong("square", "triple", "2 * x", "x * x"), "there is no step triple"),
    ],
)
def test_an_edit_that_edits_nothing_or_two_places_is_refused(
    parts: dict[str, sheet.Part], entry: Wrong, words: str
) -> None:
    with pytest.raises(BadEdit, match=words):
        edited(parts, entry)


def test_the_table_shows_which_check_sees_what(lab: Lab) -> None:
    rows = list(bank.judged(lab, [SQUARE, Right("shift", "double", old="2 * x", new="x << 1")]))
    assert bank.table(lab, rows).splitlines()[-3:] == [
        "|---|---|---|---|---|---|",
        "| square | double | **✗** | ✗ | · | Double is twice the number, not its square. |",
        "| shift | double | · | · | · | passes |",
    ]


def test_the_bank_and_the_judge_agree(lab: Lab, tmp_path: Path) -> None:
    """The bank judges in one process to be quick; the judge in many to be safe."""
    source = SOLVED["double"].replace(SQUARE.old, SQUARE.new)
    report = judge.judge(write(tmp_path / "labs" / "lab0_adding.ipynb", notebook({**SOLVED, "double": source})))
    (row,) = bank.judged(lab, [SQUARE])
    assert report.results[0] == row.results["double"]


# --- the banks of the course


@cache
def course_rows(name: str) -> list[Judged]:
    """All entries of a lab's bank, judged once."""
    wrong, right = bank.entries(name)
    return list(bank.judged(bank.load(name), [*wrong, *right]))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", bank.banks())
def test_the_bank_of_a_lab_holds(name: str) -> None:
    complaints = [row.complaint() for row in course_rows(name)]
    assert not any(complaints), "\n\n".join(filter(None, complaints))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", bank.banks())
def test_the_table_of_a_lab_is_what_the_bank_generates(name: str) -> None:
    stored = (Path(bank.__file__).parent / f"{name}.md").read_text("utf-8")
    assert bank.table(bank.load(name), course_rows(name)) == stored, f"run: python -m tests.bank {name}"


@pytest.mark.parametrize("name", bank.banks())
def test_a_lab_has_enough_of_both_and_each_entry_its_own_name(name: str) -> None:
    wrong, right = bank.entries(name)
    assert len(wrong) >= 8
    assert len(right) >= 3
    ids = [entry.id for entry in [*wrong, *right]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", bank.banks())
def test_a_solved_lab_passes_every_check(name: str) -> None:
    lab = bank.load(name)
    _, parts = sheet.read_reference(places.solution(name), name)
    failed = [str(result) for result in bank.results(lab, parts).values() if not result.passed]
    assert not failed, "\n\n".join(failed)
