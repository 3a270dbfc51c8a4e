"""The map in docs/ARCHITECTURE.md is that of the code, and the house keeps its rules: no cycle, one meaning a name."""

from __future__ import annotations

import ast
import graphlib
import re
import sys
import threading
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import resolve_name
from itertools import zip_longest
from pathlib import Path
from types import FrameType

import pytest

from midspan import pictures
from midspan.grading import CheckFailed
from midspan.labs.lab1_framing import check
from midspan.simulation import Cut, Trigger, show_run, simple
from midspan.simulation.baseline import draft
from tests import cells
from tests.course import ROOT
from tests.import_map import module_name

PACKAGE = ROOT / "src/midspan"
PAGE = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")
PLACE = re.compile(
    r"`((?:src|tests|docs|notebooks|solutions)/[\w/.]+|[A-Z]+\.md)`"
)  # a path from the repository's root

MOST_LINES, LEAST_LINES = 400, 40
SHORT: dict[str, str] = {}  # module with fewer lines -> why it is none the less a module of its own

# Names that two modules define, and mean the same thing by.
SAME = {
    "Closed": "nothing can be sent any more: on lab 1's connection, on the same connection as lab 2 uses it",
    "Earlier": "the parts of an earlier lab: in general, and those of lab 3",
    "earlier": "as `Earlier`",
    "Envelope": "an event in JSON with an ack id: as the benchmark sends it, as lab 2's notebook defines it",
    "Frame": "a WebSocket frame: as a tap reads it, as lab 1's notebook defines it",
    "Link": "two links with one idea: a proxy on a real one, and a simulated one",
    "ListeningConnection": "a stand-in that keeps what a session sends: messages in lab 3, packets in lab 5",
    "Refuse": "the same fault on a real and on a simulated link",
    "Violation": "the other end broke a rule: of WebSocket in lab 1, of Engine.IO and Socket.IO in lab 2",
    "again": "the same cell in the notebooks of labs 3, 4 and 5",
    "look": "the same cell in the notebooks of labs 3, 4 and 5",
    "outcome": "what a call came to, in comparable words: with the errors of lab 1, and of lab 2",
    "search_holds": "a step of labs 3, 4 and 5 searches for a counterexample",
    "main": "the entry of a program that `python -m` starts",
}
# Names with two meanings that stay, since learners or the command line use both.
TWO_MEANINGS = {
    "Limits": "simulation: options of `websockets`; lab 2: the limits of a parser, a class of its notebook",
    "Refused": "lab 1: an opening handshake, with an HTTP status; lab 2: a join, by the application",
    "draft": "chapter 03 plays a draft session; lab 4's notebook tries a draft of an answer",
    "judge": "simulation: verdicts on a history; grading: verdicts on a notebook",
}


# --- the walks


Show = Callable[[object], str]


@dataclass(frozen=True)
class Walk:
    """What the page says of one walk."""

    hops: list[tuple[str, str]]  # file and function, in order
    entered: set[str]  # files that the walk passes through, without a hop of their own

    @property
    def files(self) -> set[str]:
        return {file for file, _ in self.hops} | self.entered


def section(title: str) -> str:
    """The part of the page below a heading that begins so."""
    return next(part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(title))


def walk(title: str) -> Walk:
    text = section(title)
    hops = re.findall(r"^\d+\. `([\w/]+\.py)`, `([\w.]+)`: ", text, re.MULTILINE)
    assert len(hops) == len(re.findall(r"^\d+\. ", text, re.MULTILINE)), f"a hop of {title} cannot be read"
    return Walk(hops, set(re.findall(r"`([\w/]+\.py)`", text.partition("Also entered:")[2])))


@contextmanager
def traced() -> Iterator[list[tuple[str, str]]]:
    """File and function of each call into the package, in this thread and in new ones, in the order of first calls."""
    seen: dict[tuple[str, str], None] = {}
    start = f"{PACKAGE}/"

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(start):
            seen.setdefault((code.co_filename.removeprefix(start), code.co_qualname.replace(".<locals>", "")))

    calls: list[tuple[str, str]] = []
    before = sys.getprofile(), threading.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before[0])
        threading.setprofile(before[1])
        calls.extend(seen)


@pytest.fixture
def show() -> Show:
    """What a cell shows for its value, through IPython's own formatter."""
    shell = cells.shell()
    pictures.register(shell)

    def html(value: object) -> str:
        shown, _ = shell.display_formatter.format(value)
        return str(shown["text/html"])

    return html


def right(data: bytes, key: bytes, offset: int = 0) -> bytes:
    return bytes(octet ^ key[(offset + at) % 4] for at, octet in enumerate(data))


def unchanged(data: bytes, key: bytes, offset: int = 0) -> bytes:  # noqa: ARG001
    return data


def check_walk(show: Show) -> None:
    assert "mask: passed" in show(check.mask(right))


def failing_check(_: Show) -> None:
    with pytest.raises(CheckFailed):
        check.mask(unchanged)


