"""The index of symptoms: each row leads to a section that is there, in the chapter that it names."""

from __future__ import annotations

import re

import pytest

from midspan.grading.sections import DEEPER
from tests.course import ROOT, Notebook, found

PAGE = (ROOT / "docs" / "symptoms.md").read_text("utf-8")
ROW = re.compile(r"\| (\d\d)(, deeper)?: \[(.+?)\]\(\.\./(notebooks/(\d\d)_\w+\.ipynb)\) \|$", re.MULTILINE)


def headings(notebook: Notebook) -> dict[str, bool]:
    """Heading, without its number -> whether its section is deeper."""
    lines = [line for cell in notebook.cells if not cell.is_code for line in cell.source.splitlines()]
    sections = [line for line in lines if line.startswith("## ")]
    return {re.sub(r"^## (Deeper: |\d+ )?", "", line): bool(DEEPER.match(line)) for line in sections}


@pytest.mark.parametrize("row", ROW.findall(PAGE), ids=lambda row: row[2])
def test_each_row_leads_to_a_section(row: tuple[str, ...]) -> None:
    chapter, is_deeper, heading, path, number = row
    assert chapter == number
    assert headings(Notebook(ROOT / path)).get(heading) == bool(is_deeper)


def test_each_row_was_read_and_each_chapter_has_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(ROW.findall(PAGE)) == len(rows) > 15
    assert {row[3] for row in ROW.findall(PAGE)} == {str(it.path.relative_to(ROOT)) for it in found("notebooks")}
