"""Chapter 02 concludes nothing that it has not asserted, and each question is answered by a run below it."""

from __future__ import annotations

import ast

import pytest

from midspan.grading.sections import deeper
from tests.course import Cell, Notebook, calls, found, questions, words

CLAIMS = {"L3", "L4", "M1", "M2", "M4"}  # on trial in this chapter, as the curriculum lists them
IN_THE_CORE = {"M1"}


@pytest.fixture(scope="module")
def chapter() -> Notebook:
    (found_one,) = (notebook for notebook in found("notebooks") if notebook.path.stem == "02_event_wrapping")
    return found_one


def claims(cells: list[Cell]) -> set[str]:
    return {words(call.args[0]) for cell in cells if cell.is_code for call in calls(cell, "verdict")}


def test_every_claim_has_its_verdict(chapter: Notebook) -> None:
    """Those of the deeper sections too."""
    below = deeper(chapter.raw)
    assert claims(chapter.cells) == CLAIMS
    assert claims([cell for place, cell in enumerate(chapter.cells) if place not in below]) == IN_THE_CORE


def test_every_verdict_and_every_score_follows_an_assertion(chapter: Notebook) -> None:
    """In its own cell, further up: what no longer holds fails before it is said."""
    for number, cell in enumerate(chapter.code):
        said = [call.lineno for name in ("verdict", "score") for call in calls(cell, name)]
        asserts = [node.lineno for node in ast.walk(cell.tree) if isinstance(node, ast.Assert)]
        assert not said or (asserts and min(asserts) < min(said)), f"code cell {number}"


def test_every_question_is_answered_by_what_ran_in_between(chapter: Notebook) -> None:
    assert {"02.order", "02.durable", "02.origin"} <= questions(chapter)  # for a class that votes
