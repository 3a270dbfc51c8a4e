"""The course's notebooks: where they are on this machine, and what their cells contain."""

from __future__ import annotations
import __future__

import ast
import contextlib
import hashlib
import inspect
import json
import linecache
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Literal

from midspan.errors import Refusal, need
from midspan.grading.progress import course
from midspan.grading.transcript import error_in_words

# Read a notebook's JSON, with a sentence for each thing that can be wrong with it; tell what a cell is for.


Raw = dict[str, Any]
CellKind = Literal["setup", "exercise", "check", "other"]


def read(path: Path) -> Raw:
    """Read the notebook at `path` as plain JSON; refuse one that is not nbformat 4, or whose cells are not objects."""
    need(isinstance(path, Path), "the path of a notebook, a pathlib.Path", path, "Write Path('labs/x.ipynb')")
    again = "Save it again from JupyterLab, or take a fresh copy"
    try:
        notebook = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise Refusal("a notebook that exists", str(path), "Check the path") from None
    except OSError as error:
        raise Refusal("a notebook that can be read", f"{path}: {error.strerror}", "Check the path") from None
    except (ValueError, RecursionError):
        raise Refusal("a notebook, a file of JSON", path.name, again) from None
    if not isinstance(notebook, dict) or not _are_cells(notebook.get("cells")):
        raise Refusal("a notebook of format 4, with a list of cells", path.name, again)
    return notebook


def _are_cells(cells: object) -> bool:
    return isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells)


def code_cells(notebook: Raw) -> list[Raw]:
    """The code cells, in order."""
    return [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]


def source_of(cell: Raw) -> str:
    """A cell's source as one string (the format allows a list of lines)."""
    text = cell.get("source", "")
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def kind_of(cell: Raw) -> CellKind:
    """Tell what a cell is for, from nbgrader's metadata and the tag "setup"."""
    marks = _mapping(_metadata(cell).get("nbgrader"))
    if marks.get("solution"):
        return "exercise"
    if marks.get("grade"):
        return "check"
    return "setup" if "setup" in tags(cell) else "other"


def grade_id_of(cell: Raw) -> str:
    """Return nbgrader's name of a cell; "" if it has none."""
    return str(_mapping(_metadata(cell).get("nbgrader")).get("grade_id", ""))


def tags(cell: Raw) -> list[str]:
    """Return a cell's tags."""
    found = _metadata(cell).get("tags", [])
    return [str(tag) for tag in found] if isinstance(found, list) else []


def lab_name(notebook: Raw, path: Path) -> str:
    """Return the lab to which a notebook belongs: its metadata `midspan.lab`, else the file's stem."""
    return str(_mapping(_metadata(notebook).get("midspan")).get("lab") or path.stem)


def name_cells(notebook: Raw) -> None:
    """Give a new id, in place, to each cell that has none, or that has the id of another cell; all other ids stay."""
    seen: set[str] = set()
    for place, cell in enumerate(notebook["cells"]):
        if cell.get("id", "") in seen | {""}:
            cell["id"] = hashlib.sha256(f"{place} {source_of(cell)}".encode()).hexdigest()[:12]
        seen.add(cell["id"])
    notebook["nbformat_minor"] = max(5, notebook.get("nbformat_minor", 5))  # the first version with cell ids


def leave_out_what_differs(notebook: Raw) -> None:
    """Remove, in place, what differs between runs and between machines: Python's version, and times."""
    notebook["metadata"].get("language_info", {}).pop("version", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)


