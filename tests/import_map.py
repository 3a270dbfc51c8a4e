"""Which tests a changed file reaches, and in how many steps: a map of the imports, read from the sources.

A step leads from a file to one that imports it. The map knows imports inside functions, modules that are named in a
string (`import_module("midspan.study")`), and programs for a kernel that stand in a string. A name that a package's
`__init__` imports to offer it leads to the module that defines it, and not to the other modules of the package.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from midspan.labs.first_draft import FILES

PROGRAM = re.compile(r"\bfrom (midspan[\w.]*) import ([\w, ]+)|\bimport (midspan[\w.]*)")
KINDS = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Constant, ast.JoinedStr)  # nodes that may name a module
CONFTESTS = ("conftest.py", "tests/conftest.py")
NAME_ONLY = {"tests/shares.py", "tests/test_check.py"}  # their strings name files and programs, and use none

Offered = dict[str, tuple[str, str]]  # name in a package -> module that it comes from, and its name there


def is_test(path: str) -> bool:
    """Whether pytest runs this file: a file of tests, or a notebook that nbval runs."""
    file = PurePosixPath(path)
    if file.suffix == ".ipynb":
        return file.parts[0] in ("notebooks", "solutions")
    return file.parts[0] == "tests" and file.name.startswith("test_") and file.suffix == ".py"


def module_name(path: str) -> str:
    """ "src/midspan/net/taps.py" -> "midspan.net.taps"."""
    parts = PurePosixPath(path.removeprefix("src/")).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True)
class Source:
    """One file as text, and as Python reads it."""

    path: str
    text: str
    tree: ast.Module

    @property
    def offers(self) -> Offered:
        """What an `__init__` imports only to offer it: `X as X`, in `__all__`, or in `HOMES` for its first use."""
        if not self.path.endswith("__init__.py"):
            return {}
        listed = set(_listed(self.tree))
        late = {name: (f"{module_name(self.path)}.{home}", name) for name, home in _homes(self.tree)}
        return late | {
            alias.asname or alias.name: (node.module or "", alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.asname == alias.name or (alias.asname or alias.name) in listed
        }


def _listed(tree: ast.Module) -> Iterator[str]:
    """The strings of `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            yield from (str(it.value) for it in ast.walk(node.value) if isinstance(it, ast.Constant))


def _homes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and module of what a package imports when it is first used (`errors.imported_when_used`)."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOMES":
            yield from ast.literal_eval(node.value).items() if isinstance(node.value, ast.Dict) else ()


def _read(root: Path, path: str) -> Source:
    """A file that is gone, or that Python cannot read, imports nothing."""
    text = (root / path).read_text("utf-8") if (root / path).is_file() else ""
    sources = _cells(text) if path.endswith(".ipynb") else [text]
    return Source(path, text, ast.Module([node for it in sources for node in _parsed(it)], []))


def _cells(text: str) -> list[str]:
    try:
        cells = json.loads(text)["cells"] if text else []
    except (ValueError, KeyError):
        return []
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _parsed(source: str) -> list[ast.stmt]:
    try:
        tree = compile(source, "<source>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return []
    return tree.body if isinstance(tree, ast.Module) else []


class ImportMap:
    """The imports of src/midspan, tests, the root's conftest and the notebooks.

    Args:
        root: of the repository.
        gone: files that were deleted; those that still import them are known all the same.
    """

    def __init__(self, root: Path, gone: Iterable[str] = ()) -> None:
        self.root = root
        paths = sorted({*_found(root), *(path for path in gone if path.endswith((".py", ".ipynb")))})
        self.sources = {path: _read(root, path) for path in paths}
        self.modules = {module_name(path): path for path in paths if path.endswith(".py")}
        self.offers = {module_name(path): source.offers for path, source in self.sources.items() if source.offers}
        self.uses = {path: _Uses(self, source).all() - {path} for path, source in self.sources.items()}
        self.importers: defaultdict[str, set[str]] = defaultdict(set)
        for path, used in self.uses.items():
            for it in used:
                self.importers[it].add(path)

    def home(self, module: str, name: str) -> set[str]:
        """The files that `from module import name` needs."""
        if f"{module}.{name}" in self.modules:
            return {self.modules[f"{module}.{name}"]}
        own = {self.modules[module]} if module in self.modules else set()
        offered = self.offers.get(module, {}).get(name)
        return own | (self.home(*offered) if offered and offered != (module, name) else set())

    def dotted(self, words: str) -> set[str]:
        """The files that an expression such as `midspan.simulation.play` needs."""
        module = words
        while module and module not in self.modules:
            module = module.rpartition(".")[0]
        rest = words.removeprefix(module).strip(".").partition(".")[0]
        return self.home(module, rest) if rest else {self.modules[module]} if module else set()

    def readers(self, path: str) -> set[str]:
        """The files that name a file which is no module: tests, and for data in src/ the package too."""
        file, inside = PurePosixPath(path), ("src/", "tests/") if path.startswith("src/") else ("tests/",)
        words = [file.name] if file.suffix != ".ipynb" else [file.name, f'"{file.stem}"']
        found = self._naming(words, inside)
        return found if found or not path.startswith("src/") else self._naming([f'"{file.parent.name}"'], inside)

    def _naming(self, words: list[str], inside: tuple[str, ...]) -> set[str]:
        texts = {path: it.text for path, it in self.sources.items() if path.startswith(inside)}
        return {path for path, text in texts.items() if path not in NAME_ONLY and any(it in text for it in words)}

    def steps(self, path: str) -> dict[str, int]:
        """Each file that a changed file reaches, and in how many steps."""
        known = dict.fromkeys(self._beside(path), 1) | {path: 0}
        at, edge = 1, {path}
        while edge:
            near = {user for it in edge for user in self.importers[it]} - set(known)
            known |= dict.fromkeys(near, at)
            edge, at = {it for it, steps in known.items() if steps == at}, at + 1
        return known

    def _beside(self, path: str) -> set[str]:
        """What one step leads to without an import: to all of a package from its `__init__`; to what reads a file."""
        if not path.endswith(".py"):
            return self.readers(path)
        is_package = path.startswith("src/") and path.endswith("/__init__.py")
        return {it for it in self.sources if is_package and it.startswith(path.removesuffix("__init__.py"))}


def _found(root: Path) -> Iterator[str]:
    for pattern in ("src/midspan/**/*.py", "tests/**/*.py", "conftest.py", "notebooks/*.ipynb", "solutions/*.ipynb"):
        yield from (path.relative_to(root).as_posix() for path in root.glob(pattern))


def _is_given(conftest: str, path: str) -> bool:
    """Whether a file gets the fixtures of this conftest: one in its folder, or in a folder above."""
    return PurePosixPath(conftest).parent in PurePosixPath(path).parents


def _names(node: ast.expr) -> list[str]:
    """The names of `a.b.c`; "" stands first where it begins with anything but a name."""
    if isinstance(node, ast.Attribute):
        return [*_names(node.value), node.attr]
    return [node.id if isinstance(node, ast.Name) else ""]


class _Uses:
    """The files that one source uses."""

    def __init__(self, known: ImportMap, source: Source) -> None:
        self.known, self.source, self.offers = known, source, source.offers
        self.nodes = [node for node in ast.walk(source.tree) if isinstance(node, KINDS)]
        self.bound: dict[str, str] = {}  # name in the source -> module that it stands for

    def all(self) -> set[str]:
        found = {path for node in self.nodes for path in self._imported(node)}
        found |= {path for node in self.nodes for path in self._named(node)}
        found |= set(self._run_as_text())
        given = CONFTESTS if is_test(self.source.path) else ()
        return found | {it for it in given if it in self.known.sources and _is_given(it, self.source.path)}

    def _run_as_text(self) -> Iterator[str]:
        """The first draft of a lab, which its `__init__` reads (`midspan.labs.first_draft`)."""
        if "FirstDraft(" in self.source.text and self.source.path.endswith("__init__.py"):
            beside = (self.source.path.replace("__init__", name) for name in FILES)
            yield from (path for path in beside if path in self.known.sources)

    def _imported(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                short = alias.name.partition(".")[0]
                self.bound[alias.asname or short] = alias.name if alias.asname else short
                yield from self.known.dotted(alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name
                self.bound[name] = f"{node.module}.{alias.name}"
                if name not in self.offers:
                    yield from self.known.home(node.module or "", alias.name)

    def _named(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Attribute):
            first, *rest = _names(node)
            if self.bound.get(first, "") in self.known.modules:
                yield from self.known.dotted(".".join([self.bound[first], *rest]))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and self.source.path not in NAME_ONLY:
            yield from self._in_a_string(node.value)
        elif isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            yield from self._below(str(node.values[0].value))

    def _in_a_string(self, text: str) -> Iterator[str]:
        offered = {module for module, _ in self.offers.values()}
        if text in self.known.modules and "." in text and text not in offered:
            yield self.known.modules[text]
        for module, names, whole in PROGRAM.findall(text):
            yield from self.known.dotted(whole.strip("."))
            for name in filter(None, map(str.strip, names.split(","))):
                yield from self.known.home(module, name)

    def _below(self, start: str) -> Iterator[str]:
        """Of `f"midspan.labs.{name}"`, each that it may mean."""
        if start.startswith("midspan.") and start.endswith("."):
            yield from (path for it, path in self.known.modules.items() if it.rpartition(".")[0] == start[:-1])
