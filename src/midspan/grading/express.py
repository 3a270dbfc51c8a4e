"""The express way: one notebook of four hours, generated from the tagged cells of the chapters and of lab 3."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from midspan.grading import notebooks
from midspan.grading.notebooks import Raw

# A cell with the tag "express" stands in this notebook too; its source is never written twice. The steps of the lab
# that the express way leaves out are borrowed in one cell, before its first exercise.

TAG, LAB = notebooks.EXPRESS, "lab3_failure"
SOURCES = {  # and what leads over to each
    "notebooks/00_two_layers.ipynb": "",
    "notebooks/01_framing.ipynb": "The lower layer first: what is a frame, and what does the end of a connection say?",
    "notebooks/02_event_wrapping.ipynb": "The upper layer: what stands around an event, and what does an answer prove?",
    "notebooks/03_failure_handling.ipynb": "Both layers are known. So who repairs what a cut destroys?",
    f"solutions/{LAB}.ipynb": "No library kept everything. Now you write the parts that do.",
    "notebooks/04_scaling.ipynb": "Your session has one server. What changes when there are two?",
    "notebooks/05_overhead.ipynb": "Last: what does all this cost?",
}
# Sentences of the sources that are about the whole course or the whole lab, and would be wrong here.
LEFT_OUT = (
    r" Plan 4[05] minutes\.",
    r" You need chapter `00_two_layers`\.",
    r" The bench above has real links too: the sections \*Deeper\* of this chapter use it\.",
    r"The answer to be: yes, with \d+ lines that you write, if we state what is durable, and where\.\n\n",
    r"\n\nFrom here on you write each part from its docstring\.",
)
NAME = "express"
ABOUT = {
    "minutes": 240,
    "lab": LAB,
    "objectives": [
        "say which layer put which byte on the wire, and which guarantee it gives",
        "say which message a cut loses, doubles or reorders, and what a session must keep to make that good",
        "write the outbox, the inbox and the acknowledgement of such a session, and see it beside the libraries",
        "say what changes at the second node, and what the guarantees cost",
    ],
    "needs": [],
}
TITLE = """# The express way: what is lost when the link is cut, and what must we write so that nothing is?

Four hours, alone. This notebook is made of the cells of the chapters and of lab 3 that lead to one result: a session of
your own that loses nothing, measured beside the libraries. The numbers of the chapters and steps are those of the whole
course; what is left out here stands there.

Run the cells in order. Where a check says *to do*, it is your turn. Each part begins afresh with its imports and its
bench, so you can stop between two parts. After a restart, run the part that you are in from its beginning."""
END = """## What we saw

- A Socket.IO event is the payload of a WebSocket message, with one character for each layer that is new.
- A connection that ends tells neither end which messages arrived. The libraries connect again. As they come, they do
  not send again, or they deliver twice.
- Your session keeps a message until it is acknowledged, sends it again, drops the copy, and acknowledges what is
  durable. Your column in the table says what that is worth.
- At the second node the memory of one process is not enough, and pub/sub forgets. A log remembers.
- The price of a protocol is not the price of one implementation of it.

Each part is longer in its chapter, and lab 3 has more steps: heartbeat, reconnection, outbox, cursor, log, feed, and
who may be here."""
BORROWED = """Some parts of the session are steps of the lab that we leave out here. The next cell takes them from the
reference."""


def express_way(course: Path) -> Raw:
    """Return the express notebook, solved and without outputs.

    Args:
        course: the folder that contains notebooks/ and solutions/.
    """
    sources = [notebooks.read(course / source) for source in SOURCES]
    cells = [_prose("title", TITLE)]
    for source, bridge in zip(sources, SOURCES.values(), strict=True):
        cells += [_prose(bridge, bridge)] if bridge else []
        cells += _tagged(source)
    cells.append(_prose("end", END))
    metadata = {"kernelspec": sources[0]["metadata"]["kernelspec"], "midspan": ABOUT}
    notebook = {"cells": cells, "metadata": copy.deepcopy(metadata), "nbformat": 4, "nbformat_minor": 5}
    notebooks.name_cells(notebook)
    return notebook


def _tagged(source: Raw) -> Iterator[Raw]:
    """Yield the tagged cells, their headings one level lower; before the first exercise, the cell that borrows."""
    left_out, lent = _steps_left_out(source), False
    for cell in source["cells"]:
        if TAG not in notebooks.tags(cell):
            continue
        if notebooks.kind_of(cell) == "exercise" and left_out and not lent:
            lent = True
            yield _prose("borrowed", BORROWED)
            yield _code("borrow", f"borrow({', '.join(map(repr, left_out))})".replace("'", '"'))
        yield _lowered(cell)


def _steps_left_out(source: Raw) -> list[str]:
    exercises = [cell for cell in notebooks.code_cells(source) if notebooks.kind_of(cell) == "check"]
    left_out = [cell for cell in exercises if TAG not in notebooks.tags(cell)]
    return [notebooks.grade_id_of(cell).removeprefix(notebooks.CHECK) for cell in left_out]


def _lowered(cell: Raw) -> Raw:
    lowered = copy.deepcopy(cell)
    if cell.get("cell_type") == "markdown":
        kept = re.sub("|".join(LEFT_OUT), "", notebooks.source_of(cell))
        lowered["source"] = re.sub(r"^(#+ )", r"#\1", kept, flags=re.MULTILINE)
    else:
        lowered.update(outputs=[], execution_count=None)
    return lowered


def with_outputs_of(new: Raw, old: Raw) -> Raw:
    """Return the new notebook with the old outputs of the code cells whose source is the same."""
    kept = {(cell.get("id"), notebooks.source_of(cell)): cell for cell in notebooks.code_cells(old)}
    for cell in notebooks.code_cells(new):
        before = kept.get((cell.get("id"), notebooks.source_of(cell)), {})
        cell.update({name: before[name] for name in ("outputs", "execution_count") if name in before})
    return new


def _prose(name: str, text: str) -> Raw:
    return {"cell_type": "markdown", "id": _id(name), "metadata": {}, "source": text}


def _code(name: str, source: str) -> Raw:
    cell = {"cell_type": "code", "id": _id(name), "metadata": {}, "source": source}
    return {**cell, "outputs": [], "execution_count": None}


def _id(name: str) -> str:
    return hashlib.sha256(f"{NAME} {name}".encode()).hexdigest()[:12]
