"""The cell that ran last, when Python could not even read it: then nothing of it ran, and a check judges what stood
before. IPython tells; anywhere else there is nothing to tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from midspan.shell import running_shell

STALE = "The cell before this one could not be read (SyntaxError), so it did not run: judged is what stood before."
_unread = ""  # its source; "" when Python read the cell that ran last


def watch() -> None:
    """Have IPython tell of each cell that has run, once."""
    shell = running_shell()
    if shell is not None and _ran not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _ran)


def holds(names: Iterable[str]) -> bool:
    """Whether the cell that ran last could not be read and speaks of one of these names."""
    return any(re.search(rf"\b{re.escape(name)}\b", _unread) for name in names)


def _ran(result: Any) -> None:
    global _unread
    source = str(getattr(getattr(result, "info", None), "raw_cell", ""))
    _unread = source if isinstance(getattr(result, "error_before_exec", None), SyntaxError) else ""
    try:
        ast.parse(_unread)
    except (SyntaxError, ValueError):
        return
    _unread = ""  # it can be read, and was refused later: its first lines may have run
