"""Chapter 03 leaves no row of its claims out, and states each claim in words."""

from __future__ import annotations

import re

import pytest

from midspan.conclusions.verdicts import Conclusion
from midspan.experiments.guarantee_matrix import moments
from midspan.experiments.on_trial import Recorded, named
from tests.controls import all_conclusions
from tests.course import Notebook, calls, found, questions_with_asserted_scores, words

ROWS = {  # of the claims on trial in this chapter: those that the curriculum lists, and what was seen besides
    "F1": {"detect a drop", "decide the retry", "restore state", "handle partial messages", "handle duplicate sends"},
    "F2": {
        *("automatic reconnection", "buffering", "state recovery", "fallback"),
        *("reconnection of a crowd", "recovery asks for the right again"),
    },
    "F3": {""},
    "M3": {"heartbeats", "buffering while reconnecting", "optional retries"},
    "L4": {"heartbeats notice a half-open link", "fallback"},
    "W3": {""},
}
RECORDED = "socket.io-client 4.8.4 (recorded)"
KNOWN = {"websockets", "python-socketio", "python-socketio, websockets", RECORDED, "a first draft, simulated"}


def chapter() -> Notebook:
    (one,) = (notebook for notebook in found("notebooks") if notebook.path.stem == "03_failure_handling")
    return one


def drawn() -> list[Conclusion]:
    """What the chapter concludes, in its order."""
    by_name = {name.partition(".")[2]: one for name, one in all_conclusions().items()}
    return [by_name[words(call.args[0])] for cell in chapter().code for call in calls(cell, "verdict")]


@pytest.mark.parametrize("claim", ROWS)
def test_every_row_of_a_claim_has_its_verdict(claim: str) -> None:
    """F1 has five, F2 six, each entered in a cell of the notebook."""
    assert {one.row for one in drawn() if one.claim == claim} == ROWS[claim]


def test_every_verdict_is_of_an_implementation() -> None:
    """By its name, never of "Socket.IO" or "raw" at large."""
    assert {one.of for one in drawn()} <= KNOWN


@pytest.mark.parametrize("claim", ROWS)
def test_every_claim_is_stated_in_words(claim: str) -> None:
    """In the prose: "**Claim F1: ...**", before or after its id's verdict."""
    prose = "\n".join(cell.source for cell in chapter().cells if not cell.is_code)
    assert re.search(rf"\bClaims? (\w\d and )?{claim}( and \w\d)?: \w+", prose)


def test_every_prediction_is_scored_by_what_ran() -> None:
    """Each question has its score, in a later cell that asserts the answer."""
    assert len(questions_with_asserted_scores(chapter())) >= 9


def test_the_columns_have_the_moments_that_the_prose_names() -> None:
    """Section 7: six kinds of moments where the link is simulated, three in the recorded column."""
    simulated = {(at.way, at.when) for at in moments(named("python-socketio").implementation)}
    recorded = {(at[1], at[3]) for runs in Recorded().made["runs"].values() for at in (run["at"] for run in runs)}
    assert simulated == {("up", "before"), ("up", "reply"), ("down", "after")} | recorded
    assert recorded == {("up", "during"), ("up", "after"), ("down", "during")}
