"""Arguments fit their annotations, or are refused in a sentence."""

from __future__ import annotations

# ruff: noqa: ARG001 - the arguments are only looked at
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pytest

from midspan.errors import Fitting, Refusal, checked

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait(Fitting):
    """A field with a unit, and one with a choice."""

    for_s: float | None
    way: Literal["up", "down"] = "up"


def plain(
    text: str = "",
    number: int = 0,
    some: float = 0,
    waits: tuple[Wait, ...] = (),
    call: Callable[[], None] = print,
    kind: type[Exception] = ValueError,
    names: Mapping[str, str] | None = None,
    seeds: Iterable[int] = (),
    work: Coroutine[Any, Any, None] | None = None,
    any_s: T | None = None,
    *more: str,
    size_bytes: int = 0,
    **options: Any,
) -> str:
    """Give the text back."""
    return text


take: Any = checked(plain)  # Any: what follows passes what a type checker would not let pass


def test_what_fits_is_taken() -> None:
    assert take("a", 1, 2, (Wait(0.5),), len, KeyError, {}, range(3), None, None, "b", size_bytes=3, other=4) == "a"
    assert take(some=True, names=None) == ""
    assert take.__name__ == "plain"
    assert Wait(None, "down").way == "down"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: take(b"a"), "Expected text (str) for `text` of plain, but got b'a'. help(plain) says what it takes."),
        (lambda: take("", "1"), "Expected a whole number for `number` of plain, but got '1'."),
        (lambda: take(some=None), "Expected a number for `some` of plain, but got None."),
        (lambda: take(some=float("nan")), "Expected a number for `some` of plain, but got nan."),
        (lambda: take(waits=[Wait(1.0)]), "Expected a tuple, in it a Wait for `waits` of plain, but got [Wait("),
        (lambda: take(waits=(1,)), "Expected a tuple, in it a Wait for `waits` of plain, but got (1,)."),
        (lambda: take(call=3), "Expected a function for `call` of plain, but got 3."),
        (lambda: take(kind=int), "Expected a type of Exception for `kind` of plain, but got <class 'int'>."),
        (lambda: take(names=[]), "Expected a Mapping or None for `names` of plain, but got []."),
        (lambda: take(seeds=5), "Expected an Iterable for `seeds` of plain, but got 5."),
        (lambda: take(work=print), "Expected a Coroutine or None for `work` of plain, but got <built-in"),
        (lambda: take(size_bytes=-1), "Expected a whole number, 0 or more, for `size_bytes` of plain, but got -1."),
        (lambda: Wait(-1), "Expected a number or None, 0 or more, for `for_s` of Wait, but got -1."),
        (lambda: Wait(1.0, "left"), "Expected one of up, down for `way` of Wait, but got 'left'."),  # type: ignore[arg-type]
        (lambda: Wait(1.0, []), "Expected one of up, down for `way` of Wait, but got []."),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(Refusal) as caught:
        call()
    assert str(caught.value).startswith(sentence)
