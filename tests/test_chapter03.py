"""Chapter 03 concludes nothing that it has not asserted, and leaves no row of its claims out."""

from __future__ import annotations

import ast

import pytest

from midspan.conclusions.verdicts import CLAIMS
from tests.course import Notebook, calls, found, questions_with_asserted_scores, words

ROWS = {  # of the claims on trial in this chapter, as the curriculum lists them
    "F1": {"detect a drop", "decide the retry", "restore state", "handle partial messages", "handle duplicate sends"},
    "F2": {"automatic reconnection", "buffering", "state recovery", "fallback"},
    "F3": {""},
    "M3": {"heartbeats", "buffering while reconnecting", "optional retries"},
    "L4": {"heartbeats", "fallback", "reconnection"},
    "W3": {""},
}


def chapters(*stems: str) -> list[Notebook]:
    return [notebook for notebook in found("notebooks") if notebook.path.stem in stems]


def entered() -> dict[str, set[str]]:
    """The rows that chapters 00 and 03 enter, by claim. `for claim in ("F2", "L4")` enters both."""
    rows: dict[str, set[str]] = {}
    for notebook in chapters("00_two_layers", "03_failure_handling"):
        for cell in notebook.code:
            loops = [node for node in ast.walk(cell.tree) if isinstance(node, ast.For)]
            for call in calls(cell, "verdict"):
                claim, row, *_ = map(words, call.args)
                claims = [claim] if claim in CLAIMS else ast.literal_eval(loops[0].iter)
                for each in claims:
                    rows.setdefault(each, set()).add(row)
    return rows


@pytest.mark.parametrize("claim", ROWS)
def test_every_row_of_a_claim_has_its_verdict(claim: str) -> None:
    """F1 has five, F2 four, each entered in a cell of the notebook."""
    assert entered()[claim] == ROWS[claim]


def test_every_verdict_follows_its_assertion() -> None:
    """In its own cell, further up: a relation that no longer holds fails before the verdict is entered."""
    (chapter,) = chapters("03_failure_handling")
    for number, cell in enumerate(chapter.code):
        verdicts = [call.lineno for call in calls(cell, "verdict")]
        asserts = [node.lineno for node in ast.walk(cell.tree) if isinstance(node, ast.Assert)]
        assert not verdicts or (asserts and min(asserts) < min(verdicts)), f"code cell {number}"


def test_every_verdict_is_of_somebody() -> None:
    """A name of an implementation, never of "Socket.IO" or "raw" at large."""
    (chapter,) = chapters("03_failure_handling")
    of = [words(call.args[3]) for cell in chapter.code for call in calls(cell, "verdict")]
    known = {"websockets", "python-socketio", "python-socketio, websockets", "recorded", "a first draft, simulated"}
    assert len(of) >= 14
    assert set(of) <= known


def test_every_prediction_is_scored_by_what_ran() -> None:
    """Each question has its score, in a later cell that asserts the answer."""
    (chapter,) = chapters("03_failure_handling")
    assert len(questions_with_asserted_scores(chapter)) >= 9
