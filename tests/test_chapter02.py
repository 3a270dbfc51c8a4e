"""Chapter 02 draws its conclusions, states each claim in words, and answers each question by a run below it."""

from __future__ import annotations

import pytest

from midspan import conclusions
from midspan.grading.sections import deeper
from tests.course import Cell, Notebook, calls, found, questions_with_asserted_scores, words

CLAIMS = {"L3", "L4", "M1", "M2", "M4"}  # on trial in this chapter, as the curriculum lists them
IN_THE_CORE = {"M1"}


@pytest.fixture(scope="module")
def chapter() -> Notebook:
    (found_one,) = (notebook for notebook in found("notebooks") if notebook.path.stem == "02_event_wrapping")
    return found_one


def claims(cells: list[Cell]) -> set[str]:
    drawn = [words(call.args[0]) for cell in cells if cell.is_code for call in calls(cell, "verdict")]
    return {getattr(conclusions, name).claim for name in drawn}


def test_every_claim_has_its_verdict(chapter: Notebook) -> None:
    """Those of the deeper sections too."""
    below = deeper(chapter.raw)
    assert claims(chapter.cells) == CLAIMS
    assert claims([cell for place, cell in enumerate(chapter.cells) if place not in below]) == IN_THE_CORE


def test_every_claim_is_stated_in_words(chapter: Notebook) -> None:
    """Where it is tried, above its first verdict."""
    for claim in CLAIMS:
        place = next(n for n, cell in enumerate(chapter.cells) if claim in claims([cell]))
        said = [cell.source for cell in chapter.cells[:place] if not cell.is_code]
        assert any(f"**Claim {claim}: " in source for source in said), claim


def test_every_question_is_answered_by_what_ran_in_between(chapter: Notebook) -> None:
    """And the cell of its score asserts it."""
    assert {"02.order", "02.durable", "02.origin"} <= questions_with_asserted_scores(chapter)  # for a class that votes
