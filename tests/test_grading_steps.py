"""A step judges answers: the three verdicts, the words, the learner's own lines, hints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.grading import CheckFailed, Lab, Result, Transcript
from midspan.grading.steps import unwritten
from midspan.grading.transcript import Wrong, in_words
from tests.cells import defined
from tests.standing import steps_passed

HINTS = ("Look at RFC 6455.", "Use sum().", "return sum(numbers)")
lab = Lab("lab0_demo", title="A demonstration", misconceptions={"first": "All numbers count, not only the first."})
check = lab.checks


@lab.step("Total", minutes=3, lines=1, points=1, hints=HINTS)
def total(t: Transcript, total: Callable[[list[int]], int]) -> None:
    t.say("We add small numbers.")
    t.equal("one number", total([3]), 3)
    t.equal("two numbers", total([3, 4]), 7, id="first", because="Look at the second one.")
    t.raises("no number", lambda: total([]), ValueError, where=lambda e: "number" in str(e), expected="about a number")


@lab.step("Later", minutes=3, lines=1, points=1, hints=HINTS, limit_s=1)
async def later(t: Transcript, later: Callable[[], Any]) -> None:
    t.equal("the value", await t.soon("an answer", later(), within_s=0.05), 1)


@pytest.fixture(autouse=True)
def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_HOME", str(tmp_path))


def answer(source: str, name: str = "total") -> Any:
    """What a cell with this source defines."""
    return defined(source, name)


RIGHT = "def total(numbers):\n    if not numbers: raise ValueError('no number')\n    return sum(numbers)"


def test_a_right_answer_passes_and_is_remembered() -> None:
    result = check.total(answer(RIGHT))
    assert result.passed
    assert str(result) == "✓ total: passed\n    We add small numbers.\n  ✓ one number\n  ✓ two numbers\n  ✓ no number"
    assert steps_passed("lab0_demo") == ("total",)


def test_a_wrong_answer_is_told_what_was_expected_what_came_and_why() -> None:
    with pytest.raises(CheckFailed) as caught:
        check.total(answer("def total(numbers): return numbers[0]"))
    result = caught.value.result
    assert (result.verdict, result.misconception) == ("wrong", "first")
    assert caught.value._render_traceback_() == ["total: wrong. The transcript above says why, and Run All stops here."]
    assert caught.value.shown is result
    assert str(caught.value).splitlines() == [
        "✗ total: wrong",
        "    We add small numbers.",
        "  ✓ one number",
        "  ✗ two numbers",
        "      expected: 7",
        "      got:      3",
        "  All numbers count, not only the first.",
        "  Look at the second one.",
    ]
    assert steps_passed("lab0_demo") == ()


@pytest.mark.parametrize(
    "source",
    [
        "def total(numbers): raise NotImplementedError()",
        "def total(numbers):\n    '''Words.'''\n    # YOUR CODE HERE\n    raise NotImplementedError",
        "def total(numbers):\n    if len(numbers) < 2: return numbers[0]\n    raise NotImplementedError('later')",
    ],
)
def test_an_unsolved_answer_is_to_do(source: str) -> None:
    result = check.total.judge(answer(source))
    assert result.verdict == "to do"
    assert "NotImplementedError" in result.message
    assert result.where == ()


def test_an_answer_whose_exception_a_library_swallows_is_still_to_do() -> None:
    """A server's handler runs inside a library, which logs what it raises; the check sees only silence."""
    silent = Lab("lab0_silent")

    @silent.step("Silent", minutes=1, lines=1, points=1, hints=HINTS)
    def handler(t: Transcript, handler: Callable[[], object]) -> None:
        try:
            handler()
        except Exception:
            t.fail("an echo", got="nothing", expected="the message")

    assert handler.judge(answer("def handler(): raise NotImplementedError", "handler")).verdict == "to do"
    assert handler.judge(answer("def handler(): raise OSError", "handler")).verdict == "wrong"


