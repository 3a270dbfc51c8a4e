"""Progress and predictions: remembered in one file, safely, and never in the way."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from midspan.errors import Refusal
from midspan.grading import notebooks, predictions, progress
from midspan.grading.predictions import predict, score
from midspan.pictures.cards import score_card
from tests.standing import steps_passed

OPTIONS = {"a": "the client", "b": "the server", "c": "both"}


@pytest.fixture(autouse=True)
def fresh_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """No guess made and no complaint told, as after a restart."""
    monkeypatch.setattr(predictions, "_guesses", {})
    monkeypatch.setattr(progress, "_told", set())


def test_nothing_is_written_until_there_is_something_to_remember() -> None:
    assert progress.read_progress() == {part: {} for part in progress.PARTS}
    assert not progress.path().parent.exists()


def test_what_is_done_is_remembered_in_one_plain_file() -> None:
    progress.passed("lab1", "b")
    progress.passed("lab1", "a")
    progress.passed("lab1", "a")
    progress.hint_seen("lab1", "a", 2)
    progress.hint_seen("lab1", "a", 1)
    assert steps_passed("lab1") == ("a", "b")
    assert (progress.hints_seen("lab1", "a"), progress.hints_seen("lab1", "b")) == (2, 0)
    assert json.loads(progress.path().read_text("utf-8")) == {
        "passed": {"lab1": ["a", "b"]},
        "lapsed": {},
        "hints": {"lab1": {"a": 2}},
        "predictions": {},
        "minutes": {},
    }
    assert sorted(p.name for p in progress.path().parent.iterdir()) == ["progress.json", "progress.lock"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"passed": []}', "\udcff", "[" * 100_000])
def test_a_spoilt_file_is_put_aside_with_a_sentence(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    progress.path().parent.mkdir()
    progress.path().write_bytes(text.encode("utf-8", "surrogateescape"))
    assert steps_passed("lab1") == ()
    assert "the old one is kept as progress.spoilt.json" in capsys.readouterr().out
    progress.passed("lab1", "a")
    assert steps_passed("lab1") == ("a",)


def test_strange_values_inside_are_borne() -> None:
    progress.path().parent.mkdir()
    odd = {"passed": {"lab1": 3, "lab2": [1, "a"]}, "hints": {"lab1": [], "lab2": {"a": "x"}}, "predictions": {"p": 1}}
    odd["lapsed"] = {"lab1": 3, "lab2": {"b": 1}}
    progress.path().write_text(json.dumps(odd), "utf-8")
    assert (steps_passed("lab1"), steps_passed("lab2")) == ((), ("a",))
    assert (progress.standing("lab1"), progress.standing("lab2")) == ({}, {"a": "passed"})
    assert (progress.hints_seen("lab1", "a"), progress.hints_seen("lab2", "a")) == (0, 0)
    assert progress.prediction("p") == {}
    progress.hint_seen("lab2", "a", 1)
    progress.predicted("p", mine="a")
    assert (progress.hints_seen("lab2", "a"), progress.prediction("p")) == (1, {"mine": "a"})


def test_what_passed_before_is_told_from_what_never_did() -> None:
    """A step that fails before it has ever passed leaves no file; an old file, with no such part, is read."""
    progress.failed("lab1", "a", "wrong")
    assert not progress.path().parent.exists()
    progress.path().parent.mkdir()
    progress.path().write_text('{"passed": {"lab1": ["a", "b"]}}', "utf-8")
    progress.failed("lab1", "a", "wrong")
    progress.failed("lab1", "c", "wrong")
    assert progress.standing("lab1") == {"a": "wrong", "b": "passed"}
    assert steps_passed("lab1") == ("b",)
    progress.passed("lab1", "a")
    assert progress.standing("lab1") == {"a": "passed", "b": "passed"}
    assert progress.read_progress()["lapsed"] == {}


def test_a_folder_that_cannot_be_written_is_told_once_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIDSPAN_HOME", str(tmp_path / "file"))
    progress.passed("lab1", "a")
    progress.passed("lab1", "b")
    assert capsys.readouterr().out.count("Progress is not remembered") == 1


def pass_many(first: int) -> None:
    """What one kernel does, in a process of its own."""
    for number in range(first, first + 20):
        progress.passed("lab1", f"step{number:02}")


def test_several_kernels_at_once_lose_nothing() -> None:
    context = multiprocessing.get_context("spawn")
    kernels = [context.Process(target=pass_many, args=[20 * number]) for number in range(3)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join()
        kernel.close()
    assert steps_passed("lab1") == tuple(f"step{number:02}" for number in range(60))


def test_the_course_is_found_upwards_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("labs", "solutions", "notebooks/deep"):
        (tmp_path / "course" / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "course" / "notebooks" / "deep")
    monkeypatch.delenv("MIDSPAN_HOME")
    assert progress.course() == tmp_path / "course"
    assert progress.home() == tmp_path / "course" / ".midspan"
    assert notebooks.lab("lab1") == tmp_path / "course" / "labs" / "lab1.ipynb"
    monkeypatch.chdir(tmp_path)
    assert progress.course(tmp_path / "course" / "labs" / "lab1.ipynb") == tmp_path / "course"
    monkeypatch.setenv("MIDSPAN_COURSE", str(tmp_path))
    assert notebooks.solution("lab1") == tmp_path / "solutions" / "lab1.ipynb"


# --- predictions


def test_nobody_answers_and_all_goes_on() -> None:
    guess = predict("01.masking", "Which end masks?", OPTIONS)
    assert str(guess).splitlines() == [
        "Which end masks?",
        "    a: the client",
        "    b: the server",
        "    c: both",
        'No guess yet: put one of a, b, c in place of "?" and run the cell again.',
    ]
    assert score("01.masking", "a").right is None


def test_without_a_guess_nobody_is_told_the_answer() -> None:
    predict("01.masking", "Which end masks?", OPTIONS)
    told = str(score("01.masking", "a")) + score_card(score("01.masking", "a"))
    assert told.startswith("No guess was made.")
    assert not any(word in told for word in ("the client", "a:", "<b>a</b>"))


def test_a_guess_is_recorded_before_and_scored_after() -> None:
    assert "  > b: the server" in str(predict("01.masking", "Which end masks?", OPTIONS, mine="b"))
    assert progress.prediction("01.masking") == {"mine": "b"}
    result = score("01.masking", "a")
    assert (result.right, result.mine, result.answer) == (False, "b", "a")
    assert str(result).startswith("✗ We guessed b.")
    assert progress.prediction("01.masking") == {"mine": "b", "answer": "a"}
    predict("01.masking", "Which end masks?", OPTIONS, mine="a")
    assert str(score("01.masking", "a")).startswith("✓ We guessed a, and so it is.")


def test_the_text_is_the_same_whatever_is_remembered() -> None:
    def texts() -> tuple[str, str]:
        return str(predict("01.masking", "Which end masks?", OPTIONS)), str(score("01.masking", "a"))

    first = texts()
    predict("01.masking", "Which end masks?", OPTIONS, mine="b")
    score("01.masking", "a")
    assert texts() == first
    assert progress.prediction("01.masking")["mine"] == "b", "Run All does not wipe out what the learner guessed"


def test_after_a_restart_the_score_still_knows_the_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    predict("01.masking", "Which end masks?", OPTIONS, mine="a")
    monkeypatch.setattr(predictions, "_guesses", {})
    assert score("01.masking", "a").right
    assert score("01.unknown", "a").right is None


def test_wrong_options_are_refused() -> None:
    with pytest.raises(Refusal, match="Expected one of a, b, c, but got 'd'"):
        predict("01.masking", "Which end masks?", OPTIONS, mine="d")
    with pytest.raises(Refusal, match="two options or more"):
        predict("01.masking", "Which end masks?", {"a": "one"})
    with pytest.raises(Refusal, match="two options or more"):
        predict("01.masking", "Which end masks?", None)  # type: ignore[arg-type]
    predict("01.masking", "Which end masks?", OPTIONS)
    with pytest.raises(Refusal, match="Pass the option that came true"):
        score("01.masking", "d")
