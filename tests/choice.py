"""Which tests `make check` runs for the files that changed, in which order, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tests.import_map import ImportMap, is_test, module_name
from tests.shares import SECONDS

COMPARE = ("tests/test_labs.py", "the_labs_of_the_course_are_what_the_solutions_generate")
RULES = "tests/test_notebook_rules.py"
BANK = "tests/test_bank.py"
TOO_LONG_S = 100.0  # files that no budget of a check holds
SHORT_S = 2.5  # a guess, of a file that tests/shares.py does not name: to collect it, and to run it


@dataclass(frozen=True)
class Chosen:
    """A file of tests to run.

    Args:
        path: of the file of tests, or of a notebook that nbval runs.
        steps: from the changed file to this one; 0 for what belongs to the changed file itself.
        why: in a few words.
        only: run those tests alone whose name holds this; "" for all.
    """

    path: str
    steps: int
    why: str
    only: str = ""

    def __str__(self) -> str:
        part = f" (only {self.only})" if self.only else ""
        return f"{self.path}{part}: {self.why}"


def choose(known: ImportMap, changed: Iterable[str]) -> list[Chosen]:
    """The tests that the changed files reach: nearest first; at the same distance short ones first, and of these the
    ones that import the least, which are about the least else.
    """
    found: dict[str, Chosen] = {}
    for one in (it for path in changed for it in [*_belonging(known.root, path), *_reached(known, path)]):
        if (known.root / one.path).is_file():
            found[one.path] = _nearer(found[one.path], one) if one.path in found else one
    return sorted(found.values(), key=lambda it: (it.steps, _seconds(it), len(known.uses[it.path]), it.path))


def affordable(chosen: Iterable[Chosen], seconds: float) -> list[Chosen]:
    """The nearest that may take about so many seconds together; to collect the others would take time from these."""
    kept, taken_s = [], 0.0
    for one in chosen:
        if _seconds(one) < TOO_LONG_S and taken_s < seconds:
            kept.append(one)
            taken_s += max(_seconds(one), SHORT_S)
    return kept


def _seconds(chosen: Chosen) -> float:
    return 0.0 if chosen.only else SECONDS.get(chosen.path, 0.0)


def _nearer(one: Chosen, other: Chosen) -> Chosen:
    """The nearer of two reasons for the same file; all of its tests, unless both mean the same part."""
    near = min(one, other, key=lambda it: it.steps)
    return near if one.only == other.only else replace(near, only="")


def _reached(known: ImportMap, path: str) -> Iterator[Chosen]:
    for test, steps in known.steps(path).items():
        if is_test(test):
            yield Chosen(test, steps, _why(path, steps))


def _why(path: str, steps: int) -> str:
    name = module_name(path) if path.endswith(".py") else path
    if steps == 0:
        return "it changed"
    verb = "imports" if path.endswith(".py") else "reads"
    return f"{verb} {name}" if steps == 1 else f"{steps} steps from {name}"


def _belonging(root: Path, path: str) -> Iterator[Chosen]:
    """What a file changes without an import."""
    file = PurePosixPath(path)
    if str(file.parent) == "tests/bank" and file.stem.startswith("lab"):
        yield Chosen(BANK, 0, f"{path} changed", only=file.stem)
    if str(file.parent) in ("notebooks", "labs", "solutions") and (root / path).is_file():
        yield Chosen(RULES, 0, f"the rules for {path}", only=f"{file.parent}/{file.stem}-")
        if file.parts[0] in ("solutions", "labs"):
            yield Chosen(COMPARE[0], 0, f"{path} changed", only=COMPARE[1])
        if file.parts[0] == "solutions":
            yield Chosen(f"tests/test_{file.stem.partition('_')[0]}_notebook.py", 0, f"{path} changed")
