"""Every notebook keeps the rules of the course, and every rule is seen to catch what it is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.course import Notebook, found
from tests.notebook_rules import RULES, Rule

ALL = found("notebooks", "labs", "solutions")


def test_there_are_notebooks_and_each_lab_has_its_solution() -> None:
    """A test that finds no file would pass in silence."""
    assert found("notebooks")
    assert [it.path.stem for it in found("labs")] == [it.path.stem for it in found("solutions")] != []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("notebook", ALL, ids=str)
def test_a_notebook_keeps_the_rules(notebook: Notebook, rule: Rule) -> None:
    """Each complaint names its cell."""
    assert list(rule(notebook)) == []


# The rules are guarded: a small notebook that keeps them all, and one change for each thing that must be caught.


def code(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None, **more}


def good() -> dict[str, Any]:
    cells = [{"cell_type": "markdown", "source": "# Who masks?", "metadata": {}}]
    shown = {"output_type": "execute_result", "metadata": {}, "data": {"text/plain": "a bench"}, "execution_count": 1}
    cells += [code("from midspan import Bench\nbench = await Bench()\nbench", execution_count=1, outputs=[shown])]
    cells += [{"cell_type": "markdown", "source": "We look.", "metadata": {}} for _ in range(24)]
    cells += [code("await bench.close()", execution_count=2)]
    about = {"minutes": 5, "objectives": ["read a frame"], "needs": []}
    return {"metadata": {"midspan": about, "kernelspec": {"name": "python3"}}, "cells": cells}


def written(data: dict[str, Any], folder: Path) -> Notebook:
    folder.mkdir()
    path = folder / "00_tiny.ipynb"
    path.write_text(json.dumps(data))
    return Notebook(path)


def complaints(notebook: Notebook) -> set[str]:
    return {rule.__name__ for rule in RULES if list(rule(notebook))}


def test_a_notebook_that_keeps_them_all_hears_no_complaint(tmp_path: Path) -> None:
    """The base of the table below."""
    assert complaints(written(good(), tmp_path / "notebooks")) == set()


def line(text: str) -> Callable[[dict[str, Any]], None]:
    """The change that adds a line of code before the last cell's."""

    def change(data: dict[str, Any]) -> None:
        data["cells"][-1]["source"] = f"{text}\nawait bench.close()"

    return change