def _metadata(thing: Raw) -> Mapping[str, Any]:
    return _mapping(thing.get("metadata"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# The parts of a lab's notebook: for each step the setup cells, and the cells that contain the answer.
#
# The reference (the solved notebook) defines which cells there are. We find a learner's cell there by its grade id, its
# cell id or its source, since other tools may remove one or the other. The learner added each cell that the reference
# does not have; such a cell belongs to the step of the next exercise or check. Checks, and cells that only show
# something, are never part of an answer.


EXPRESS = "express"  # the tag of the cells that the express notebook holds too
CHECK = "check_"  # the grade id of a check cell is this and the step's name


@dataclass(frozen=True, slots=True)
class Cell:
    """Source to run. The learner wrote an `added` cell in addition: if it fails, the answer can still be right."""

    name: str
    source: str
    added: bool = False

    @property
    def unsolved(self) -> bool:
        """Whether it still contains nbgrader's stub."""
        return not self.added and "raise NotImplementedError" in self.source


@dataclass(frozen=True, slots=True)
class Part:
    """The cells of one step: those that prepare, and those that contain the answer.

    A `deeper` step (the tag "deeper" of its exercise) may be left out: the lab's first draft stands in.
    """

    step: str
    setup: tuple[Cell, ...]
    answer: tuple[Cell, ...]
    borrowed: bool = False  # the answer is the reference's, since the learner's notebook borrows the step
    deeper: bool = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, in the order in which they run."""
        return (*self.setup, *self.answer)

    @property
    def to_do(self) -> bool:
        """Whether its answer is missing or still a stub."""
        return not self.answer or any(cell.unsolved for cell in self.answer)

    def answered_by(self, other: Part) -> Part:
        """Return this part's setup with the answer of the `other` part."""
        return replace(self, answer=other.answer)


def reference(solved: Raw) -> dict[str, Part]:
    """Return step -> part of a solved notebook, in order. A cell belongs to the next check after it."""
    return {
        step: Part(step, tuple(_of("setup", cells)), tuple(_of("exercise", cells)), deeper=_is_deeper(cells))
        for step, cells in _cells_by_step(solved)
        if step
    }


def read_reference(path: Path, lab: str) -> tuple[Raw, dict[str, Part]]:
    """Read the solved notebook and its parts; refuse a notebook without a check cell."""
    solved = read(path)
    parts = reference(solved)
    need(bool(parts), f"the solved notebook of {lab}, with check cells", path.name, "Take solutions/ from the course")
    return solved, parts


def own(theirs: Raw, solved: Raw) -> dict[str, Part]:
    """Return step -> part of a learner's notebook. The setup is the reference's.

    A setup cell that the learner edited runs before the reference's setup. So an added import works, and a changed
    definition has no effect. The answer to a step that the notebook borrows is the reference's.
    """
    known, parts, lent = _Known(solved), reference(solved), _borrowed(theirs)
    setup: dict[str, list[Cell]] = {step: [] for step in parts}
    answer: dict[str, list[Cell]] = {step: [] for step in parts}
    step = ""
    for place, cell in reversed(list(enumerate(code_cells(theirs), start=1))):
        kind, step, name = known.entry(cell, after=step)
        if step and kind == "exercise":
            answer[step].insert(0, Cell(name, source_of(cell)))
        elif step and kind in ("added", "setup"):
            where = answer if kind == "added" else setup
            where[step].insert(0, Cell(f"added {place}", source_of(cell), added=True))
    return {
        s: Part(s, (*setup[s], *part.setup), part.answer if s in lent else tuple(answer[s]), s in lent, part.deeper)
        for s, part in parts.items()
    }


def _borrowed(notebook: Raw) -> frozenset[str]:
    """Return the steps that a notebook names in calls of `borrow`."""
    found: set[str] = set()
    for cell in code_cells(notebook):
        with contextlib.suppress(SyntaxError, ValueError):
            for node in ast.walk(ast.parse(without_magics(source_of(cell)))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "borrow":
                    found |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(found)


class _Known:
    """The cells of the reference, to classify the cells of a learner's file."""

    def __init__(self, solved: Raw) -> None:
        self._entries: dict[str, tuple[str, str, str]] = {}  # key of a cell -> kind, step, name
        self._sources: set[str] = set()  # of the cells that a learner need not edit
        for step, cells in _cells_by_step(solved):
            for cell in cells:
                kind = kind_of(cell)
                self._entries |= dict.fromkeys(_keys(cell), (kind, step, grade_id_of(cell)))
                self._sources |= {source_of(cell).strip()} if kind != "exercise" else set()

    def entry(self, cell: Raw, after: str) -> tuple[str, str, str]:
        """Return kind, step and name of a cell; `after` is the step of the next exercise or check in the file.

        The kind is "exercise", "check", "setup" (edited), "added", or "other" for a cell that is not run from the file.
        """
        kind, step, name = next((self._entries[k] for k in _keys(cell) if k in self._entries), ("", "", ""))
        if kind in ("exercise", "check"):
            return kind, step, name
        if source_of(cell).strip() in self._sources or kind == "other" or kind_of(cell) == "check":
            return "other", after, ""
        if not kind and EXPRESS in tags(cell):  # a chapter's cell in the express notebook: no answer needs it
            return "other", after, ""
        return ("setup" if "setup" in (kind, kind_of(cell)) else "added"), after, ""


def _cells_by_step(solved: Raw) -> Iterator[tuple[str, list[Raw]]]:
    """Yield (step, its code cells with the check) for each step, then ("", the cells after the last check)."""
    cells: list[Raw] = []
    for cell in code_cells(solved):
        cells.append(cell)
        if kind_of(cell) == "check":
            yield grade_id_of(cell).removeprefix(CHECK), cells
            cells = []
    yield "", cells


def _keys(cell: Raw) -> list[str]:
    grade_id, id = grade_id_of(cell), cell.get("id")
    return ([f"grade id {grade_id}"] if grade_id else []) + ([f"id {id}"] if id else [])


def _is_deeper(cells: Iterable[Raw]) -> bool:
    return any(kind_of(cell) == "exercise" and "deeper" in tags(cell) for cell in cells)


def _of(kind: CellKind, cells: Iterable[Raw]) -> Iterator[Cell]:
    for place, cell in enumerate(cells, start=1):
        if kind_of(cell) == kind:
            yield Cell(grade_id_of(cell) or f"{kind} {place}", source_of(cell))


# The lines of the learner's code that led to an error, without the lines of this package and of libraries.


MOST_LINES = 4  # of a traceback; a recursion would fill the screen
PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})
CELL = "<cell "  # the file name of code that the judge, the bank and `earlier` compile from a cell


def where(error: BaseException, not_theirs: CodeType | None = None) -> tuple[str, ...]:
    """Return lines such as `your code, parse(), line 3: return data[0]`, outermost first.

    Args:
        error: the exception that an answer raised.
        not_theirs: the code of the step's body; in a test it may be outside the package.
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
    if file.startswith("<"):  # frozen modules and generated code, but not cells
        return file.startswith((CELL, "<ipython-input"))
    return not file.startswith((str(PACKAGE), *LIBRARIES))


# Run cells outside a notebook: in one namespace, and with `await` at the top level, as a kernel does.


FUTURE = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)  # IPython's own syntax, at the start of a line


class Answers(ModuleType):
    """The namespace in which cells run. It is a module, since dataclasses and pickle look a module up by its name."""

    def __init__(self, name: str = "answers") -> None:
        super().__init__(name)
        self.remarks: list[str] = []  # about added cells that failed
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        sys.modules[name] = self

    async def run(self, cells: Iterable[Cell]) -> None:
        """Run the cells in order. An error of an added cell becomes a remark; any other error is raised."""
        for cell in cells:
            try:
                await self._run(cell)
            except Exception as error:
                if not cell.added:
                    raise
                self.remarks.append(f"A cell that was added raises {error_in_words(error)}; we went on without it.")

    async def _run(self, cell: Cell) -> None:
        code = self._compiled(cell)
        result = eval(code, vars(self))  # a coroutine if the cell awaits
        if inspect.iscoroutine(result) and code.co_flags & inspect.CO_COROUTINE:
            await result

    def _compiled(self, cell: Cell) -> CodeType:
        code = compiled(cell, self._flags)
        self._flags |= sum(flag for flag in FUTURE.values() if code.co_flags & flag)  # they stay set, as in a kernel
        return code


def compiled(cell: Cell, flags: int = 0) -> CodeType:
    """Compile a cell, with the flags of `compile`; tracebacks and `inspect` then find its lines."""
    file = f"{CELL}{cell.name}>"
    source = without_magics(cell.source)
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    code: CodeType = compile(source, file, "exec", flags=flags, dont_inherit=True)
    return code


def defined_names(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines: a function, a class, or assigned names."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    for target in getattr(node, "targets", ()):
        yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


def without_magics(source: str) -> str:
    """Replace IPython's magics by `pass` if the source is not valid Python; line numbers stay."""
    if source.lstrip().startswith("%%"):
        return ""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return MAGIC.sub(r"\1pass", source)
    return source


def solution(lab: str, near: Path | None = None) -> Path:
    """Return the path of the solved notebook of a lab."""
    return course(near) / "solutions" / f"{lab}.ipynb"


def lab(lab: str, near: Path | None = None) -> Path:
    """Return the path of the notebook that the learner edits."""
    return course(near) / "labs" / f"{lab}.ipynb"
