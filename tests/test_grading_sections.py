"""What a notebook folds and hides: deeper sections, and the outputs that would answer a question above them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.grading import notebooks
from midspan.grading.sections import FOLDED, HIDDEN, answering, core, core_steps, deeper, fold


def prose(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(text: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": metadata, "source": text.splitlines(keepends=True), "outputs": []}


ASKED = 'predict("00.cut", "What is lost?", {"a": "all", "b": "nothing"}, mine="?")'


def chapter() -> dict[str, Any]:
    cells = [
        prose("# What is lost?\n\n## Deeper: not at the start of the cell"),
        code("bench = await Bench()"),
        code(ASKED, tags=["express"]),
        code("run = show()\nrun"),
        prose("Between them."),
        code('score("00.cut", "a")', tags=["nbval-ignore-output"], jupyter={"source_hidden": True}),
        prose("## What we saw"),
        prose("## Deeper: and twice?"),
        code("1 + 1"),
        prose("### Deeper: and three times?"),
        prose("### Less deep"),
        code("2 + 2"),
        prose("## Close the bench"),
        code("await bench.close()"),
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_a_deeper_section_ends_at_the_next_heading_of_its_level() -> None:
    assert deeper(chapter()) == {7, 8, 9, 10, 11}


def test_the_core_is_a_copy_without_them() -> None:
    notebook = chapter()
    cells = core(notebook)["cells"]
    assert [cell["source"] for cell in cells[6:]] == ["## What we saw", "## Close the bench", ["await bench.close()"]]
    cells[0]["metadata"]["x"] = 1
    assert notebook == chapter()


def test_code_after_a_question_up_to_its_score_answers_it() -> None:
    assert answering(chapter()) == {3, 5}


def test_a_question_in_one_cell_with_its_score_hides_nothing_of_its_own() -> None:
    notebook = {"cells": [code(ASKED + '\nscore("00.cut", "a")'), code('score("00.cut", "a")')]}
    assert answering(notebook) == {1}


def test_a_question_without_a_score_is_refused() -> None:
    with pytest.raises(Refusal, match=r'score\("00.cut", ...\) below its question'):
        answering({"cells": [code('score("00.cut", "a")'), code(ASKED)]})


def test_folding_marks_deeper_headings_and_answers_and_nothing_else() -> None:
    notebook = chapter()
    fold(notebook)
    marked = {n: cell["metadata"] for n, cell in enumerate(notebook["cells"]) if cell["metadata"]}
    assert marked == {
        2: {"tags": ["express"]},
        3: {"tags": [HIDDEN], "jupyter": {"outputs_hidden": True}, "collapsed": True},
        5: {
            "tags": ["nbval-ignore-output", HIDDEN],
            "jupyter": {"source_hidden": True, "outputs_hidden": True},
            "collapsed": True,
        },
        7: {FOLDED: True},
        9: {FOLDED: True},
    }


def test_folding_again_changes_nothing_and_takes_old_marks_back() -> None:
    notebook = chapter()
    fold(notebook)
    once = copy.deepcopy(notebook)
    fold(notebook)
    assert notebook == once
    notebook["cells"][2]["source"] = "no question any more"
    notebook["cells"][7]["source"] = "## Not deeper"
    notebook["cells"][9]["source"] = "### Not deeper"
    fold(notebook)
    assert [cell["metadata"] for cell in notebook["cells"]] == [{**cell["metadata"]} for cell in chapter()["cells"]]


@pytest.mark.parametrize(("lab", "last"), [("lab1_framing", "patient_connection"), ("lab2_events", "conversation")])
def test_the_core_of_a_lab_ends_where_its_second_part_begins(lab: str, last: str) -> None:
    assert core_steps(notebooks.read(notebooks.solution(lab)))[-1] == last


def test_a_lab_without_a_second_part_is_all_core() -> None:
    assert core_steps(notebooks.read(notebooks.solution("lab3_failure")))[-1] == "control"
    assert len(core_steps(notebooks.read(notebooks.solution("lab5_overhead")))) == 6
