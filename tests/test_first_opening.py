"""What somebody sees of a chapter who has run nothing and trusts nothing: each picture, or its words, never markup.

nbconvert with its sanitizer stands for code hosts: they convert a notebook much like that, and drop what could be code.
JupyterLab itself is looked at in test_browser.py.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from traitlets.config import Config

from midspan.grading.sections import answering
from tests.course import ROOT, Notebook, found

CHAPTERS = found("notebooks")
CONFIG = ROOT / "jupyter" / "jupyter_nbconvert_config.json"  # which an installation puts where nbconvert looks


def page(notebook: Notebook) -> BeautifulSoup:
    """The chapter as a page, without trust."""
    html, _ = HTMLExporter(sanitize_html=True).from_filename(str(notebook.path))  # type: ignore[no-untyped-call]
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize("notebook", CHAPTERS, ids=str)
def test_each_stored_output_is_a_picture_or_a_text(notebook: Notebook) -> None:
    """A sanitised page has as many pictures as the chapter stores, and the words of each other output as they are."""
    seen = page(notebook)
    outputs = [output["data"] for cell in notebook.code for output in cell.outputs if "data" in output]
    pictures = [data for data in outputs if "image/png" in data]
    assert len(seen.select('img[src^="data:image/png;base64,"]')) == len(pictures) > 0
    shown = [block.get_text() for block in seen.select(".jp-OutputArea pre")]
    for data in outputs:
        if "image/png" not in data:
            assert any("".join(data["text/plain"]).strip() in block for block in shown)


@pytest.mark.parametrize("notebook", found("notebooks", "solutions"), ids=str)
def test_a_chapter_that_nbconvert_converts_answers_no_question(notebook: Notebook) -> None:
    """Between a question and its score no output is shown; all others are."""
    html, _ = HTMLExporter(config=Config(json.loads(CONFIG.read_text("utf-8")))).from_filename(str(notebook.path))  # type: ignore[no-untyped-call]
    cells = BeautifulSoup(html, "html.parser").select(".jp-Cell")
    hidden = answering(notebook.raw)
    assert len(cells) == len(notebook.cells)
    for place, (cell, shown) in enumerate(zip(notebook.cells, cells, strict=True)):
        assert bool(shown.select(".jp-OutputArea-output")) == (bool(cell.outputs) and place not in hidden)


def test_markup_in_an_output_would_be_seen(tmp_path: Path) -> None:
    """The sanitizer does take HTML apart: a chapter that stored it would fail above."""
    raw = copy.deepcopy(CHAPTERS[0].raw)
    output: dict[str, Any] = {"output_type": "display_data", "metadata": {}}
    output["data"] = {"text/html": "<svg><text>17 03 03</text></svg>", "text/plain": "a frame"}
    raw["cells"] = [cell | {"outputs": [output]} for cell in raw["cells"] if cell["cell_type"] == "code"][:1]
    (tmp_path / "changed.ipynb").write_text(json.dumps(raw))
    shown = page(Notebook(tmp_path / "changed.ipynb")).get_text()
    assert "<svg>" in shown
    assert "a frame" not in shown
