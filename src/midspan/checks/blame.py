"""Which lines of the learner's own code led to an error: theirs only, never one of ours or of a library."""

from __future__ import annotations

import linecache
import sysconfig
from pathlib import Path
from types import CodeType, TracebackType

MOST_LINES = 4  # of the way that led to the error; a recursion would fill the screen
PACKAGE = str(Path(__file__).resolve().parents[1])
LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})
CELL = "<cell "  # the file name of code that the judge, the bank and `earlier` compile from a cell


def where(error: BaseException, not_theirs: CodeType | None = None) -> tuple[str, ...]:
    """Lines such as `your code, parse(), line 3: return data[0]`, outermost first.

    Args:
        error: the exception that an answer raised.
        not_theirs: code of the step's body, which may stand outside the package in a test.
    """
    if isinstance(error, SyntaxError) and _is_theirs(error.filename or ""):
        return (f"your code, line {error.lineno}: {(error.text or '').strip()}",)
    ours = not_theirs.co_filename if not_theirs else ""
    lines = _lines(error.__traceback__, ours)
    different = [line for i, line in enumerate(lines) if line not in lines[:i]]
    return tuple(different if len(different) <= MOST_LINES else [*different[:2], *different[-2:]])


def _lines(step: TracebackType | None, ours: str) -> list[str]:
    found = []
    while step is not None:
        code, number = step.tb_frame.f_code, step.tb_lineno
        if _is_theirs(code.co_filename) and code.co_filename != ours:
            source = linecache.getline(code.co_filename, number).strip()
            place = "the cell" if code.co_name == "<module>" else f"{_name(code)}()"
            found.append(f"your code, {place}, line {number}: {source}")
        step = step.tb_next
    return found


def _name(code: CodeType) -> str:
    return code.co_qualname.replace("<locals>.", "")


def _is_theirs(file: str) -> bool:
    if file.startswith("<"):  # frozen modules, generated code; but not cells
        return file.startswith((CELL, "<ipython-input"))
    return not file.startswith((PACKAGE, *LIBRARIES))
