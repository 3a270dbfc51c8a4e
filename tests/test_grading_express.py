"""The express notebook: the tagged cells of the course, in order, and what is left out of the lab is borrowed."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from midspan.grading import express, notebooks
from midspan.grading.express import LEFT_OUT, SOURCES, express_way, with_outputs_of
from midspan.grading.judging import judge
from midspan.grading.lab_source import text
from midspan.grading.sections import deeper, fold
from tests.course import ROOT, Notebook

LAB_SOURCE = f"solutions/{express.LAB}.ipynb"
KEPT = ("id", "cell_type", "source", "metadata")


@pytest.fixture(scope="module")
def generated() -> dict[str, Any]:
    """The notebook as its sources have it now."""
    notebook = express_way(ROOT)
    fold(notebook)
    return notebook


def test_the_express_notebook_is_what_its_sources_generate(generated: dict[str, Any]) -> None:
    stored = notebooks.read(notebooks.solution(express.NAME, ROOT / "solutions" / "x"))
    fresh = notebooks.Raw(json_of(generated))
    assert [[cell[key] for key in KEPT] for cell in stored["cells"]] == [
        [cell[key] for key in KEPT] for cell in fresh["cells"]
    ], "run `make labs`, then make store FILES=solutions/express.ipynb"


def json_of(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook as it stands in a file."""
    loaded: dict[str, Any] = json.loads(text(notebook))
    return loaded


def test_each_cell_has_an_id_of_its_own(generated: dict[str, Any]) -> None:
    ids = [cell["id"] for cell in generated["cells"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("source", SOURCES)
def test_no_deeper_cell_is_on_the_express_way(source: str) -> None:
    notebook = Notebook(ROOT / source)
    tagged = {place for place, cell in enumerate(notebook.cells) if express.TAG in cell.tags}
    assert tagged
    assert not tagged & deeper(notebook.raw)


def test_steps_that_are_left_out_are_borrowed_before_the_first_exercise(generated: dict[str, Any]) -> None:
    lab = Notebook(ROOT / f"solutions/{express.LAB}.ipynb")
    checks = [cell for cell in lab.code if cell.is_check]
    left_out = [cell.graded["grade_id"].removeprefix("check_") for cell in checks if express.TAG not in cell.tags]
    sources = [notebooks.source_of(cell) for cell in notebooks.code_cells(generated)]
    kinds = [notebooks.kind_of(cell) for cell in notebooks.code_cells(generated)]
    borrows = [place for place, source in enumerate(sources) if source.startswith("borrow(")]
    assert len(borrows) == 1
    assert borrows[0] < kinds.index("exercise")
    assert all(f'"{step}"' in sources[borrows[0]] for step in left_out)


def test_outputs_stay_where_the_source_is_the_same() -> None:
    old = {"cells": [code("a", "1", 3, ["one"]), code("b", "2", 4, ["two"])]}
    new = {"cells": [code("a", "1"), code("b", "3"), code("c", "2")]}
    assert [cell["outputs"] for cell in with_outputs_of(new, old)["cells"]] == [["one"], [], []]
    assert [cell["execution_count"] for cell in new["cells"]] == [3, None, None]


def code(id: str, source: str, count: int | None = None, outputs: list[str] | None = None) -> dict[str, Any]:
    cell = {"cell_type": "code", "id": id, "source": source, "metadata": {}}
    return {**cell, "outputs": outputs or [], "execution_count": count}


@pytest.mark.parametrize("sentence", LEFT_OUT)
def test_each_sentence_that_is_left_out_is_still_there(sentence: str) -> None:
    texts = [cell.source for source in SOURCES for cell in Notebook(ROOT / source).cells if express.TAG in cell.tags]
    assert any(re.search(sentence, text) for text in texts)


def assigned(source: str) -> set[str]:
    """The names that the tagged cells of a notebook give a value, without those that they import."""
    trees = [cell.tree for cell in Notebook(ROOT / source).code if express.TAG in cell.tags]
    nodes = [node for tree in trees for node in tree.body]
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    plain = [node for node in nodes if isinstance(node, ast.Assign | ast.If | ast.For | ast.AsyncWith | ast.With)]
    names = [name for node in plain for name in ast.walk(node) if isinstance(name, ast.Name)]
    return defined | {name.id for name in names if isinstance(name.ctx, ast.Store)}


def test_no_chapter_after_the_lab_gives_another_value_to_a_name_of_the_lab() -> None:
    """A learner who comes back to a step finds the lab's own names in the kernel."""
    later = list(SOURCES)[list(SOURCES).index(LAB_SOURCE) + 1 :]
    assert {source: assigned(source) & assigned(LAB_SOURCE) for source in later} == {source: set() for source in later}


def test_the_express_notebook_is_judged_as_its_lab() -> None:
    """The chapters' cells are no part of an answer; the steps that are borrowed are said so, the others pass."""
    verdicts = {result.step: result.verdict for result in judge(notebooks.solution(express.NAME, ROOT / "x")).results}
    own = {step for step, verdict in verdicts.items() if verdict == "passed"}
    assert own == {"sender", "retry", "dedupe", "desk"}
    assert set(verdicts.values()) == {"passed", "borrowed"}
