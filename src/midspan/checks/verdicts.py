"""What a check says: lines of a transcript, a verdict, and the exception that carries both.

There are three verdicts. *passed*; *to do*, when the answer still raises `NotImplementedError` or is not there;
*wrong*, for everything else. The text of a result holds no time, no address and no process id, so that
the same answer gives the same text on every run (nbval compares it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["passed", "to do", "wrong"]
Kind = Literal["said", "held", "broken", "note"]

SIGNS: dict[str, str] = {"passed": "✓", "to do": "○", "wrong": "✗", "lapsed": "↻"}
MARKS: dict[Kind, str] = {"said": " ", "held": "✓", "broken": "✗", "note": "!"}


def since(last: str | None) -> tuple[str, str]:
    """Sign and words for a step by its last check, None for one that has never passed."""
    if last is None or last == "passed":
        return SIGNS[last or "to do"], ""
    return SIGNS["lapsed"], f"passed once, {last} at the last check"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript: what was tried, and for a broken one what was expected and what came."""

    kind: Kind
    text: str
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        lines = [f"  {MARKS[self.kind]} {self.text}"]
        lines += [f"      expected: {self.expected}"] if self.expected else []
        lines += [f"      got:      {self.got}"] if self.got else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one step.

    Args:
        lab, step: names, as in `check.<step>` of the lab `<lab>`.
        verdict: "passed", "to do" or "wrong".
        lines: the transcript, in order.
        message: the words for the learner: why it is wrong, or what is still to do ("" when passed).
        misconception: id in the lab's table of misconceptions, "" when none was recognised.
        where: lines of the learner's own code that led to the error, outermost first.
        printed: what the answer printed while it was judged.
    """

    lab: str
    step: str
    verdict: Verdict
    lines: tuple[Line, ...] = ()
    message: str = ""
    misconception: str = ""
    where: tuple[str, ...] = ()
    printed: str = ""

    @property
    def passed(self) -> bool:
        """True for the verdict "passed"."""
        return self.verdict == "passed"

    @property
    def words(self) -> str:
        """Why the step did not pass, without the transcript: what was tried, expected, got, and the message."""
        broken = [str(line) for line in self.lines if line.kind == "broken"]
        return "\n".join([*broken, *_indented(self.message, "  "), *(f"  {at}" for at in self.where)])

    def __str__(self) -> str:
        parts = [f"{SIGNS[self.verdict]} {self.step}: {self.verdict}", *(str(line) for line in self.lines)]
        parts += _indented(self.message, "  ")
        parts += [f"  {at}" for at in self.where]
        if self.printed:
            parts += ["  Your code printed:", *_indented(self.printed, "    | ")]
        return "\n".join(parts)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`."""
        lines = tuple(Line(**line) for line in plain["lines"])
        return cls(**{**plain, "lines": lines, "where": tuple(plain["where"])})


class CheckFailed(AssertionError):
    """A step that did not pass; `result` has the whole story, `str()` is its text.

    It is an `AssertionError` since Run All, nbval, nbgrader and pytest all take that for a failed check.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(str(result))

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this in place of a traceback: the transcript, and no line of ours."""
        return str(self).splitlines()


def _indented(text: str, margin: str) -> list[str]:
    return [f"{margin}{line}" for line in text.splitlines()]
