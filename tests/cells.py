"""What a learner's cell defines, with its source where a traceback looks for it; and a shell for what cells show."""

from __future__ import annotations

import linecache
from types import SimpleNamespace
from typing import Any

from IPython.core.formatters import DisplayFormatter


def defined(source: str, name: str) -> Any:
    """The `name` that a cell with this source defines."""
    file = f"<cell {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    return names[name]


def shell() -> Any:
    """What our pictures need of an IPython shell."""
    return SimpleNamespace(display_formatter=DisplayFormatter(), set_custom_exc=lambda *_: None)
