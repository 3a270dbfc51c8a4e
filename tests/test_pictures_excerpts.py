"""A long ladder is one screen high, and the steps that decide its verdict are in it and marked."""

from __future__ import annotations

import pytest

from midspan.experiments import run_chat
from midspan.pictures.excerpts import MOST_ROWS, deciding_message, excerpt, finding, mentions
from midspan.pictures.outputs import counterexample_picture, run_report_picture
from midspan.pictures.runs import POINTER, run_ladder
from midspan.simulation import NAIVE, Cut, Ladder, Mark, Rung, Trigger, counterexample, draw, simple
from tests.simulation_session import implementation
from tests.test_pictures_pictures import texts


def long(steps: int) -> Ladder:
    """A ladder of so many messages, "m0", "m1" ..."""
    return Ladder(("a", "server"), tuple(Rung(at / 10, "a", "server", f"m{at}", at / 10 + 0.05) for at in range(steps)))


@pytest.mark.parametrize("steps", [1, MOST_ROWS, MOST_ROWS + 1, 60, 100])
@pytest.mark.parametrize("decides", [0, 30, 59])
def test_a_long_ladder_is_folded(steps: int, decides: int) -> None:
    """It has so many rows at most, in order; no step is lost in words: a fold says how many it stands for."""
    whole = long(steps)
    part = excerpt(whole, f"m{decides}")
    kept = [step for step in part if step in whole.steps]
    folded = [int(step.text.split()[0]) for step in part if isinstance(step, Mark) and step.kind == "fold"]
    assert len(part.steps) <= max(MOST_ROWS, 1)
    assert len(kept) + sum(folded) == steps
    assert kept == sorted(kept, key=lambda step: step.at_s)
    assert decides >= steps or any(mentions(step, f"m{decides}") for step in kept)


def test_a_fault_and_what_it_closes_are_never_folded() -> None:
    """In the middle of sixty messages."""
    steps = list(long(60).steps)
    fault, closed = Mark(3.0, "a", "cut", "fault"), Mark(3.0, "a", "closed 1006")
    part = excerpt(Ladder(("a", "server"), (*steps[:30], fault, closed, *steps[30:])), "")
    assert fault in part.steps
    assert closed in part.steps


def test_a_short_name_is_no_part_of_a_longer_one() -> None:
    """`a1` is not `a11`, nor a part of `data1`."""
    said = [Rung(0.0, "a", "server", text, 0.1) for text in ('["say","a1"]', "a11", "data1", "a1")]
    assert [mentions(step, "a1") for step in said] == [True, False, False, True]
    assert not any(mentions(step, "") for step in said)


def test_the_message_of_the_verdict_is_marked() -> None:
    """Its step has a pointer, the legend says what the pointer means, and the title is the finding."""
    run = run_chat("websockets", cut=2)
    shown = run_report_picture(run)
    assert shown is not None
    words = [found for _, _, found, _, _ in texts(shown.drawn)]
    assert words.count(POINTER) == 1
    assert f"{POINTER} the message that decides: two" in words
    assert finding(run.violated.values()) in words
    assert deciding_message(run.history, run.violated["no_loss"]) == "two"


def test_a_run_that_violates_nothing_has_no_mark() -> None:
    shown = run_report_picture(run_chat("websockets"))
    assert shown is not None
    assert not [found for _, _, found, _, _ in texts(shown.drawn) if POINTER in found]


def test_a_counterexample_is_marked_too() -> None:
    """The message that its reason names."""
    schedule = simple(2, faults=(Cut(Trigger("a", "up", 2, "during")),))
    found = counterexample(NAIVE, schedule, "no_loss")
    shown = counterexample_picture(found)
    assert shown is not None
    words = [words for _, _, words, _, _ in texts(shown.drawn)]
    message = deciding_message(found.history, found.reason)
    assert message in found.reason.split()
    assert words.count(POINTER) == sum(mentions(step, message) for step in excerpt(found.ladder, message)) > 0


def test_the_text_twin_has_all_steps() -> None:
    """Only the drawing is folded."""
    assert run_ladder(long(60)).text == str(long(60))
    _, ladder = draw(implementation(), simple(4, ("a", "b", "c")))
    assert run_ladder(ladder).text == str(ladder)
