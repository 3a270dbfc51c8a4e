"""From a step's body and its answers to a verdict: run under the limit, then put what happened into words."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FunctionType
from typing import Any

from midspan.checks import blame, limits
from midspan.checks.transcript import Transcript, Wrong
from midspan.checks.values import error_in_words
from midspan.checks.verdicts import Line, Result, Verdict

TO_DO = "Still to do: the answer raises NotImplementedError. Replace that line with your code."


def judged(
    lab: str,
    step: str,
    misconceptions: Mapping[str, str],
    body: Callable[..., Any],
    answers: tuple[object, ...],
    limit_s: float,
) -> Result:
    """The result of `body(transcript, *answers)`; never raises for what an answer does."""
    transcript = Transcript(misconceptions)
    outcome = limits.run(lambda: body(transcript, *answers), limit_s)
    verdict, message, error = verdict_of(outcome, limit_s)
    unheard = any(isinstance(error, NotImplementedError) for error in outcome.in_background)
    if verdict == "wrong" and (unheard or any(map(unwritten, answers))):
        # Inside a server's handler a library catches NotImplementedError; the body sees only that nothing came.
        verdict, message = "to do", TO_DO
    # A copy: a thread that could not be ended may go on writing.
    lines = (*transcript.lines, *(Line("note", remark) for remark in remarks(outcome)))
    misconception = outcome.error.misconception if isinstance(outcome.error, Wrong) else ""
    where = blame.where(error, getattr(body, "__code__", None)) if error and verdict == "wrong" else ()
    return Result(lab, step, verdict, lines, message, misconception, where, outcome.printed)


def verdict_of(outcome: limits.Outcome, limit_s: float) -> tuple[Verdict, str, BaseException | None]:
    """The verdict, its words, and the learner's error if there was one."""
    error = outcome.error
    if outcome.expired:
        return "wrong", f"No answer after {limit_s:g} s: it hangs, or waits for something that never comes.", None
    if error is None:
        return "passed", "", None
    if isinstance(error, Wrong):
        return "wrong", error.message, error.error
    if isinstance(error, NotImplementedError):
        return "to do", TO_DO, error
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "wrong", f"Your code raised {error_in_words(error)}, which would end the whole program.", error
    return "wrong", f"Your code raised {error_in_words(error)}", error


def remarks(outcome: limits.Outcome) -> Iterable[str]:
    """What a run left behind, one sentence each."""
    if outcome.left_tasks:
        names = ", ".join(f"{name}()" for name in outcome.left_tasks)
        yield f"Left running by the answer, and cancelled by the check: {names}."
    for error in outcome.in_background:
        if lines := blame.where(error):  # an error of a library alone tells the learner nothing
            yield f"In the background your code raised {error_in_words(error)}; {lines[-1]}"
    if outcome.still_running:
        yield "It blocks inside one call, so it could not be ended: restart the kernel to be rid of it."


def unwritten(answer: object) -> bool:
    """True for a function that only raises NotImplementedError, and for a class with such a method."""
    if isinstance(answer, type):
        return any(unwritten(method) for method in vars(answer).values() if not isinstance(method, type))
    answer = getattr(answer, "fget", None) or getattr(answer, "__func__", None) or answer
    return isinstance(answer, FunctionType) and _only_raises(answer.__code__)


def _only_raises(code: CodeType) -> bool:
    """The first thing that the code does is to raise NotImplementedError, as nbgrader's stub does."""
    kinds = ("LOAD_", "STORE_", "RAISE_", "FOR_")
    work = [step for step in dis.get_instructions(code) if step.opname.startswith(kinds)]
    names = [step.argval if step.opname == "LOAD_GLOBAL" else step.opname for step in work[:2]]
    return names == ["NotImplementedError", "RAISE_VARARGS"]
