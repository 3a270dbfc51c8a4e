"""Lab 4's checks: the same verdict whatever the seeds, what a learner reads, and what is to do said as such."""

from __future__ import annotations

import pytest

from midspan.errors import Refusal
from midspan.grading import Result, Transcript
from midspan.grading.judge_process import judge_answers
from midspan.grading.steps import judged
from midspan.labs.lab4_scaling import again, check, draft, first_draft, lab, look, searching, show_source
from midspan.simulation import Implementation
from tests import bank
from tests.bank.lab4_scaling import WRONG
from tests.solved import LAB4

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

FAR = 1_000_000  # seeds away from those of the notebook


def test_the_reference_passes_whatever_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FIRST", FAR)
    found = bank.results(lab, LAB4.parts)
    assert [str(result) for result in found.values() if not result.passed] == []
    assert list(found) == list(lab.steps)


def searched(name: str, implementation: Implementation) -> Result:
    """What the search of a step says, without its quicker checks."""

    def body(t: Transcript, ours: Implementation) -> None:
        searching.search_holds(t, ours, name)

    return judged(lab.name, name, lab.misconceptions, body, (implementation,), 60.0)


def test_a_violation_is_a_sentence_a_table_a_ladder_and_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    copies = LAB4.session(next(entry for entry in WRONG if entry.id == "dedupe-in-the-node"))
    told = str(searched("follow", copies))
    assert "✗ no_duplicate: No application is given a message twice." in told
    assert lab.misconceptions["dedupe-in-the-node"] in told
    assert "    who  starts  says\n" in told
    assert "    fault: " in told
    assert '"entry", ' in told
    _, _, line = told.partition("To see it drawn: again(ours, ")
    name, seed = line.split(")")[0].split(", ")
    assert name == '"follow"'
    found = again(copies, "follow", int(seed))
    assert found is not None
    assert found.predicate == "no_duplicate"
    assert again(LAB4.session(), "follow", int(seed)) is None
    assert f"Seed {seed} of follow: no violation any more." in capsys.readouterr().out


def test_the_draft_acknowledges_what_the_broker_does_not_have() -> None:
    found = look(LAB4.stands("follow").ours, "accept")
    assert found is not None
    assert found.predicate == "ack_after_durable"
    assert "broker restarts" in str(found) or "cut off the broker" in str(found)


@pytest.mark.parametrize(("upto", "step", "words"), [
    ("", "rooms", "expected: ['b']"),
    ("rooms", "broadcast", "✗ times that it was encoded"),
    ("outlet", "presence", "got:      ['a', 'b', 'c']"),
])  # fmt: skip
def test_a_draft_shows_where_it_breaks_and_not_why(
    upto: str, step: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = LAB4.stands(upto)
    draft(step, *(getattr(answers, name) for name in lab.steps[step].answers))
    said = capsys.readouterr().out
    assert words in said
    assert not any(why in said for why in lab.misconceptions.values())


def test_what_is_to_do_is_to_do_and_not_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier part that is not written: the checks and the demonstrations that need it."""
    stub = "async def accept(log, *message, patience_s=5.0):\n    raise NotImplementedError()\n"
    answers = LAB4.stands("leaving", stub)
    for step in ("accept", "follow", "leaving"):
        assert judge_answers(lab.steps[step], answers).verdict == "to do", step
    assert look(answers.ours, "leaving") is None
    assert "Still to do: accept." in capsys.readouterr().out


def test_an_error_of_the_learners_is_told_with_its_line() -> None:
    wrong = "class Owners(Owners):\n    async def lost(self, mine):\n        return self.others[mine]\n"
    result = judge_answers(lab.steps["owners"], LAB4.stands("owners", wrong))
    assert result.verdict == "wrong"
    assert "AttributeError: 'Owners' object has no attribute 'others'" in result.words
    assert "Owners.lost(), line 3: " in result.words


def test_a_follower_that_hangs_ends_with_a_sentence() -> None:
    wrong = "async def follow(*_):\n    await asyncio.Event().wait()\n    yield 1, ''\n"
    result = judge_answers(lab.steps["follow"], LAB4.stands("follow", wrong))
    assert result.verdict == "wrong"
    assert "heard on n2" in str(result)


def test_a_check_leaves_the_notebooks_numbers_as_they_are() -> None:
    answers = LAB4.stands("leaving")
    before = answers.KEEP, answers.GRACE_S
    for step in ("script", "leaving"):
        assert judge_answers(lab.steps[step], answers).passed
    assert before == (answers.KEEP, answers.GRACE_S)


def test_bad_arguments_are_a_sentence() -> None:
    ours = LAB4.session()
    with pytest.raises(Refusal, match="one of the steps follow, accept"):
        look(ours, "strems")
    with pytest.raises(Refusal, match="seed of a schedule, as in"):
        again(ours, "follow")
    with pytest.raises(Refusal, match="one of the steps rooms, broadcast"):
        draft("room", ours)
    with pytest.raises(Refusal, match=r"check\.rooms\(Rooms\)"):
        draft("rooms")
    with pytest.raises(Refusal, match=r"Write first_draft\(globals\(\)\)"):
        first_draft(3)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match=r"one of .*Rooms, broadcast, .* but got 'Roms'"):
        show_source("Roms")
    with pytest.raises(Refusal, match="the name of a draft, but got none"):
        show_source()
    assert check.script.hint(1).text
