"""What the tests of lab 5 share: the session of its solved notebook, whole or with the edits of a bank entry."""

from __future__ import annotations

import functools
from itertools import count

from midspan.checks import limits
from midspan.checks.cells import Answers
from midspan.checks.sheet import Part, read_reference
from midspan.sim import Cast
from tests.bank import Right, edited
from tests.course import ROOT

NAME = "lab5_overhead"
SOLVED = ROOT / "solutions" / f"{NAME}.ipynb"
_numbers = count(1)


@functools.cache
def parts() -> dict[str, Part]:
    """The solved notebook, step by step."""
    return read_reference(SOLVED, NAME)[1]


def answers(entry: Right | None = None) -> Answers:
    """The names that the solved notebook defines, or what is left of it when an entry of the bank has edited it."""
    own = parts() if entry is None else edited(parts(), entry)
    made = Answers(f"lab5_session_{next(_numbers)}")
    ran = limits.run(lambda: made.run(cell for part in own.values() for cell in part.cells), 10.0)
    assert ran.error is None, ran.error
    return made


def session(entry: Right | None = None) -> Cast:
    """The reference, or that of an entry."""
    cast = answers(entry).ours
    assert isinstance(cast, Cast)
    return cast


@functools.cache
def reference() -> Cast:
    """The reference, made once."""
    return session()