def schedule_walk(show: Show) -> None:
    schedule = simple(2, faults=(Cut(Trigger("a", "up", 2, "during")),))
    assert "no_loss: holds" in show(show_run(draft(), schedule, "no_loss"))


WALKS: dict[str, list[Callable[[Show], None]]] = {
    "Walk 1": [check_walk, failing_check],
    "Walk 2": [schedule_walk],
}  # the first makes the hops


@dataclass(frozen=True)
class Taken:
    """A walk as it was taken: what was called, and all files that it or its other ending entered."""

    calls: list[tuple[str, str]]
    files: set[str]


@pytest.fixture
def taken(show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Taken]:
    monkeypatch.setenv("MIDSPAN_HOME", str(tmp_path))

    def take(title: str) -> Taken:
        calls = []
        for way in WALKS[title]:
            way(show)  # the first time imports modules, and importing is no part of a walk
            with traced() as seen:
                way(show)
            calls.append(seen)
        return Taken(calls[0], {file for each in calls for file, _ in each})

    return take


def stale(page: Walk, real: Taken) -> list[str]:
    """What the page says that is not so, and the files that it leaves out."""
    gone = [f"not called: {file} {name}" for file, name in page.hops if (file, name) not in real.calls]
    called = [hop for hop in page.hops if hop in real.calls]
    in_order = zip(called, sorted(called, key=real.calls.index), strict=True)
    order = [f"not in this order: {file} {name}" for (file, name), real_hop in in_order if (file, name) != real_hop]
    return [
        *gone,
        *order,
        *(f"not named: {file}" for file in real.files - page.files),
        *(f"not entered: {file}" for file in page.files - real.files),
    ]


@pytest.mark.parametrize("title", WALKS)
def test_the_page_walks_as_the_code_does(title: str, taken: Callable[[str], Taken]) -> None:
    """Each hop is called, in that order, from that file; each file that is entered is named, and no other."""
    assert stale(walk(title), taken(title)) == []


def test_a_page_that_is_out_of_date_is_seen(taken: Callable[[str], Taken]) -> None:
    """A function that is gone, two hops that change places, a file that is left out or one too many."""
    real, page = taken("Walk 1"), walk("Walk 1")
    first, *rest = page.hops
    assert stale(replace(page, hops=[first, ("grading/steps.py", "gone"), *rest]), real) == [
        "not called: grading/steps.py gone"
    ]
    assert len(stale(replace(page, hops=[*rest, first]), real)) == len(page.hops)
    assert stale(replace(page, entered=page.entered - {"errors.py"}), real) == ["not named: errors.py"]
    assert stale(replace(page, entered=page.entered | {"study.py"}), real) == ["not entered: study.py"]


def top_level() -> set[Path]:
    """The modules directly in the package, and its folders with modules: a pull leaves folders with caches alone."""
    return {path for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}


def test_the_page_names_what_exists() -> None:
    """Each path of "Where do I start" is there, six at most in a line; each folder has its two sentences."""
    places = PLACE.findall(PAGE)
    assert len(places) > 20
    assert [place for place in places if not (ROOT / place).exists()] == []
    starts = re.split(r"^- ", section("Where do I start"), flags=re.MULTILINE)[1:]
    assert all(1 <= len(PLACE.findall(start)) <= 6 for start in starts)
    assert {f"{path.name}/" for path in top_level() if path.is_dir()} == set(
        re.findall(r"^- `(\w+/)`", section("The folders"), re.MULTILINE)
    )
    for text in ("README.md", "CONTRIBUTING.md"):
        assert "(docs/ARCHITECTURE.md)" in (ROOT / text).read_text("utf-8"), f"{text} links the page"


def test_the_page_names_functions_that_are_there() -> None:
    """Names in brackets after a file of "Where do I start" are defined in that file."""
    named = re.findall(r"`([\w/]+\.py)`\s+\(((?:`[\w.]+`(?:,\s+)?)+)\)", section("Where do I start"))
    assert len(named) > 5
    for place, names in named:
        text = (ROOT / place).read_text("utf-8")
        for name in re.findall(r"[\w.]+", names):
            assert re.search(rf"^ *((async )?def |class )?{name.split('.')[-1]}\b( = |\(|:)", text, re.MULTILINE), name


# --- no two modules import each other


def modules(folder: Path) -> dict[str, Path]:
    """Dotted name -> file, of each module in a folder; a package has the name of its `__init__`."""
    return {module_name(path.relative_to(folder.parent).as_posix()): path for path in sorted(folder.rglob("*.py"))}


