"""Trust the course's own notebooks, and only those, as `jupyter trust` does.

JupyterLab takes pictures out of the stored outputs of a notebook that it does not trust. It trusts what it has signed
itself; a fresh clone is signed by no one.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

FOLDERS = ("notebooks", "labs", "solutions")


def trust(course: Path) -> tuple[int, list[str]]:
    """Sign the notebooks in the three folders of the course; returns how many, and the names that are no notebook."""
    from jupyter_core.paths import jupyter_data_dir

    sign: Any = importlib.import_module("nbformat.sign")  # has no types
    signed, unreadable = 0, []
    notary = sign.NotebookNotary(data_dir=jupyter_data_dir())
    for path in sorted(path for folder in FOLDERS for path in (course / folder).glob("*.ipynb")):
        try:
            notebook = _read(path)
        except (OSError, ValueError):
            unreadable.append(f"{path.parent.name}/{path.name}")
            continue
        notary.sign(notebook)
        signed += 1
    notary.store.close()
    return signed, unreadable


def _read(path: Path) -> Any:
    """A notebook as JupyterLab reads it, without its warnings: JupyterLab gives them where they can be acted on."""
    nbformat: Any = importlib.import_module("nbformat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.read(path, as_version=4)
