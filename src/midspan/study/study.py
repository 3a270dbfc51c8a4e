"""`python -m midspan study`: JupyterLab on the course, and on the screen only what the learner needs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from midspan.checks import places
from midspan.refusal import need
from midspan.study.folders import can_be_written, jupyter_folders, own_folder
from midspan.study.jupyter import Jupyter
from midspan.study.trust import FOLDERS, trust


def study(start: str, options: Sequence[str]) -> None:
    """Start JupyterLab, say where it is, and return when Ctrl-C, SIGTERM or its own menu has ended it.

    Args:
        start: the file to open first, from the course's folder.
        options: JupyterLab's own, which go before ours.
    """
    course = places.course().resolve()
    need((course / start).is_file(), f"a file in {course} to open first", start, "Check the path")
    try:
        _interrupt_on_signals()
        with own_folder() as folder:
            prepare(course, folder)
            _run(Jupyter(course, folder, [*standard_options(start), *options]), start)
    except KeyboardInterrupt:
        pass  # how a learner ends it
    print("\n== JupyterLab has ended", flush=True)


def standard_options(start: str) -> list[str]:
    """The options that we give to JupyterLab."""
    options = [f"--LabApp.default_url=/lab/tree/{quote(start)}"]
    options += ["--LanguageServerManager.autodetect=False"]  # the course uses none, and a learner would miss them
    options += ["--KernelManager.shutdown_wait_time=2"]  # seconds; a kernel in an endless loop is killed then
    options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # else it refuses to start
    return options + ([] if _has_screen() else ["--no-browser"])


def _has_screen() -> bool:
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _interrupt_on_signals() -> None:
    """A closed terminal and `kill` end us as Ctrl-C does, also where a shell has started us with Ctrl-C ignored."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


def prepare(course: Path, folder: Path) -> None:
    """Give Jupyter folders that it can write, and trust the course's notebooks; say each in a line."""
    if moved := jupyter_folders(folder):
        os.environ.update(moved)
        print(f"== Jupyter's folders in HOME cannot be written; its files go to {folder / 'jupyter'}", flush=True)
    if not can_be_written(course):
        print(f"== {course} cannot be written: to keep your answers, work in a copy of your own", flush=True)
    signed, unreadable = trust(course)
    where = ", ".join(f"{name}/" for name in FOLDERS)
    print(f"== Trusted the course's {signed} notebooks, so that their pictures show ({where})", flush=True)
    for name in unreadable:
        print(f"   {name} is no notebook that can be read; git checkout {name} takes it back", flush=True)


def _run(jupyter: Jupyter, start: str) -> None:
    try:
        print("== Starting JupyterLab", flush=True)
        url = jupyter.with_token(f"{jupyter.start()}lab/tree/{quote(start)}")
        print(f"== JupyterLab is ready\n   Open  {url}", flush=True)
        print(f"   Read  {start} first; Shift+Enter runs a cell\n   Stop  Ctrl-C here", flush=True)
        print(f"   Log   {_short(jupyter.log)}", flush=True)
        jupyter.wait()
    finally:
        jupyter.stop()


def _short(path: Path) -> Path:
    """A path from the current folder, where it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
