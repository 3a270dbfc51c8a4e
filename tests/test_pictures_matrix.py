"""The matrix as a picture and as a table: every cell is there, says its sentence, and is told apart without colour."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from midspan import pictures
from midspan.errors import Refusal
from midspan.experiments.guarantee_matrix import SIGNS, TRIALS, Matrix, measure
from midspan.experiments.on_trial import Candidate, Recorded, named
from midspan.pictures.tables import matrix_picture, matrix_table
from midspan.simulation.guarantees import PREDICATES
from tests import cells

HOSTILE = "<script>alert(1)</script>"
FAULTS = ("cut", "half-open", "revoke")


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return measure(named("raw"), Recorded(), Candidate(HOSTILE, HOSTILE, named("raw").implementation), faults=FAULTS)


def test_each_cell_has_a_sign_and_its_sentence(matrix: Matrix) -> None:
    svg = matrix_picture(matrix).svg
    for sign in SIGNS.values():
        assert len(re.findall(f">{sign}</text>", svg)) == sum(SIGNS[cell.outcome] == sign for cell in matrix)
    assert "raw, half-open: violated at" in svg
    assert "never let go of" in svg


def test_its_title_is_a_finding_that_is_counted(matrix: Matrix) -> None:
    svg = matrix_picture(matrix).svg
    broken = len(matrix.violated("raw"))
    assert f"of {len(PREDICATES) * len(FAULTS)} cells each: raw {broken}, socket.io (JS) " in svg
    assert 'role="img" aria-label="Guarantees broken' in svg
    assert "A finding" in matrix_picture(matrix, title="A finding").svg


def test_a_row_for_each_guarantee_a_number_for_each_fault(matrix: Matrix) -> None:
    svg = matrix_picture(matrix).svg
    for name, predicate in PREDICATES.items():
        assert f">{name}</text>" in svg
        assert predicate.claims in svg
    for number, name in enumerate(FAULTS, 1):
        assert f">{number} {name}</text>" in svg
    assert ">4</text>" not in svg


def test_a_marked_column_has_a_frame_and_its_text_names_it(matrix: Matrix) -> None:
    marked = replace(matrix, marked="raw")
    frames = len(re.findall("<rect[^>]*fill:none", matrix_picture(marked).svg))
    assert frames == len(re.findall("<rect[^>]*fill:none", matrix_picture(matrix).svg)) + 1
    assert str(marked).endswith("Marked: raw")


def test_no_name_becomes_markup(matrix: Matrix) -> None:
    assert HOSTILE not in matrix_picture(matrix).svg


def test_its_text_is_its_twin_and_the_same_twice(matrix: Matrix) -> None:
    assert str(matrix_picture(matrix)) == str(matrix)
    assert matrix_picture(matrix).svg == matrix_picture(matrix).svg


def test_a_notebook_shows_the_picture_and_stores_the_text(matrix: Matrix) -> None:
    shell = cells.shell()
    pictures.register(shell)
    data, _ = shell.display_formatter.format(matrix)
    assert data["text/plain"] == str(matrix)
    assert "<svg" in data["text/html"]
    data, _ = shell.display_formatter.format(matrix.cell("no_loss", "raw", "cut"))
    assert data["text/plain"].startswith("no_loss, raw, cut: violated at ")


def test_a_table_of_signs_or_of_the_outcomes_under_one_fault(matrix: Matrix) -> None:
    signs, words = matrix_table(matrix), matrix_table(matrix, "cut")
    assert list(signs.index) == list(words.index) == list(PREDICATES)
    assert list(signs.columns) == ["raw", "socket.io (JS)", HOSTILE]
    assert signs.loc["liveness", "raw"] == matrix.signs("liveness", "raw")
    assert words.loc["liveness", "raw"] == "violated"


def test_what_is_not_a_matrix_is_refused(matrix: Matrix) -> None:
    for show in (matrix_picture, matrix_table):
        with pytest.raises(Refusal, match="a guarantee matrix"):
            show(TRIALS)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="one of cut, half-open, revoke"):
        matrix_table(matrix, "delay")
