"""One attempt at one step outside a notebook: run the cells, find the answers, judge them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from midspan.checks import blame, limits
from midspan.checks.cells import Answers
from midspan.checks.judging import remarks, verdict_of
from midspan.checks.sheet import Cell
from midspan.checks.steps import Step
from midspan.checks.verdicts import Line, Result

CELLS_LIMIT_S = 3.0  # for all the cells before a check: definitions take milliseconds, an import of a library a second


def attempt(step: Step, cells: Iterable[Cell], answers: Answers) -> Result:
    """Run the cells in `answers`, then judge the step's answers found there."""
    ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
    notes = tuple(Line("note", remark) for remark in (*answers.remarks, *remarks(ran)))
    if ran.expired or ran.error is not None:
        verdict, message, error = verdict_of(ran, CELLS_LIMIT_S)
        where = blame.where(error) if error and verdict == "wrong" else ()
        return Result(step.lab.name, step.name, verdict, notes, message, "", where, ran.printed)
    result = judge_answers(step, answers)
    printed = "\n".join(text for text in (ran.printed, result.printed) if text)
    return replace(result, lines=(*notes, *result.lines), printed=printed)


def judge_answers(step: Step, answers: Answers) -> Result:
    """Judge the answers that the cells have defined; a name that is missing is still to do."""
    missing = [name for name in step.answers if not hasattr(answers, name)]
    if missing:
        message = f"Still to do: no cell defines {', '.join(missing)}."
        return Result(step.lab.name, step.name, "to do", message=message)
    return step.judge(*(getattr(answers, name) for name in step.answers))
