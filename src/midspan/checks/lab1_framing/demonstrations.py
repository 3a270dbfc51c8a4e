"""Whether a demonstration can run already: an unsolved lab fails at its checks and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType


def written(*answers: object) -> bool:
    """True when no function or class among `answers` still holds nbgrader's stub; else it says which is still to do.

    For the cells that show the learner's own code at work: `await tour() if written(serve, connect) else None`.
    """
    to_do = [str(getattr(answer, "__name__", answer)) for answer in answers if _holds_stub(answer)]
    if to_do:
        print(f"Still to do: {', '.join(to_do)}. Run this cell again when it is written.")
    return not to_do


def _holds_stub(answer: object) -> bool:
    return any("NotImplementedError" in code.co_names for code in _codes(answer))


def _codes(thing: object) -> Iterator[CodeType]:
    """The code of a function with those inside it, of all the methods of a class."""
    if isinstance(thing, type):
        for method in vars(thing).values():
            yield from _codes(method)
    elif isinstance(thing, FunctionType):
        yield from _codes(getattr(thing, "__wrapped__", None) or thing.__code__)
    elif isinstance(thing, CodeType):
        yield thing
        for constant in thing.co_consts:
            yield from _codes(constant)
