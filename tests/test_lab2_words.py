"""What a learner of lab 2 reads when an answer goes wrong: their own exception and line, and only words that fit."""

from __future__ import annotations

import pytest

from midspan.grading import Result, notebooks
from midspan.grading.notebooks import read_reference
from midspan.labs.lab2_events import lab
from tests import bank
from tests.bank import Right

ONE = "reply.data[0] if reply.data"


def judged(step: str, old: str, new: str) -> Result:
    """The result of a step whose solution has one edit."""
    _, parts = read_reference(notebooks.solution(lab.name), lab.name)
    return bank.results(lab, bank.edited(parts, Right("an edit", step, old, new)), step)[step]


@pytest.mark.parametrize(
    ("step", "old", "new", "words"),
    [
        (
            "envelope",
            "except ValueError as error:",
            "except KeyError as error:",
            "got:      JSONDecodeError: Expecting",
        ),
        ("events", "if name not in self.handlers:", "if False:", "got:      KeyError: 'nobody'"),
        ("calls", ONE, ONE.replace("[0]", "[1]"), "got:      IndexError: list index out of range\n"),
        ("timed_calls", "pop(id, None)", "pop(id + 1)", "got:      KeyError: 2\n"),
        ("packet", "int(attachments or 0))", "int(attachments))", "got:      TypeError: int() argument must be"),
    ],
)
def test_an_exception_is_shown_by_its_own_name_with_the_line_that_raised_it(
    step: str, old: str, new: str, words: str
) -> None:
    result = judged(step, old, new)
    assert result.verdict == "wrong"
    assert words in str(result)
    assert "difference" not in str(result)
    assert result.where
    assert all(line.startswith("your code, ") for line in result.where)


def test_an_exception_in_place_of_a_value_brings_no_words_about_values() -> None:
    result = judged("calls", ONE, ONE.replace("[0]", "[1]"))
    assert (result.misconception, result.message) == ("", "")
    assert result.where[-1].endswith(f"else {ONE.replace('[0]', '[1]')} else None")


def test_an_envelope_that_is_right_is_one_line_and_one_that_is_not_shows_its_way() -> None:
    result = judged("envelope", 'json.dumps(said, separators=(",", ":"))', 'json.dumps(said, separators=(",", ": "))')
    assert [line.kind for line in result.lines] == ["said", "held", "held", "broken"]
    assert len(bank.results(lab, read_reference(notebooks.solution(lab.name), lab.name)[1])["envelope"].lines) < 20
