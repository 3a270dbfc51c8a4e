"""Demonstrations: the learner's own code at work, on real links.

An unsolved lab fails at its checks and nowhere else, so a demonstration waits until what it needs is written. A wrong
answer can keep it waiting for bytes that never come, or turn in a circle. So it runs as an answer does under a check,
in a thread of its own and under a limit; and what goes wrong is a sentence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from midspan.checks import blame, limits
from midspan.checks.judging import remarks
from midspan.checks.values import error_in_words
from midspan.refusal import need

LIMIT_S = 10.0  # a demonstration takes a second at most, on a machine that is busy with ten kernels a few


def show(demonstration: Callable[[], Any], *answers: object, limit_s: float = LIMIT_S) -> Any:
    """What `demonstration()` gives, awaited if it must be; None, and a sentence, when it cannot run or does not end.

    Args:
        demonstration: a function without arguments, plain or `async`; called in a thread of its own.
        answers: the learner's functions and classes that it needs; while one of them is to do, nothing runs.
        limit_s: seconds that it may take.

    Raises:
        Refusal: the demonstration is no function.
    """
    if inspect.iscoroutine(demonstration):
        demonstration.close()  # or Python warns of it in some later cell
    need(callable(demonstration), "a function", demonstration, "Name it without calling it: show(tour, serve)")
    is_limit = isinstance(limit_s, int | float) and limit_s > 0
    need(is_limit, "seconds above 0 as limit_s", limit_s, f"Leave it out for {LIMIT_S:g} s")
    if not written(*answers):
        return None
    ran = limits.run(demonstration, limit_s)
    if ran.printed:
        print(ran.printed)
    if ran.error is None and not ran.expired:
        return ran.value
    print(*_why(ran, limit_s), *remarks(ran), f"Run the checks of {_names(answers)}.", sep="\n")
    return None


def written(*answers: object) -> bool:
    """True when no function or class among `answers` still holds nbgrader's stub; else it says which is still to do."""
    to_do = [answer for answer in answers if _holds_stub(answer)]
    if to_do:
        print(f"Still to do: {_names(to_do)}. Run this cell again when it is written.")
    return not to_do


def _why(ran: limits.Outcome, limit_s: float) -> Iterator[str]:
    if ran.error is None:
        yield f"Not done after {limit_s:g} s, so we ended it: it waits for bytes that never come, or never stops."
        return
    yield f"It ended with {error_in_words(ran.error)}"
    yield from (f"  {line}" for line in blame.where(ran.error))


def _names(answers: tuple[object, ...] | list[object]) -> str:
    return ", ".join(str(getattr(answer, "__name__", answer)) for answer in answers) or "the steps above"


def _holds_stub(answer: object) -> bool:
    return any("NotImplementedError" in code.co_names for code in _codes(answer))


def _codes(thing: object) -> Iterator[CodeType]:
    """The code of a function with those inside it, of all the methods of a class and of those that it extends."""
    if isinstance(thing, type):
        for kind in thing.__mro__:
            methods = vars(kind).values() if kind.__module__ == thing.__module__ else ()
            for method in methods:
                yield from _codes(method)
    elif isinstance(thing, FunctionType):
        yield from _codes(getattr(thing, "__wrapped__", None) or thing.__code__)
    elif isinstance(thing, CodeType):
        yield thing
        for constant in thing.co_consts:
            yield from _codes(constant)
