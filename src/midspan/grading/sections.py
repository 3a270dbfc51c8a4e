"""What a notebook folds and hides: deeper sections, outputs that answer a question; and the core without them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

from midspan.errors import Refusal
from midspan.grading import notebooks
from midspan.grading.notebooks import Raw

# A section whose heading begins with "Deeper:" can be left out: the core of the notebook runs without it. It reaches
# to the next heading of its level or above. JupyterLab folds it when the notebook is opened.
#
# Chapters are stored with all outputs. What is shown between a question and its score would answer the question, so
# it is stored hidden. JupyterLab shows it when the learner runs the cell; nbconvert, as `make study` configures it,
# leaves it out. Other viewers, for example a code host's, show it.

DEEPER = re.compile(r"(#+) Deeper: ")
HEADING = re.compile(r"(#+) ")
PART_TWO = re.compile(r"^## (Part two|Deeper)\b", re.MULTILINE)  # in a lab: after it no step belongs to the core
ASKS, SCORES = re.compile(r'\bpredict\(\s*"([^"]+)"'), re.compile(r'\bscore\(\s*"([^"]+)"')
FOLDED = "jp-MarkdownHeadingCollapsed"  # JupyterLab 4: on the cell of a heading
HIDDEN = "hide-output"  # a tag that nbconvert's TagRemovePreprocessor is told of


def deeper(notebook: Raw) -> frozenset[int]:
    """Return the places of the cells in deeper sections, counted from 0."""
    found, level = set(), 0
    for place, cell in enumerate(notebook["cells"]):
        heading = _heading(cell)
        if heading and (not level or len(heading[1]) <= level):
            level = len(heading[1]) if DEEPER.match(heading.string) else 0
        found |= {place} if level else set()
    return frozenset(found)


def core(notebook: Raw) -> Raw:
    """Return a copy of the notebook without its deeper sections."""
    left_out = deeper(notebook)
    cells = [cell for place, cell in enumerate(notebook["cells"]) if place not in left_out]
    return copy.deepcopy({**notebook, "cells": cells})


def core_steps(solved: Raw) -> tuple[str, ...]:
    """Return the steps of a solved lab that stand before its second part, in order; all steps if it has only one."""
    found: list[str] = []
    for cell in solved["cells"]:
        if cell["cell_type"] == "markdown" and PART_TWO.search(notebooks.source_of(cell)):
            break
        graded = cell["metadata"].get("nbgrader", {})
        found += [graded["grade_id"]] if graded.get("solution") else []
    return tuple(found)


def answering(notebook: Raw) -> frozenset[int]:
    """Return the places of the code cells after a question, up to and with its score, counted from 0.

    Raises:
        Refusal: a question has no score below it.
    """
    found: set[int] = set()
    sources = [notebooks.source_of(cell) if cell.get("cell_type") == "code" else "" for cell in notebook["cells"]]
    for place, id in _questions(sources):
        end = next((n for n in range(place + 1, len(sources)) if id in SCORES.findall(sources[n])), None)
        if end is None:
            raise Refusal(f'a cell with score("{id}", ...) below its question', None, "Add it")
        found |= {n for n in range(place + 1, end + 1) if sources[n]}
    return frozenset(found)


def fold(notebook: Raw) -> None:
    """Mark, in place, what is to be folded and hidden; remove such marks from all other cells."""
    below, answers = deeper(notebook), answering(notebook)
    for place, cell in enumerate(notebook["cells"]):
        _mark_folded(cell, place in below and bool(DEEPER.match(notebooks.source_of(cell))))
        if cell.get("cell_type") == "code":
            _mark_hidden(cell, place in answers)


def _heading(cell: Raw) -> re.Match[str] | None:
    return HEADING.match(notebooks.source_of(cell)) if cell.get("cell_type") == "markdown" else None


def _questions(sources: list[str]) -> Iterator[tuple[int, str]]:
    for place, source in enumerate(sources):
        for id in ASKS.findall(source):
            yield place, id


def _mark_folded(cell: Raw, folded: bool) -> None:
    cell["metadata"].pop(FOLDED, None)
    if folded:
        cell["metadata"][FOLDED] = True


def _mark_hidden(cell: Raw, hidden: bool) -> None:
    metadata = cell["metadata"]
    tags = [tag for tag in notebooks.tags(cell) if tag != HIDDEN] + [HIDDEN] * hidden
    jupyter = {key: value for key, value in metadata.get("jupyter", {}).items() if key != "outputs_hidden"}
    jupyter |= {"outputs_hidden": True} if hidden else {}
    # JupyterLab writes `collapsed` beside it when it saves: without it a notebook that is only read would change
    for name, value in (("tags", tags), ("jupyter", jupyter), ("collapsed", hidden)):
        metadata.pop(name, None)
        if value:
            metadata[name] = value
