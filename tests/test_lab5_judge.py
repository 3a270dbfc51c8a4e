"""`judge --seeds` on lab 5's session: its schedules have stores that write at once, so it reads at once there."""

from __future__ import annotations

from pathlib import Path

import pytest

from midspan.grading.judging import judge_seeds
from tests.solved import LAB5
from tests.test_lab3_judge import course, notebook

__all__ = ["course"]
pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

TAKES_COPIES = ('            if verdict == "new":\n', "            if True:\n")


def test_the_solution_holds() -> None:
    assert judge_seeds(LAB5.path, range(40)).passed


def test_who_takes_copies_where_it_reads_is_caught_by_seeds_alone(tmp_path: Path) -> None:
    """Only a store that writes at once shows it: all else goes through lab 3's desk."""
    report = judge_seeds(notebook(tmp_path, TAKES_COPIES, solved=LAB5.path), range(120))
    assert report.verdicts["no_duplicate"].get("violated"), str(report)