def test_an_error_in_a_task_that_nobody_awaits_is_told() -> None:
    """A server's handler is such a task: the check sees that nothing comes, the learner should see why."""
    source = (
        "import asyncio\nasync def later():\n    asyncio.create_task(handler())\n    await asyncio.Event().wait()\n"
    )
    wrong = check.later.judge(answer(source + "async def handler():\n    return {}['name']", "later"))
    note = "In the background your code raised KeyError: 'name'; your code, handler(), line 6: return {}['name']"
    assert (wrong.verdict, wrong.lines[-1].text) == ("wrong", note)
    to_do = check.later.judge(answer(source + "async def handler():\n    raise NotImplementedError()", "later"))
    assert to_do.verdict == "to do"


def test_unwritten_sees_the_stub_in_functions_and_methods_only() -> None:
    stub = "raise NotImplementedError()"
    assert unwritten(answer(f"def total(): {stub}"))
    assert unwritten(answer(f"async def total(a, *, b=1):\n    'Doc.'\n    {stub}"))
    assert unwritten(answer(f"class total:\n    def __init__(self): pass\n    def f(self): {stub}"))
    assert unwritten(answer(f"class total:\n    @property\n    def f(self): {stub}"))
    assert not unwritten(answer(f"def total(x):\n    if x: return 1\n    {stub}"))
    assert not unwritten(answer("class total:\n    x = 1\n    def f(self): return 2"))
    assert not unwritten(3)


def test_an_error_shows_the_learners_own_lines_and_none_of_ours() -> None:
    source = "def inner(x):\n    return x['a']\n\ndef total(numbers):\n    return inner(numbers)"
    result = check.total.judge(answer(source))
    assert result.verdict == "wrong"
    assert result.message == "Your code raised TypeError: list indices must be integers or slices, not str"
    assert result.where == (
        "your code, total(), line 5: return inner(numbers)",
        "your code, inner(), line 2: return x['a']",
    )
    assert "midspan" not in str(result)


def test_endless_recursion_is_wrong_and_told_shortly() -> None:
    result = check.total.judge(answer("def total(numbers):\n    return total(numbers)"))
    assert "RecursionError" in result.message
    assert result.where == ("your code, total(), line 2: return total(numbers)",)


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt()"])
def test_an_answer_that_ends_the_program_is_wrong(error: str) -> None:
    result = check.total.judge(answer(f"def total(numbers):\n    raise {error}"))
    assert result.verdict == "wrong"
    assert "would end the whole program" in result.message


def test_another_exception_than_the_one_asked_for_is_shown() -> None:
    result = check.total.judge(answer("def total(numbers):\n    return sum(numbers) + 0 * len(numbers[0:1][0:1])"))
    assert "no exception; it returned 0" in str(result)
    result = check.total.judge(answer("def total(n):\n    if not n: raise ValueError('empty')\n    return sum(n)"))
    assert "expected: ValueError about a number" in str(result)
    assert "got:      ValueError: empty" in str(result)
    assert result.where == ("your code, total(), line 2: if not n: raise ValueError('empty')",)


def test_a_coroutine_where_a_value_belongs_is_named() -> None:
    result = check.total.judge(answer("async def total(numbers): return 3"))
    assert "total is `async def`" in str(result)


def test_a_late_answer_is_a_line_of_the_transcript() -> None:
    result = check.later.judge(lambda: asyncio.Event().wait())
    assert "expected: an answer within 0.05 s" in str(result)
    assert check.later.judge(lambda: asyncio.sleep(0, 1)).passed


def _is_one(t: Transcript, number: int) -> None:
    t.say("it is looked at")
    t.equal("it is 1", number, 1)


def test_lines_of_a_block_fold_into_one_when_all_of_them_hold() -> None:
    t = Transcript()
    with t.folded("1 is what we asked for"):
        t.note("a small one")
        _is_one(t, 1)
    assert list(map(str, t.lines)) == ["  ! a small one", "  ✓ 1 is what we asked for"]


def test_a_block_with_a_line_that_does_not_hold_shows_the_way_to_it() -> None:
    t = Transcript()
    with pytest.raises(Wrong), t.folded("2 is what we asked for"):
        _is_one(t, 2)
    assert [(line.kind, line.text) for line in t.lines] == [("said", "it is looked at"), ("broken", "it is 1")]


