"""Lab 3's checks: the same verdict whatever the seeds, what a learner reads, and what is to do said as such."""

from __future__ import annotations

import pytest

from midspan.errors import Refusal
from midspan.grading import CheckFailed, Result, Transcript
from midspan.grading.judge_process import judge_answers
from midspan.grading.notebooks import Answers
from midspan.grading.steps import judged
from midspan.labs.lab3_failure import again, check, lab, look, searching
from midspan.simulation import Implementation
from tests import bank
from tests.bank.lab3_failure import WRONG
from tests.solved import LAB3

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

REPEATS = range(1, 4)  # twenty were made by hand
FAR = 1_000_000  # seeds between two repeats
REPEATED = [entry for entry in WRONG if entry.id in ("sent-is-acknowledged/2", "no-lock", "resume-unauthorised")]


@pytest.mark.parametrize("repeat", REPEATS)
def test_the_reference_passes_whatever_the_seeds(repeat: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FIRST", repeat * FAR)
    found = bank.results(lab, LAB3.parts)
    assert [str(result) for result in found.values() if not result.passed] == []
    assert list(found) == list(lab.steps)


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("entry", REPEATED, ids=lambda entry: entry.id)
def test_a_wrong_answer_fails_whatever_the_seeds(
    entry: bank.Wrong, repeat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FIRST", repeat * FAR)
    (row,) = bank.judged(lab, [entry])
    assert row.complaint() == ""


@pytest.mark.parametrize("entry", REPEATED, ids=lambda entry: entry.id)
def test_the_search_alone_tells_the_misconception_too(entry: bank.Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit checks are quicker; the search needs none of them."""
    results = []
    for repeat in REPEATS:
        monkeypatch.setattr(searching, "FIRST", repeat * FAR)
        step = lab.steps[entry.catcher]
        found = [searching.run_search(LAB3.session(entry), one, step.name) for one in searching.SEARCHES[step.name]]
        results.append([one.example.predicate for one in found if one.example is not None])
    assert results[0]
    assert all(result == results[0] for result in results)


def failed(name: str, answers: Answers) -> Result:
    """What a check says of the answers that stand there."""
    result = judge_answers(lab.steps[name], answers)
    assert result.verdict == "wrong", str(result)
    return result


def test_a_violation_is_a_sentence_a_table_a_ladder_and_a_line() -> None:
    """The draft's sender in the place of the one that sends again, as a learner might leave it."""
    answers = LAB3.stands("outbox")
    with pytest.raises(CheckFailed) as caught:
        raise CheckFailed(searched("retry", answers))
    told = str(caught.value)
    assert "✗ no_loss: What a session has accepted reaches every client." in told
    assert "got:      a1 was sent at 0.000 s and never reached a;" in told
    assert "A sent message is not yet acknowledged: send() returns when the bytes are in a buffer." in told
    assert "    who  starts  says\n    a    0 s     a1 at 0 s\n    fault: cut" in told
    assert '--- ["say", 1, "a1"] --x  (server never gets it)' in told
    assert 'To see it drawn: again(ours, "retry", ' in told


def searched(name: str, answers: Answers) -> Result:
    """What the searches of a step say, without its quicker checks."""

    def body(t: Transcript, ours: Implementation) -> None:
        searching.search_holds(t, ours, name)

    return judged(lab.name, name, lab.misconceptions, body, (answers.ours,), 9.0)


def test_the_line_to_see_it_again_draws_it(capsys: pytest.CaptureFixture[str]) -> None:
    draft = LAB3.stands("outbox")
    found = look(draft.ours, "retry")
    assert found is not None
    seed = int(found.replay.rstrip(")").rpartition(" ")[2])
    assert found.replay == f'again(ours, "retry", {seed})'
    assert str(again(draft.ours, "retry", seed)) == str(found)
    whole = LAB3.stands("greet")
    assert again(whole.ours, "retry", seed) is None
    assert look(whole.ours, "retry") is None
    said = capsys.readouterr().out
    assert f"Seed {seed} of retry: no violation any more." in said
    assert "100 schedules, no violation of no_loss, liveness." in said


def test_what_is_to_do_is_to_do_and_not_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier part that is not written, and a demonstration that needs it."""
    stub = "async def heartbeat(connection, interval_s=2, timeout_s=2):\n    raise NotImplementedError()\n"
    answers = LAB3.stands("retry", stub)
    assert judge_answers(lab.steps["retry"], answers).verdict == "to do"
    assert judge_answers(lab.steps["heartbeat"], answers).verdict == "to do"
    assert look(answers.ours, "retry") is None
    assert "Still to do: heartbeat." in capsys.readouterr().out


def test_an_error_of_the_learners_is_told_with_its_line() -> None:
    wrong = "class Inbox(Inbox):\n    def adopt(self, who, base):\n        self.taken[who] = self.numbers[who]\n"
    told = failed("desk", LAB3.stands("desk", wrong)).words
    assert "AttributeError: 'Inbox' object has no attribute 'numbers' in adopt(), line 3: " in told


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("(await connection.ping()).result(1)", "Your code raised TypeError: "),
        ("await (await connection.ping())", "give that wait a limit, timeout_s."),
        ("pass", "No ping was sent."),
    ],
)
def test_a_heartbeat_that_fails_is_told_why_it_fails(body: str, words: str) -> None:
    wrong = "async def heartbeat(connection, interval_s=2, timeout_s=2):\n"
    wrong += "    with contextlib.suppress(ConnectionClosed):\n"
    wrong += f"        while True:\n            await asyncio.sleep(interval_s)\n            {body}\n"
    told = str(failed("heartbeat", LAB3.stands("heartbeat", wrong)))
    assert words in told
    assert "Sending a ping proves nothing" not in told
    assert ("heartbeat(), line 5: " in told) == ("raised" in words)


@pytest.mark.parametrize(("text", "came"), [("body", "'one'"), ("(number, body)", "(1, 'one')")])
def test_what_is_no_json_text_is_shown_and_not_read(text: str, came: str) -> None:
    wrong = "class Sender(Sender):\n    async def run(self, connection):\n"
    wrong += f"        for number, body in self.outbox.after(0):\n            await connection.send({text})\n"
    told = failed("sender", LAB3.stands("sender", wrong)).message
    assert told == f'Expected: the JSON text of ["say", number, body]; got: {came}.'


def test_a_real_clock_is_a_sentence() -> None:
    wrong = "import time\nclass Sender(Sender):\n    def __init__(self, outbox):\n        super().__init__(outbox)\n"
    wrong += "        self.at_s = time.monotonic()\n"
    told = failed("desk", LAB3.stands("desk", wrong)).words
    assert "Your code uses time.monotonic, which virtual time does not reach" in told


def test_a_real_clock_that_was_imported_by_name_is_found_too() -> None:
    """The two ends stand in the package, so the guard goes from `made_of` to the parts of the notebook."""
    wrong = "from time import monotonic\nclass Sender(Sender):\n    def __init__(self, outbox):\n"
    wrong += "        super().__init__(outbox)\n        self.at_s = monotonic()\n"
    told = failed("desk", LAB3.stands("desk", wrong)).words
    assert "Your code uses monotonic (in Sender.__init__), which virtual time does not reach" in told


def test_a_session_that_never_connects_is_not_passed() -> None:
    """Nothing is at risk in it; a check that counted that as held would pass it."""
    idle = "async def stay_connected(client):\n    await asyncio.Event().wait()\n"
    told = failed("dedupe", LAB3.stands("dedupe", idle)).words
    assert "vacuous in all 100: nothing was at risk" in told
    assert "proves nothing: the verdict is vacuous, not passed." in told


def test_bad_arguments_are_a_sentence() -> None:
    ours: Implementation = LAB3.session()
    with pytest.raises(Refusal, match="one of the steps heartbeat, reconnect"):
        look(ours, "rety")
    with pytest.raises(Refusal, match="one of the steps heartbeat, reconnect"):
        again(ours, "rety", 1)
    with pytest.raises(Refusal, match="seed of a schedule, as in"):
        again(ours, "retry")
    assert check.retry.hint(1).text