def imported(name: str, path: Path, known: Iterable[str]) -> Iterator[str]:
    """The known modules that one imports, wherever the import stands: at the top, in a function, for types only."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            home = resolve_name("." * node.level + (node.module or ""), package)
            named = (f"{home}.{alias.name}" for alias in node.names)
            yield from (one if one in known else home for one in named if one in known or home in known)


def cycle(folder: Path) -> list[str]:
    """Modules of a package that import each other, directly or over others; [] where none do."""
    known = modules(folder)
    graph = {name: set(imported(name, path, known)) - {name} for name, path in known.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_two_modules_import_each_other() -> None:
    """Imports for annotations and imports inside functions count too."""
    assert len(modules(PACKAGE)) > 80
    assert cycle(PACKAGE) == []


CYCLES = {
    "at the top": {"a": "import made.b", "b": "import made.a"},
    "from": {"a": "from made import b", "b": "from made.a import x"},
    "relative": {"a": "from . import b", "b": "from .a import x"},
    "for types only": {"a": "if TYPE_CHECKING:\n    from made.b import x", "b": "import made.a"},
    "in a function": {"a": "def f():\n    from made.b import x", "b": "from made.a import f"},
    "over a third": {"a": "import made.b", "b": "import made.c", "c": "import made.a"},
    "with the package": {"__init__": "from made.a import x", "a": "from made import y"},
}  # fmt: skip


@pytest.mark.parametrize("name", CYCLES)
def test_a_cycle_is_seen(name: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for module, text in {"__init__": "", **CYCLES[name]}.items():
        (made / f"{module}.py").write_text(text)
    assert len(cycle(made)) > 2  # the first again at the end
    (made / "a.py").write_text("import json")
    assert cycle(made) == []


# --- names


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(path: Path) -> Iterator[Definition]:
    """Functions and classes at the top level of a module."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, Definition):
            yield node


def is_step(node: Definition) -> bool:
    """A step of a lab: it has the name of the learner's answer, whatever else has that name."""
    made_by = [one.func for one in node.decorator_list if isinstance(one, ast.Call)]
    return any(isinstance(one, ast.Attribute) and one.attr == "step" for one in made_by)


def namesakes(folder: Path) -> list[str]:
    """Functions and classes that have the name of their module: importing one gives the other."""
    return [
        name
        for name, path in modules(folder).items()
        for node in definitions(path)
        if node.name == name.rpartition(".")[2]
    ]


DRAFTED = ("drafts", "ends")  # of a lab: their names are those of its notebook, as the names of steps are


def defined_twice(folder: Path) -> dict[str, list[str]]:
    """Public name -> the modules that define it, where these are two or more."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name, path in modules(folder).items():
        if path.stem in DRAFTED:
            continue
        for node in definitions(path):
            if not node.name.startswith("_") and not is_step(node):
                homes[node.name].append(name)
    return {name: where for name, where in homes.items() if len(where) > 1}


def test_nothing_has_the_name_of_its_module() -> None:
    assert namesakes(PACKAGE) == []


def test_a_name_has_one_meaning() -> None:
    """Names that two modules define are listed above, each with its reason; what is listed is still defined twice."""
    assert not SAME.keys() & TWO_MEANINGS.keys()
    assert sorted(defined_twice(PACKAGE)) == sorted({**SAME, **TWO_MEANINGS})


def test_a_wrong_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "def one(): ...\nclass Two: ...\nclass _Three: ...\n@lab.step('x')\ndef four(t): ..."
    )
    (tmp_path / "other.py").write_text("class Two: ...\nclass _Three: ...\ndef four(): ...")
    assert namesakes(tmp_path) == [f"{tmp_path.name}.one"]
    assert defined_twice(tmp_path) == {"Two": [f"{tmp_path.name}.one", f"{tmp_path.name}.other"]}


# --- folders and files


@pytest.mark.parametrize("init", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_folder_says_what_it_holds(init: Path) -> None:
    """Its docstring has two lines or more, and names two of its modules where it has more than two."""
    text = ast.get_docstring(ast.parse(init.read_text("utf-8"))) or ""
    inside = {path.stem for path in init.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    inside -= {"__init__", "__main__"}
    named = {name for name in inside if re.search(rf"`{name}(/|\.\w+)?`", text)}
    assert len(text.splitlines()) > 1
    assert len(named) >= min(2, len(inside)), f"{init.parent.name} has {', '.join(sorted(inside))}"


def test_the_contract_lists_the_folders_that_exist() -> None:
    """Layer by layer, the contract in pyproject.toml and the folders are the same, and the page draws that order."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        layers = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]["layers"]
    assert set(layers) == {path.stem for path in top_level()} - {"__init__"}
    drawn = re.findall(r"\b(\w+)(?:/|\.py)", section("The folders").split("```")[1].partition("+--")[2])
    for layer, shown in zip_longest(layers, [one for one in drawn if one in layers]):
        assert layer == shown


def test_files_are_neither_crumbs_nor_lumps() -> None:
    """From 40 to 400 lines; a package's `__init__` and `__main__` may be shorter."""
    sizes = {str(path.relative_to(PACKAGE)): path.read_text("utf-8").count("\n") for path in PACKAGE.rglob("*.py")}
    assert {file: size for file, size in sizes.items() if size > MOST_LINES} == {}
    short = {file for file, size in sizes.items() if size < LEAST_LINES and not Path(file).stem.startswith("__")}
    assert short == set(SHORT)