def test_true_is_not_one_and_text_is_not_bytes() -> None:
    t = Transcript()
    t.equal("same", 1, 1)
    for got, expected in [(1, True), (False, 0), ("a", b"a"), (None, 0)]:
        with pytest.raises(Wrong):
            t.equal("same", got, expected)


def test_values_are_shown_alike_on_each_run() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise SystemExit

    assert in_words(object()) == "<object object>"
    assert in_words(b"\x81\x05Hello") == "81 05 48 65 6c 6c 6f (7 bytes)"
    assert in_words(b"") == "(0 bytes)"
    assert in_words(Rude()) == "a Rude whose repr() raises SystemExit"
    assert len(in_words("x" * 10**6)) < 200
    assert len(in_words(b"x" * 10**6)) < 200


def test_the_first_difference_of_bytes_is_pointed_out() -> None:
    t = Transcript()
    with pytest.raises(Wrong):
        t.equal("frame", b"\x81\x85", b"\x81\x05")
    assert t.lines[-1].got == "81 85 (2 bytes)  (first difference at byte 1)"


def test_a_result_survives_json() -> None:
    result = check.total.judge(answer("def total(numbers):\n    print('hi')\n    return numbers[0]"))
    assert Result.from_dict(result.to_dict()) == result
    assert "| hi" in str(result)


def test_hints_come_one_level_at_a_time() -> None:
    assert [check.total.hint().level for _ in range(4)] == [1, 2, 3, 3]
    assert str(check.total.hint(1)) == "Hint 1 of 3 for total: Look at RFC 6455."
    assert check.later.hint().level == 1
    with pytest.raises(Refusal, match="1, 2 or 3"):
        check.total.hint(4)


def test_mistakes_of_an_author_are_refused() -> None:
    with pytest.raises(Refusal, match=r"check.total\(total\)"):
        check.total()
    with pytest.raises(Refusal, match="no step of the lab has yet"):
        lab.step("Again", minutes=1, lines=1, points=1, hints=HINTS)(total.body)
    with pytest.raises(Refusal, match="three hints"):
        lab.step("Again", minutes=1, lines=1, points=1, hints=("a", "b", ""))(later.body)
    with pytest.raises(Refusal, match="misconceptions"):
        Transcript().equal("a", 1, 2, id="unknown")


def test_a_step_that_there_is_not_is_one_sentence() -> None:
    with pytest.raises(AttributeError) as caught:
        check.totl  # noqa: B018
    assert caught.value._render_traceback_() == [  # type: ignore[attr-defined]
        "NoSuchStep: Expected a step of lab0_demo, but got totl. The nearest is check.total."
    ]
    with pytest.raises(Refusal, match=r"but got mask\. Show them all with `check`"):
        check.mask  # noqa: B018
    assert not hasattr(check, "mask")


def test_a_lab_shows_its_steps_and_which_are_done() -> None:
    assert repr(check).splitlines() == [
        "lab0_demo: A demonstration. 0 of 2 steps done",
        "  ○ check.total(total): Total (3 min, 1 line in the reference)",
        "  ○ check.later(later): Later (3 min, 1 line in the reference)",
    ]
    check.total(answer(RIGHT))
    assert [line[:16] for line in repr(check).splitlines()[1:]] == ["  ✓ check.total(", "  ○ check.later("]
    assert [step.name for step in check] == ["total", "later"] == sorted(dir(check), reverse=True)


def test_what_passed_once_and_no_longer_does_is_not_done() -> None:
    """It has a sign and words of its own, until it passes again."""
    check.total(answer(RIGHT))
    for source, verdict in (("return 0", "wrong"), ("raise NotImplementedError", "to do")):
        with pytest.raises(CheckFailed):
            check.total(answer(f"def total(numbers): {source}"))
        head, first, _ = repr(check).splitlines()
        assert head.endswith(" 0 of 2 steps done")
        assert first.startswith("  ↻ check.total(total): Total (")
        assert first.endswith(f": passed once, {verdict} at the last check")
    check.total(answer(RIGHT))
    assert repr(check).splitlines()[1] == "  ✓ check.total(total): Total (3 min, 1 line in the reference)"
    assert " 1 of 2 steps done" in repr(check)
