"""Read a notebook's JSON with a sentence for whatever is wrong with it, and say what a cell is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from midspan.refusal import Refusal, need

Raw = dict[str, Any]
Kind = Literal["setup", "exercise", "check", "other"]


def read(path: Path) -> Raw:
    """The notebook at `path` as plain JSON, of nbformat 4 and with cells that are objects."""
    need(isinstance(path, Path), "the path of a notebook, a pathlib.Path", path, "Write Path('labs/x.ipynb')")
    again = "Save it again from JupyterLab, or take a fresh copy"
    try:
        notebook = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise Refusal("a notebook that exists", str(path), "Check the path") from None
    except OSError as error:
        raise Refusal("a notebook that can be read", f"{path}: {error.strerror}", "Check the path") from None
    except (ValueError, RecursionError):
        raise Refusal("a notebook, a file of JSON", path.name, again) from None
    if not isinstance(notebook, dict) or not _are_cells(notebook.get("cells")):
        raise Refusal("a notebook of format 4, with a list of cells", path.name, again)
    return notebook


def _are_cells(cells: object) -> bool:
    return isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells)


def code_cells(notebook: Raw) -> list[Raw]:
    """The code cells, in order."""
    return [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]


def source_of(cell: Raw) -> str:
    """A cell's source as one string (the format allows a list of lines)."""
    text = cell.get("source", "")
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def kind_of(cell: Raw) -> Kind:
    """What a cell is for, by nbgrader's metadata and the tag "setup"."""
    marks = _mapping(_metadata(cell).get("nbgrader"))
    if marks.get("solution"):
        return "exercise"
    if marks.get("grade"):
        return "check"
    return "setup" if "setup" in tags(cell) else "other"


def grade_id_of(cell: Raw) -> str:
    """nbgrader's name for a cell; "" without."""
    return str(_mapping(_metadata(cell).get("nbgrader")).get("grade_id", ""))


def tags(cell: Raw) -> list[str]:
    """A cell's tags."""
    found = _metadata(cell).get("tags", [])
    return [str(tag) for tag in found] if isinstance(found, list) else []


def lab_name(notebook: Raw, path: Path) -> str:
    """The lab a notebook belongs to: its metadata `midspan.lab`, else the file's stem."""
    return str(_mapping(_metadata(notebook).get("midspan")).get("lab") or path.stem)


def leave_out_what_differs(notebook: Raw) -> None:
    """Take out, in place, what differs from run to run or from machine to machine: Python's version, and times."""
    notebook["metadata"].get("language_info", {}).pop("version", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)


def _metadata(thing: Raw) -> Mapping[str, Any]:
    return _mapping(thing.get("metadata"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