def item(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """The change that sets one value in the notebook's JSON."""

    def change(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = to

    return change


def deeper_section_at(place: int, closed: bool = False) -> Callable[[dict[str, Any]], None]:
    """The change that puts a heading before a cell; below it all is deeper, or all but a section that closes."""

    def heading(text: str) -> dict[str, Any]:
        folded = {"jp-MarkdownHeadingCollapsed": True} if "Deeper" in text else {}
        return {"cell_type": "markdown", "source": f"## {text}", "metadata": folded}

    def change(data: dict[str, Any]) -> None:
        data["cells"][-1:-1] = [heading("Close the bench")] if closed else []
        data["cells"].insert(place, heading("Deeper: who?"))

    return change


ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
WARNED = {"output_type": "stream", "name": "stderr", "text": "DeprecationWarning"}
SHOWN = {"output_type": "display_data", "metadata": {}}
MARKUP = SHOWN | {"data": {"text/html": "<svg><text>17 03 03</text></svg>", "text/plain": "17 03 03"}}
SILENT = SHOWN | {"data": {"image/png": "iVBORw0KGgo="}}
CAUGHT: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("code_cells_are_short", line("a = 1\n" * 6)),
    ("code_cells_are_short", line("def f():\n" + "    a = 1\n" * 20)),
    ("nothing_forbidden", line("import sys; sys.path.append('x')")),
    ("nothing_forbidden", line("import time; time.sleep(1)")),
    ("nothing_forbidden", line("connect(url, verify=False)")),
    ("nothing_forbidden", line("serve(handler, port=8765)")),
    ("nothing_forbidden", line("url = 'wss://localhost:8765'")),
    ("nothing_forbidden", line("open('/home/me/x')")),
    ("nothing_forbidden", line("from websockets.sync.client import connect")),
    ("nothing_forbidden", line("url = 'wss://echo.websocket.events'")),
    ("imports_name_midspan_or_a_folder", line("from midspan.net.taps import tap")),
    ("loops_end_and_tasks_have_owners", line("while True:\n    a = 1")),
    ("loops_end_and_tasks_have_owners", line("asyncio.create_task(f())")),
    ("loops_end_and_tasks_have_owners", line("tasks.create_task(f())")),
    ("no_code_in_comments", line("# await ws.send('x')")),
    ("no_code_in_comments", line("# a = 1")),
    ("what_is_opened_is_closed", item("cells", -1, "source", to="bench")),
    ("it_says_what_it_is", item("metadata", "midspan", "minutes", to="five")),
    ("it_says_what_it_is", item("metadata", "midspan", "objectives", to=[])),
    ("it_says_what_it_is", item("metadata", "midspan", "needs", to=None)),
    ("it_says_what_it_is", item("metadata", "kernelspec", "name", to="mine")),
    ("it_opens_with_its_question", item("cells", 0, "source", to="# Masking")),
    ("chapters_have_one_size", lambda data: data["cells"].__delitem__(slice(5, 8))),
    ("chapters_have_one_size", lambda data: data["cells"].__setitem__(slice(5, 5), data["cells"][5:6] * 20)),
    ("something_happens_on_the_first_screen", item("cells", 0, "source", to="# Who?\n" + "\nWe look." * 8)),
    ("something_happens_on_the_first_screen", item("cells", 1, "outputs", to=[])),
    ("what_is_deeper_comes_last", deeper_section_at(-1)),
    ("chapters_have_one_size", deeper_section_at(5, closed=True)),
    ("answers_are_hidden", item("cells", 1, "metadata", to={"tags": ["hide-output"]})),
    ("prose_belittles_nobody", item("cells", 2, "source", to="It is just a frame.")),
    ("outputs_are_stored", item("cells", -1, "execution_count", to=3)),
    ("outputs_are_stored", item("cells", -1, "outputs", to=[ERROR])),
    ("outputs_are_stored", item("cells", -1, "outputs", to=[WARNED])),
    ("stored_outputs_are_portable", item("cells", -1, "outputs", to=[MARKUP])),
    ("stored_outputs_are_portable", item("cells", -1, "outputs", to=[SILENT])),
]


@pytest.mark.parametrize(("rule", "change"), CAUGHT)
def test_what_a_rule_is_for_is_caught(rule: str, change: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    """One change, one complaint, by the rule that is meant."""
    data = good()
    change(data)
    assert complaints(written(data, tmp_path / "notebooks")) == {rule}


def test_a_task_group_owns_its_tasks(tmp_path: Path) -> None:
    """What a group starts ends with the group."""
    data = good()
    line("async with asyncio.TaskGroup() as tasks:\n    tasks.create_task(f())")(data)
    assert complaints(written(data, tmp_path / "notebooks")) == set()


EXERCISE = {"nbgrader": {"solution": True, "grade": False, "grade_id": "step"}}
LEAKS = [
    code("raise NotImplementedError", metadata=EXERCISE, outputs=[ERROR]),
    code("raise NotImplementedError", metadata=EXERCISE, execution_count=1),
    code("return 1", metadata=EXERCISE),
    code("### BEGIN SOLUTION\nraise NotImplementedError", metadata=EXERCISE),
]


@pytest.mark.parametrize("cell", LEAKS)
def test_a_lab_that_gives_itself_away_is_caught(cell: dict[str, Any], tmp_path: Path) -> None:
    """An output, a number, an answer or a mark of one in labs/."""
    data = good()
    data["metadata"]["midspan"]["lab"] = "00_tiny"
    data["cells"] = [data["cells"][0], cell]
    assert "labs_hold_no_answers" in complaints(written(data, tmp_path / "labs"))
