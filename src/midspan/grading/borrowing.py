"""`borrow("mask")` defines the reference's answer to a step, so that a learner goes on without having written it."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from midspan.errors import Refusal, Words, need
from midspan.grading import notebooks, progress
from midspan.grading.transcript import Result, error_in_words

# A borrowed step counts neither as passed nor as wrong. In a kernel, a step is borrowed while the notebook's names
# mean the objects that `borrow` has defined. The judge reads files: there a step is borrowed while the notebook calls
# `borrow` with its name. Later steps are judged with the reference's part, as they are after a wrong answer.


IN_WORDS = (
    "The reference's part stands in. To make the step yours, delete the call of borrow, write the step's cell, "
    "run it, and check again."
)
_lent: dict[tuple[str, str], dict[str, object]] = {}  # (lab, step) -> name -> the object that was defined


@dataclass(frozen=True, slots=True)
class Borrowed:
    """What `borrow` has defined: step -> names. `str()` says it in one line a step."""

    names: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        lines = [f"{step}: {', '.join(names)} borrowed from the reference" for step, names in self.names.items()]
        return "\n".join(lines)

    __repr__ = __str__


class Borrow:
    """Defines the reference's answers of one lab in the namespace that calls it.

    Args:
        lab: the name of the lab.
        steps: its steps, by name.
    """

    def __init__(self, lab: str, steps: Mapping[str, object]) -> None:
        self._lab, self._steps = lab, steps

    def __call__(self, *steps: str) -> Borrowed:
        """Run the reference's cells of these steps here, and store in the progress that the steps are borrowed.

        Raises:
            Refusal: the lab has no such step, or a cell above it has not run yet.
        """
        need(bool(steps), "the name of a step", steps, f"Name one of {', '.join(self._steps)}")
        for step in steps:
            is_step = isinstance(step, str) and step in self._steps
            need(is_step, f"one of the steps {', '.join(self._steps)}", step, "Name one of them")
        _, parts = notebooks.read_reference(notebooks.solution(self._lab), self._lab)
        namespace = sys._getframe(1).f_globals
        return Borrowed({step: self._lend(parts[step], namespace) for step in steps})

    def _lend(self, part: notebooks.Part, namespace: dict[str, Any]) -> tuple[str, ...]:
        try:
            for cell in part.answer:
                exec(notebooks.compiled(cell), namespace)
        except NameError as error:
            raise Refusal("a notebook whose cells above have run", Words(error_in_words(error)), "Run them") from None
        names = tuple(name for cell in part.answer for name in _names(cell.source))
        _lent[self._lab, part.step] = {name: namespace[name] for name in names}
        progress.borrowed(self._lab, part.step)
        return names

    def __repr__(self) -> str:
        return f'borrow("{next(iter(self._steps), "step")}"): the reference\'s part of a step of {self._lab}'


def result_if_borrowed(lab: str, step: str, namespace: Mapping[str, object]) -> Result | None:
    """Return the verdict "borrowed" when a name in `namespace` means what `borrow` has defined for the step."""
    lent = _lent.get((lab, step), {})
    if any(namespace.get(name) is thing for name, thing in lent.items()):
        return Result(lab, step, "borrowed", message=IN_WORDS)
    return None


def counts_as_failure() -> bool:
    """Return whether nbgrader grades: it gives the points to each check that does not raise."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def _names(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        yield from notebooks.defined_names(node)
