"""An error that a notebook means to see is one line; the wrong error, or none, is not hidden."""

from __future__ import annotations

import pytest

from midspan.errors import Refusal
from midspan.pictures.cards import expected


def test_the_error_is_one_line() -> None:
    with expected(ZeroDivisionError) as seen:
        _ = 1 / 0
    assert str(seen) == repr(seen) == "ZeroDivisionError: division by zero"


def test_an_error_without_words_is_its_name() -> None:
    with expected(TimeoutError) as seen:
        raise TimeoutError
    assert str(seen) == "TimeoutError"


def test_another_error_passes() -> None:
    with pytest.raises(KeyError), expected(ValueError):
        raise KeyError("room")


def test_no_error_is_refused() -> None:
    with pytest.raises(Refusal, match="a ValueError in this block"), expected(ValueError) as seen:
        assert "nothing was raised" in str(seen)


def test_a_kind_that_is_no_exception_is_refused() -> None:
    with pytest.raises(Refusal, match="a type of exception"):
        expected("ValueError")  # type: ignore[arg-type]
