"""The rules of the notebooks that a machine can check: each takes a notebook and says what breaks it, cell by cell.

They follow the course's style: short cells, a prediction's distance between thinking and looking, nothing that a
learner could not run offline, and nothing left running.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator

from midspan.grading.express import NAME as EXPRESS
from midspan.grading.sections import deeper, fold
from tests.course import ROOT, Cell, Notebook

LINES, DEFINITION_LINES = 6, 20  # a code cell, and one that defines something; longer belongs in the package
CORE_CELLS, CELLS = range(25, 41), range(25, 101)  # one sitting; with what is deeper
FIRST_LINES = 8  # of prose, before something happens

Complaints = Iterator[str]
Rule = Callable[[Notebook], Complaints]

FORBIDDEN = {
    r"\bsys\.path\b": "sys.path: the course is installed",
    r"^\s*[!%]": "a shell or magic line: the cell must be Python",
    r"\btime\.sleep\b": "time.sleep blocks the kernel's loop: wait for the event",
    r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|ssl\s*=\s*False": "TLS is always verified",
    r"\bport\s*=\s*[1-9]": "a fixed port: two learners on one machine collide",
    r"(?:localhost|127\.0\.0\.1):\d": "a fixed port: two learners on one machine collide",
    r"\b0\.0\.0\.0\b": "only loopback is listened on",
    r"-----BEGIN": "a key or certificate: those are made at start and thrown away",
    r"(?i)[\"'](?:/(?:home|users|root|tmp|work|usr|etc|var)/|[a-z]:\\\\)": "an absolute path",
    r"\bwebsockets\.sync\b": "websockets.sync: two threads on one TLS socket, which ssl of CPython 3.11 cannot",
    r"\burlopen\b|\burlretrieve\b|\brequests\.": "a download: the course runs offline",
}
HOST = re.compile(r"\b(?:https?|wss?)://([\w.-]+)")
OURS = re.compile(r"localhost|127\.0\.0\.1|example\.(?:com|org|net)|.*\.example|.*\.invalid|.*\.test")  # RFC 2606


def code_cells_are_short(notebook: Notebook) -> Complaints:
    for number, cell in enumerate(notebook.code):
        if cell.is_exercise:
            continue  # a step's reference is as long as its goal says
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        limit = DEFINITION_LINES if _defines(cell) else LINES
        if not 1 <= lines <= limit:
            yield f"code cell {number}: {lines} lines, at most {limit}"


def _defines(cell: Cell) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in cell.tree.body)


def nothing_forbidden(notebook: Notebook) -> Complaints:
    for number, cell in enumerate(notebook.code):
        for pattern, why in FORBIDDEN.items():
            if found := re.search(pattern, cell.source, re.MULTILINE):
                yield f"code cell {number}: {found[0]!r}: {why}"
        for host in HOST.findall(cell.source):
            if not OURS.fullmatch(host):
                yield f"code cell {number}: {host} is no loopback address"


def imports_name_midspan_or_a_folder(notebook: Notebook) -> Complaints:
    """A module inside a folder may move; the folder's names stay."""
    for number, cell in enumerate(notebook.code):
        modules = [node.module or "" for node in ast.walk(cell.tree) if isinstance(node, ast.ImportFrom)]
        for module in modules:
            if module.startswith("midspan.") and not ROOT.joinpath("src", *module.split(".")).is_dir():
                yield f"code cell {number}: imports from {module}, which is no folder"


def loops_end_and_tasks_have_owners(notebook: Notebook) -> Complaints:
    for number, cell in enumerate(notebook.code):
        groups = _task_groups(cell)
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.While) and _is_true(node.test) and not _leaves(node):
                yield f"code cell {number}: a loop without an end"
            if not isinstance(node, ast.Expr) or _called_on(node.value) in groups:
                continue
            if _called(node.value) in {"create_task", "ensure_future"}:
                yield f"code cell {number}: a task that nobody owns"


def _task_groups(cell: Cell) -> set[str]:
    """The names of task groups (`async with asyncio.TaskGroup() as tasks`), which own what they start."""
    items = [item for node in ast.walk(cell.tree) if isinstance(node, ast.AsyncWith) for item in node.items]
    groups = [item.optional_vars for item in items if _called(item.context_expr) == "TaskGroup"]
    return {name.id for name in groups if isinstance(name, ast.Name)}


def _called_on(node: ast.expr) -> str:
    on = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    return on.id if isinstance(on, ast.Name) else ""


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def _leaves(loop: ast.While) -> bool:
    """Whether it can end: by its own words, or because what it awaits can raise (a connection that closes)."""
    ways = (ast.Break, ast.Return, ast.Raise, ast.Await, ast.Yield)
    return any(isinstance(node, ways) for node in ast.walk(loop))


def _called(node: ast.expr) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def no_code_in_comments(notebook: Notebook) -> Complaints:
    for number, cell in enumerate(notebook.code):
        for comment in re.findall(r"^\s*#+ ?([^#\n].*)$", cell.source, re.MULTILINE):
            if _is_code(comment):
                yield f"code cell {number}: commented-out code: {comment!r}"


def _is_code(text: str) -> bool:
    try:
        (node,) = ast.parse(text.strip()).body
    except (SyntaxError, ValueError):
        return False
    statements = (ast.Assign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.FunctionDef)
    return isinstance(node, statements) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await))


def what_is_opened_is_closed(notebook: Notebook) -> Complaints:
    if notebook.code and any("Bench(" in cell.source for cell in notebook.code) and not _closes(notebook.code[-1]):
        yield "the last code cell does not close the bench"


