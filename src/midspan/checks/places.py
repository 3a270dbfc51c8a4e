"""Where the course lies: its folder, the notebooks of a lab, and the folder for what is remembered."""

from __future__ import annotations

import os
from pathlib import Path

MARKS = ("labs", "solutions")  # the two folders that make a folder the course's


def course() -> Path:
    """`$MIDSPAN_COURSE`, else the nearest folder from here upwards that holds labs/ and solutions/, else here."""
    given = os.environ.get("MIDSPAN_COURSE")
    if given:
        return Path(given).expanduser()
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if all((p / m).is_dir() for m in MARKS)), here)


def home() -> Path:
    """The folder for progress: `$MIDSPAN_HOME`, else .midspan in the course's folder. Not made by asking."""
    given = os.environ.get("MIDSPAN_HOME")
    return Path(given).expanduser() if given else course() / ".midspan"


def solution(lab: str) -> Path:
    """The solved notebook of a lab."""
    return course() / "solutions" / f"{lab}.ipynb"


def lab(lab: str) -> Path:
    """The notebook of a lab that the learner edits."""
    return course() / "labs" / f"{lab}.ipynb"
