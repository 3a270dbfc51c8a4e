"""Run cells outside a notebook: in one namespace, with `await` at their top level, as a kernel does."""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Iterable
from types import CodeType, ModuleType

from midspan.checks.blame import CELL
from midspan.checks.sheet import Cell
from midspan.checks.values import error_in_words

FUTURE = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)  # IPython's own syntax, at the start of a line


class Answers(ModuleType):
    """The namespace in which cells run, a module since dataclasses and pickles look theirs up by name."""

    def __init__(self, name: str = "answers") -> None:
        super().__init__(name)
        self.remarks: list[str] = []  # on added cells that failed
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        sys.modules[name] = self

    async def run(self, cells: Iterable[Cell]) -> None:
        """Run the cells in order; an error of an added one is a remark, any other is raised."""
        for cell in cells:
            try:
                await self._run(cell)
            except Exception as error:
                if not cell.added:
                    raise
                self.remarks.append(f"A cell that was added raises {error_in_words(error)}; we went on without it.")

    async def _run(self, cell: Cell) -> None:
        code = self._compiled(cell)
        result = eval(code, vars(self))  # a coroutine where the cell awaits
        if inspect.iscoroutine(result) and code.co_flags & inspect.CO_COROUTINE:
            await result

    def _compiled(self, cell: Cell) -> CodeType:
        file = f"{CELL}{cell.name}>"
        source = without_magics(cell.source)
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        code: CodeType = compile(source, file, "exec", flags=self._flags, dont_inherit=True)
        self._flags |= sum(flag for flag in FUTURE.values() if code.co_flags & flag)  # as in a kernel, they stay
        return code


def without_magics(source: str) -> str:
    """The source with IPython's magics turned into `pass`, where it is no Python as it stands; line numbers stay."""
    if source.lstrip().startswith("%%"):
        return ""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return MAGIC.sub(r"\1pass", source)
    return source
