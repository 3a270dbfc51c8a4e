"""Lines are counted as a reader would count them."""

from __future__ import annotations

import pytest

from midspan.errors import Refusal
from midspan.experiments.byte_ledgers import code_lines, library_lines

CASES = [
    ("", 0),
    ("a = 1\n\n# a comment\nb = 2  # and one behind code\n", 2),
    ('"""A docstring\nof two lines."""\n', 0),
    ('def f():\n    """What it does."""\n    return 1\n', 2),
    ('a = """a string\nthat is\na value"""\n', 3),
    ("f(\n    1,\n    2,\n)\n", 4),
    ("await f()\n", 1),
    ("class A:\n    '''Doc.'''\n\n    async def f(self):\n        # why\n        ...\n", 3),
]


@pytest.mark.parametrize(("source", "lines"), CASES)
def test_code_counts_and_nothing_else(source: str, lines: int) -> None:
    assert code_lines(source) == lines


@pytest.mark.parametrize("source", [3, None, "def f(:", "a = (1,"])
def test_what_is_no_python_is_refused(source: object) -> None:
    with pytest.raises(Refusal, match="Python source"):
        code_lines(source)  # type: ignore[arg-type]  # what a learner may pass


def test_a_library_is_the_sum_of_its_files() -> None:
    small = ["iniconfig", "pluggy"]
    assert library_lines(*small) == sum(map(library_lines, small)) > 500


def test_a_library_that_is_not_installed_is_refused() -> None:
    with pytest.raises(Refusal, match="an installed distribution"):
        library_lines("no-such-library")
