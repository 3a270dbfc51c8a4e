"""Folders that can be written: one of ours for the log, and for Jupyter's own files where HOME is read-only."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from midspan.checks import places
from midspan.refusal import Refusal


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """`.midspan/` of the course, or where it cannot be written a temporary folder.

    The temporary folder is removed, except after a refusal, which names the log in it.
    """
    if can_be_written(places.home()):
        yield places.home()
        return
    folder = Path(tempfile.mkdtemp(prefix="midspan-"))
    keep = False
    try:
        yield folder
    except Refusal:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def jupyter_folders(own: Path) -> Mapping[str, str]:
    """Folders in `own`, made now, for those of Jupyter's that cannot be written; by environment variable."""
    from jupyter_core import paths

    now = {
        "JUPYTER_CONFIG_DIR": paths.jupyter_config_dir(),
        "JUPYTER_DATA_DIR": paths.jupyter_data_dir(),
        "JUPYTER_RUNTIME_DIR": paths.jupyter_runtime_dir(),
        "IPYTHONDIR": os.environ.get("IPYTHONDIR", "~/.ipython"),
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", "~/.config/matplotlib"),  # else each kernel warns
    }
    closed = [name for name, folder in now.items() if not can_be_written(Path(folder).expanduser())]
    moved = {name: own / "jupyter" / name.lower() for name in closed}
    for folder in moved.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {name: str(folder) for name, folder in moved.items()}


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder. One that is missing is made, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
