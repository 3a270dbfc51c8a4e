"""Run notebooks on a fresh kernel and keep their outputs: `python -m midspan store FILE...`.

Stored outputs come from here and not from a browser, where late output lands in another place. What changes from
run to run without a meaning (times, the Python's version) is left out, so that a second run changes nothing in the
file. Outputs are portable (see `eyes.display`): the first who opens the file has not trusted it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from midspan.checks import labs, notebooks
from midspan.refusal import Refusal

CELL_LIMIT_S = 120
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def store(path: Path) -> bool:
    """Run a notebook in its folder, with no progress remembered; returns whether the file changed.

    Refuses, and leaves the file as it is, when a cell fails that has no tag raises-exception.
    """
    raw = notebooks.read(path)
    _name_cells(raw)
    notebook = labs.as_node(raw)
    _run(notebook, path)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebooks.leave_out_what_differs(notebook)
    stored, before = labs.text(notebook), path.read_text("utf-8")
    if stored != before:
        part = path.with_suffix(".part")
        part.write_text(stored, "utf-8")
        part.replace(path)
    return stored != before


def _run(notebook: Any, path: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT_S,
        kernel_name=KERNEL["name"],
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    with tempfile.TemporaryDirectory(prefix="midspan-") as home:
        try:
            environment = {**os.environ, "MIDSPAN_HOME": home, "MIDSPAN_PORTABLE": "1"}
            asyncio.run(client.async_execute(env=environment))  # its `execute` keeps a loop open
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise Refusal("a notebook that runs to its end", path.name, f"Mend this cell. {error}") from None


def _name_cells(notebook: notebooks.Raw) -> None:
    """Give an id to each cell that has none, or somebody else's; those that are there stay."""
    seen: set[str] = set()
    for place, cell in enumerate(notebook["cells"]):
        if cell.get("id", "") in seen | {""}:
            cell["id"] = hashlib.sha256(f"{place} {notebooks.source_of(cell)}".encode()).hexdigest()[:12]
        seen.add(cell["id"])
    notebook["nbformat_minor"] = max(5, notebook.get("nbformat_minor", 5))  # the first with cell ids
