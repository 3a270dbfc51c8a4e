"""The first draft of a lab: the parts that the learner writes again, and the code around them that stays.

A lab's `drafts.py` and `ends.py` are not imported. `FirstDraft.define` runs them in the notebook's namespace, as if
their text stood in a cell there. So the parts find each other by name, and a part that a later cell defines is in use
at once: in a kernel, in the judge, in a node's own process. `FirstDraft.show` prints a draft at the step that replaces
it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from midspan.errors import Words, need
from midspan.grading.notebooks import defined_names

FILES = ("drafts", "ends")  # the parts, then the code that uses them


class FirstDraft:
    """The text of a lab's `drafts.py` and `ends.py`.

    Args:
        folder: the lab's. The last name that its files define is `ours`, an implementation.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / f"{name}.py" for name in FILES]

    def define(self, names: dict[str, Any]) -> Any:
        """Define all names of the first draft in a namespace, and return its `ours`.

        Args:
            names: the namespace of the notebook: `globals()`.

        Raises:
            Refusal: that is no namespace.
        """
        is_namespace = isinstance(names, dict) and "__builtins__" in names
        given = Words(type(names).__name__)
        need(is_namespace, "the namespace of this notebook", given, "Write first_draft(globals())")
        about = names.get("__doc__")
        for path in self._paths:
            exec(compile(path.read_text("utf-8"), str(path), "exec", dont_inherit=True), names)
        names["__doc__"] = about
        return names["ours"]

    def show(self, *names: str) -> None:
        """Print the source of these functions, classes and constants of the first draft.

        Raises:
            Refusal: no name was given, or the first draft does not define one of them.
        """
        known = ", ".join(self.sources)
        need(bool(names), "the name of a draft", Words("none"), f"Name one of {known}")
        for name in names:
            need(name in self.sources, f"one of {known}", name, "Name one of them")
        print(*dict.fromkeys(self.sources[name] for name in names), sep="\n\n")

    @cached_property
    def sources(self) -> dict[str, str]:
        """Name -> the lines that define it, in the order of the files."""
        return {name: lines for path in self._paths for name, lines in _sources(path.read_text("utf-8"))}


def _sources(text: str) -> Iterator[tuple[str, str]]:
    lines = text.splitlines()
    for node in ast.parse(text).body:
        for name in defined_names(node):
            yield name, "\n".join(lines[node.lineno - 1 : node.end_lineno])
