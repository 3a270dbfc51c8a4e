"""Where the course lies: its folder, the notebooks of a lab, and the folder for what is remembered."""

from __future__ import annotations

import os
from pathlib import Path

MARKS = ("labs", "solutions")  # the two folders that make a folder the course's
PACKAGE = Path(__file__).resolve().parents[1]


def course(near: Path | None = None) -> Path:
    """`$MIDSPAN_COURSE`, else the nearest folder that holds labs/ and solutions/, else the current folder.

    Nearest: upwards from the current folder, then from `near` (a notebook's path), then from the package (a clone).
    """
    given = os.environ.get("MIDSPAN_COURSE")
    if given:
        return Path(given).expanduser()
    starts = [Path.cwd() / "here", *([near.resolve()] if near else []), PACKAGE]
    folders = [folder for start in starts for folder in start.parents]
    return next((f for f in folders if all((f / mark).is_dir() for mark in MARKS)), Path.cwd())


def home() -> Path:
    """The folder for progress: `$MIDSPAN_HOME`, else .midspan in the course's folder. Not made by asking."""
    given = os.environ.get("MIDSPAN_HOME")
    return Path(given).expanduser() if given else course() / ".midspan"


def solution(lab: str, near: Path | None = None) -> Path:
    """The solved notebook of a lab."""
    return course(near) / "solutions" / f"{lab}.ipynb"


def lab(lab: str, near: Path | None = None) -> Path:
    """The notebook of a lab that the learner edits."""
    return course(near) / "labs" / f"{lab}.ipynb"
