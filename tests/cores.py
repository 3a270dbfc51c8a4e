"""Writes the core of each notebook into a folder, so that nbval runs it too: `python -m tests.cores .cores`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from midspan.grading.lab_source import text
from midspan.grading.sections import core, deeper
from tests.course import found


def write_cores(folder: Path) -> list[Path]:
    """Write each notebook that has deeper sections without them, with its stored outputs; remove what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written = []
    for notebook in found("notebooks", "solutions"):
        if deeper(notebook.raw):
            written.append(folder / notebook.path.name)
            written[-1].write_text(text(core(notebook.raw)), "utf-8")
    return written


if __name__ == "__main__":
    write_cores(Path(sys.argv[1]))
