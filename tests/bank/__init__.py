"""The bank: wrong solutions that a named check must catch in the words of their misconception, and right ones.

An entry is an edit of the solution, so that it stays a solution but for the one thing. Each lab has a module here
with two lists, `WRONG` and `RIGHT`, and a table that `python -m tests.bank LAB` generates and a test compares.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from midspan.grading import Lab, Result, Step, notebooks, steps
from midspan.grading.judge_process import CELLS_LIMIT_S, judge_answers, run_cells
from midspan.grading.limits import CallOutcome
from midspan.grading.notebooks import Answers, Part, read_reference
from midspan.grading.steps import verdict_of
from midspan.grading.transcript import SIGNS


@dataclass(frozen=True)
class Right:
    """A solution that is different and right.

    Args:
        id: what is different, in a word or two.
        step: whose exercise cells are edited.
        old: text that occurs exactly once in them; "" to replace the step's only exercise cell.
        new: what takes its place.
        more: further edits, (step, old, new) each, of the same step or of others; the checks begin with `step`.
    """

    id: str
    step: str
    old: str
    new: str
    more: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Wrong(Right):
    """A solution with one plausible misconception.

    Args:
        id: the misconception, a key of the lab's table; "key/2" for a second edit of the same.
        check: the first step that must say wrong; "" for the edited one.
        words: text that must stand in what the learner reads, beside the misconception's own words.
    """

    check: str = ""
    words: str = ""

    @property
    def misconception(self) -> str:
        """The key in the lab's table."""
        return self.id.partition("/")[0]

    @property
    def catcher(self) -> str:
        """The step that must be the first to say wrong."""
        return self.check or self.step


class BadEdit(AssertionError):
    """An entry that does not do what it says; a guard that guards nothing."""


def edited(parts: dict[str, Part], entry: Right) -> dict[str, Part]:
    """The solution's parts with the entry's edits; `BadEdit` when one changes nothing, or could mean two places."""
    for step, old, new in ((entry.step, entry.old, entry.new), *entry.more):
        if step not in parts:
            raise BadEdit(f"{entry.id}: there is no step {step}; there are {', '.join(parts)}")
        parts = {**parts, step: _edited(parts[step], entry.id, old, new)}
    return parts


def _edited(part: Part, id: str, old: str, new: str) -> Part:
    found = sum(cell.source.count(old) for cell in part.answer) if old else len(part.answer)
    if found != 1:
        raise BadEdit(f"{id}: the old text occurs {found} times in the exercise cells of {part.step}, not once")
    sources = [cell.source.replace(old, new) if old else new for cell in part.answer]
    answer = tuple(replace(cell, source=source) for cell, source in zip(part.answer, sources, strict=True))
    if answer == part.answer:
        raise BadEdit(f"{id}: the edit changes nothing")
    return replace(part, answer=answer)


def results(lab: Lab, parts: dict[str, Part], first: str = "") -> dict[str, Result]:
    """Step -> result, in this process, from the step `first` on to the first that does not pass.

    As in a notebook: the cells of a step run, then its check. The checks before an edit judge what it does not touch;
    those behind the one that catches it may wait for bytes that never come.
    """
    answers = Answers(f"bank_of_{lab.name}")
    found: dict[str, Result] = {}
    for name, part in parts.items():
        failed = _cells_failed(lab.steps[name], run_cells(answers, part.cells))
        if found or name == (first or next(iter(parts))):
            found[name] = failed or judge_answers(lab.steps[name], answers)
            if not found[name].passed:
                break
    return found


def _cells_failed(step: Step, ran: CallOutcome) -> Result | None:
    verdict, message, _ = verdict_of(ran, CELLS_LIMIT_S)
    return None if verdict == "passed" else Result(step.lab.name, step.name, verdict, message=message)


@dataclass(frozen=True)
class Judged:
    """An entry of the bank with the results of its step and of those behind it, up to the one that catches it."""

    lab: Lab
    entry: Right
    results: dict[str, Result]

    @property
    def caught_by(self) -> str:
        """The first step that does not pass; "" when all do."""
        return next((step for step, result in self.results.items() if not result.passed), "")

    def complaint(self) -> str:
        """What is not as the entry says; "" when all is."""
        result = self.results.get(self.caught_by)
        if not isinstance(self.entry, Wrong):
            return f"{self.entry.id} is right, but:\n{result}" if result else ""
        if result is None:
            return f"{self.entry.id} passes every check"
        if self.caught_by != self.entry.catcher or result.verdict != "wrong":
            return f"{self.entry.id} is to be caught by {self.entry.catcher}, but:\n{result}"
        own_words = self.lab.misconceptions.get(self.entry.misconception)
        if own_words is None:
            return f"{self.entry.id}: {self.lab.name} has no misconception {self.entry.misconception}"
        if own_words not in result.message or self.entry.words not in str(result):
            return f"{self.entry.id}: the learner does not read {own_words!r} and {self.entry.words!r}, but:\n{result}"
        return ""


def judged(lab: Lab, entries: Sequence[Right]) -> Iterator[Judged]:
    """Each entry, edited into the solution and judged."""
    _, parts = read_reference(notebooks.solution(lab.name), lab.name)
    with around(lab.name):
        for entry in entries:
            yield Judged(lab, entry, results(lab, edited(parts, entry), entry.step))


def around(lab: str) -> AbstractContextManager[object]:
    """What all entries of a lab share, so that it is started once: the `AROUND` of its bank, if there is one."""
    known = lab in banks()
    return getattr(importlib.import_module(f"tests.bank.{lab}"), "AROUND", nullcontext)() if known else nullcontext()


def entries(lab: str) -> tuple[list[Wrong], list[Right]]:
    """The bank of a lab: its wrong and its right entries."""
    module = importlib.import_module(f"tests.bank.{lab}")
    return list(module.WRONG), list(module.RIGHT)


def banks() -> list[str]:
    """Labs that have a bank."""
    return [path.stem for path in sorted(Path(__file__).parent.glob("lab*.py"))]


def table(lab: Lab, rows: Sequence[Judged]) -> str:
    """The table of wrong solutions and the checks that catch them, then the right ones, in Markdown."""
    wrong = [_row(row) for row in rows if isinstance(row.entry, Wrong)]
    right = [_row(row) for row in rows if not isinstance(row.entry, Wrong)]
    count = f"{len(wrong)} wrong solutions of {lab.name}, and {len(right)} right but different ones"
    head = ["| solution | edited step | caught by | what the learner reads |", "|---|---|---|---|"]
    lines = [f"# {count}", "", f"Generated by `python -m tests.bank {lab.name}`; a test compares.", ""]
    return "\n".join([*lines, *head, *wrong, *right]) + "\n"


def _row(row: Judged) -> str:
    words = row.lab.misconceptions.get(row.entry.misconception, "") if isinstance(row.entry, Wrong) else "(it passes)"
    caught = f"{SIGNS['wrong']} {row.caught_by}" if row.caught_by else SIGNS["passed"]
    cells = [row.entry.id, row.entry.step, caught, words.replace("|", "\\|").replace("\n", " ")]
    return f"| {' | '.join(cells)} |"


def load(name: str) -> Lab:
    """The lab of that name."""
    return steps.find(name)
