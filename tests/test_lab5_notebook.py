"""Lab 5's notebook: its title, its searches, its numbers; the package holds no answer."""

from __future__ import annotations

import re
from itertools import takewhile

from midspan.labs.first_draft import FirstDraft
from midspan.labs.lab5_overhead import lab
from midspan.labs.lab5_overhead import searching as lab5_searching
from midspan.simulation import PREDICATES
from tests.course import ROOT, Notebook
from tests.solved import LAB5

NOTEBOOK = Notebook(LAB5.path)


def test_the_title_says_how_many_steps_there_are() -> None:
    assert len(lab.steps) == 10
    assert "There are ten **steps**" in NOTEBOOK.cells[0].source


def test_one_meets_step_1_after_one_screen_of_code() -> None:
    """The first draft is imported, and each part shown at the step that replaces it."""
    before = list(takewhile(lambda cell: "## Step 1" not in cell.source, NOTEBOOK.cells))
    assert sum(len(cell.source.splitlines()) for cell in before if cell.is_code) <= 40
    showing = "\n".join(cell.source for cell in NOTEBOOK.code if "show_source(" in cell.source)
    shown = set(re.findall(r'"(\w+)"', showing))
    drafted = {name for step in lab.steps.values() for name in step.answers}
    assert drafted & set(FirstDraft(ROOT / f"src/midspan/labs/{LAB5.name}").sources) - {"ours"} <= shown


def test_the_deeper_steps_stand_behind_the_core_and_are_folded() -> None:
    """Their headings ask, and are collapsed; their exercises have the tag with which a finished lab leaves them out."""
    headings = [cell for cell in NOTEBOOK.cells if not cell.is_code and cell.source.startswith("## ")]
    is_deeper = [cell.source.startswith("## Deeper: ") for cell in headings]
    assert is_deeper == sorted(is_deeper)
    for cell in (cell for cell, deeper in zip(headings, is_deeper, strict=True) if deeper):
        assert cell.raw["metadata"]["jp-MarkdownHeadingCollapsed"] is True
        assert "?" in cell.source.splitlines()[0]
    tagged = [cell.graded["grade_id"] for cell in NOTEBOOK.code if cell.is_exercise and "deeper" in cell.tags]
    assert tagged == ["shapes", "deflate", "path", "direct"] == list(lab.steps)[-4:]


def test_all_predicates_are_searched_for_in_the_last_step() -> None:
    searches = lab5_searching.SEARCHES
    assert set(searches["cheaper"][0].breaks) == set(PREDICATES)
    assert set(searches) == set(lab.steps) - {"head"}


def test_what_the_checks_take_from_the_notebook_is_what_it_says() -> None:
    """Kinds, limits and times stand in the notebook; a check that looks at bytes must have the same."""
    from midspan.labs.lab5_overhead import direct_handling, sending, texts

    said = LAB5.answers()
    assert (said.LONGEST, said.ACK_S, said.BATCH, said.ROOM) == (
        texts.LONGEST,
        sending.ACK_S,
        sending.BATCH,
        direct_handling.ROOM_BYTES,
    )
    assert texts.MANY > said.SHAPES
    kinds = [said.TEXT, said.DEFLATED, said.SHAPE, said.SHAPED, said.NUMBER, said.MINE, said.ASK, said.ACK]
    assert kinds == [*range(8)]


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    folder = ROOT / f"src/midspan/labs/{LAB5.name}"
    checks = [path for path in folder.glob("*.py") if path.stem not in ("drafts", "ends")]
    sources = "\n".join(path.read_text("utf-8") for path in checks)
    for name in ("Wire", "Shapes", "Sender", "Feed"):
        assert f"class {name}" not in sources
    for name in ("head(kind", "read_head(data", "block(text", "read_block(data", "runs(entries", "flush(line"):
        assert f"def {name}" not in sources
    drafts = FirstDraft(folder).sources
    assert not {"head", "read_head"} & set(drafts)
    for name, text in (("block", "zlib"), ("Shapes", "split("), ("Feed", "call_later"), ("flush", "broadcast(")):
        assert text not in drafts[name], name