def _closes(cell: Cell) -> bool:
    return any(_called(node) == "close" for node in ast.walk(cell.tree) if isinstance(node, ast.expr))


def it_says_what_it_is(notebook: Notebook) -> Complaints:
    about = notebook.about
    if not isinstance(about.get("minutes"), int) or not about["minutes"] > 0:
        yield f"metadata: minutes is {about.get('minutes')!r}"
    if not about.get("objectives") or not all(isinstance(line, str) for line in about["objectives"]):
        yield f"metadata: objectives are {about.get('objectives')!r}"
    if not isinstance(about.get("needs"), list):
        yield f"metadata: needs are {about.get('needs')!r}"
    if notebook.folder != "notebooks" and about.get("lab") != notebook.path.stem != EXPRESS:
        yield f"metadata: lab is {about.get('lab')!r}"
    if notebook.raw["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "metadata: the kernel is not python3"


def it_opens_with_its_question(notebook: Notebook) -> Complaints:
    first = notebook.cells[0]
    if first.is_code or not first.source.startswith("# ") or "?" not in first.source:
        yield "the first cell holds no title with a question"


def chapters_have_one_size(notebook: Notebook) -> Complaints:
    if notebook.folder != "notebooks":
        return
    core = len(notebook.cells) - len(deeper(notebook.raw))
    for what, count, expected in (("core", core, CORE_CELLS), ("all", len(notebook.cells), CELLS)):
        if count not in expected:
            yield f"{what}: {count} cells, expected {expected.start} to {expected.stop - 1}"


def something_happens_on_the_first_screen(notebook: Notebook) -> Complaints:
    """A few lines of prose, then a cell that shows something."""
    if notebook.folder != "notebooks":
        return
    before = notebook.cells[: notebook.cells.index(notebook.code[0])]
    if (lines := sum(len(cell.source.splitlines()) for cell in before)) > FIRST_LINES:
        yield f"{lines} lines of prose before the first code cell, at most {FIRST_LINES}"
    if not any(cell.outputs for cell in notebook.code[:2]):
        yield "the first two code cells show nothing"


def what_is_deeper_comes_last(notebook: Notebook) -> Complaints:
    """After the core's own sections; only the last section, which closes the bench, stands below."""
    below = deeper(notebook.raw)
    rest = range(min(below, default=len(notebook.cells)), len(notebook.cells))
    after = [place for place in rest if place not in below and notebook.cells[place].source.startswith("## ")]
    if notebook.folder == "notebooks" and len(after) != bool(below):
        yield f"sections after the first deeper one, at cells {after}: only the one that closes the bench belongs there"


def answers_are_hidden(notebook: Notebook) -> Complaints:
    """`make store` folds deeper sections, and hides the outputs between a question and its score."""
    folded = copy.deepcopy(notebook.raw)
    fold(folded)
    for number, (cell, expected) in enumerate(zip(notebook.cells, folded["cells"], strict=True)):
        if cell.raw["metadata"] != expected["metadata"]:
            yield f"cell {number}: not folded or hidden as `make store` does it"


def prose_belittles_nobody(notebook: Notebook) -> Complaints:
    for number, cell in enumerate(notebook.cells):
        if not cell.is_code and (found := re.search(r"(?i)\b(simply|just|obviously)\b", cell.source)):
            yield f"cell {number}: {found[0]!r} tells a reader that it is easy: leave it out"


def outputs_are_stored(notebook: Notebook) -> Complaints:
    """From one run, top to bottom, without warnings, and with errors only where they are expected."""
    if notebook.folder == "labs":
        return
    if [cell.raw["execution_count"] for cell in notebook.code] != [*range(1, len(notebook.code) + 1)]:
        yield "not stored from one run: run `make store`"
    for number, cell in enumerate(notebook.code):
        kinds = {output["output_type"] for output in cell.outputs}
        if "error" in kinds and "raises-exception" not in cell.tags:
            yield f"code cell {number}: an error that no tag expects"
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"code cell {number}: a warning in the output"


def stored_outputs_are_portable(notebook: Notebook) -> Complaints:
    """Each has a text, and nothing that a viewer takes apart that does not trust the file: HTML, SVG, scripts."""
    for number, cell in enumerate(notebook.code):
        for output in cell.outputs:
            kinds = set(output.get("data", {}))
            if kinds - {"text/plain", "image/png"} or (kinds and "text/plain" not in kinds):
                yield f"code cell {number}: an output in {', '.join(sorted(kinds))}: store it with `make store`"


def labs_hold_no_answers(notebook: Notebook) -> Complaints:
    if notebook.folder != "labs":
        return
    for number, cell in enumerate(notebook.code):
        if cell.outputs or cell.raw["execution_count"] is not None:
            yield f"code cell {number}: an output"
        if "SOLUTION" in cell.source:
            yield f"code cell {number}: a solution's mark"
        if cell.is_exercise and "raise NotImplementedError" not in cell.source:
            yield f"code cell {number}: an exercise that is not to do"


RULES: tuple[Rule, ...] = (
    code_cells_are_short,
    nothing_forbidden,
    imports_name_midspan_or_a_folder,
    loops_end_and_tasks_have_owners,
    no_code_in_comments,
    what_is_opened_is_closed,
    it_says_what_it_is,
    it_opens_with_its_question,
    chapters_have_one_size,
    something_happens_on_the_first_screen,
    what_is_deeper_comes_last,
    answers_are_hidden,
    prose_belittles_nobody,
    outputs_are_stored,
    stored_outputs_are_portable,
    labs_hold_no_answers,
)
