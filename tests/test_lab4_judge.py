"""`judge --seeds` on a session of several nodes: it plays on nodes and a broker, whatever link was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from midspan.grading.judging import judge_seeds
from tests.solved import LAB4
from tests.test_lab3_judge import course, notebook

__all__ = ["course"]
pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

NO_DEDUPE = ("    if number <= safe then return safe end\n", "")


def test_the_solution_holds() -> None:
    report = judge_seeds(LAB4.path, range(5, 11))
    assert report.passed, str(report)
    lines = str(report).splitlines()
    assert lines[0] == f"{LAB4.name}, answers from {LAB4.name}.ipynb, seeds 5 to 10, three nodes and a broker"
    assert lines[-1].startswith("6 schedules: ")


def test_a_wrong_session_is_told_with_its_smallest_schedule(tmp_path: Path) -> None:
    """A script that does not know copies: the line that shows it again names no link."""
    report = judge_seeds(notebook(tmp_path, NO_DEDUPE, solved=LAB4.path), range(3, 6))
    assert not report.passed
    assert report.verdicts["no_duplicate"]["violated"] > 0
    example = next(one for one in report.examples if one.startswith("no_duplicate"))
    assert "Smallest schedule:" in example
    assert "judge handed_in.ipynb --seeds 1 --start " in example
