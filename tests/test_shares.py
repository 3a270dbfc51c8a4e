"""Shares: a file is one, but for the files whose parameters are; what the table of times names is there."""

from __future__ import annotations

import pytest

from tests.course import ROOT
from tests.shares import SECONDS, SPLIT, seconds, share


@pytest.mark.parametrize(
    ("nodeid", "wanted"),
    [
        ("tests/test_turns.py::test_x", "tests/test_turns.py"),
        ("tests/test_turns.py::test_x[a-b]", "tests/test_turns.py"),
        ("solutions/lab1_framing.ipynb::Cell 3", "solutions/lab1_framing.ipynb"),
        ("tests/test_lab3_bank.py::test_there_are_enough_of_both", "tests/test_lab3_bank.py"),
        ("tests/test_lab3_bank.py::test_x[counts up to ten]", "tests/test_lab3_bank.py[counts up to ten]"),
    ],
)
def test_a_share_is_a_file_or_a_parameter(nodeid: str, wanted: str) -> None:
    assert share(nodeid) == wanted


def test_what_the_tables_name_is_there() -> None:
    """A file that moved would lose its place in the order, and nothing would say so. A core is made from a notebook."""
    files = {name.partition("[")[0].replace(".cores/", "notebooks/") for name in (*SECONDS, *SPLIT)}
    assert [name for name in sorted(files) if not (ROOT / name).is_file()] == []


def test_the_longest_comes_first_and_what_is_not_known_last() -> None:
    longest = max(SECONDS, key=SECONDS.__getitem__)
    assert seconds(f"{longest}::test_x") == max(SECONDS.values()) > 0
    assert seconds("tests/test_unknown.py::test_x") == 0


def test_files_that_make_something_once_are_not_split() -> None:
    """A module's fixture, or a cache, would be made in each process that gets one of its parameters."""
    for name in SPLIT:
        source = (ROOT / name).read_text("utf-8")
        assert 'scope="module"' not in source
        assert "@cache" not in source
