"""Judge a notebook's answers without running its checks: `python -m midspan judge FILE.ipynb`.

Each step is tried in a process of its own, with the learner's answer to it and, for the steps before, the learner's
answers where they pass and the reference's where not; so one bad answer fails one step. Which ones pass is not
known at first. We guess (an answer that still has its stub will not), try as many steps at once as there are
processors, and try again those for which the guess proved wrong, until every step has been tried with exactly the
answers that pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from midspan.checks import catalogue, notebooks, places, sheet
from midspan.checks.sheet import Cell, Part
from midspan.checks.steps import Lab
from midspan.checks.trial import trial
from midspan.checks.verdicts import SIGNS, Result
from midspan.refusal import Refusal

Own = frozenset[str]  # steps whose answers are the learner's
Pair = tuple[str, Own]  # a step, and the earlier steps it is tried with
Try = Callable[[str, Own], Result]


@dataclass(frozen=True)
class Report:
    """The results of all the steps of a file, in order. `str()`: the table, what is to do, what is wrong."""

    lab: Lab
    file: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether every step passes."""
        return all(result.passed for result in self.results)

    def __str__(self) -> str:
        width = max(len(result.step) for result in self.results)
        rows = [f"  {SIGNS[r.verdict]} {r.step:<{width}}  {r.verdict}" for r in self.results]
        count = sum(result.passed for result in self.results)
        end = f"{count} of {len(rows)} steps pass."
        wrong = [f"\n{result}" for result in self.results if result.verdict == "wrong"]
        return "\n".join([f"{self.lab.name}, answers from {self.file}", *rows, end, *self._to_do(), *wrong])

    def _to_do(self) -> list[str]:
        """All that is to do in one paragraph: a new lab is nothing else."""
        steps = [result.step for result in self.results if result.verdict == "to do"]
        return [f"Still to do: {', '.join(steps)}."] if steps else []


@dataclass(frozen=True)
class Paper:
    """A notebook of a lab, opened to be judged: the learner's answers beside the reference's."""

    lab: Lab
    file: Path
    own: dict[str, Part]
    reference: dict[str, Part]

    @property
    def hopeful(self) -> dict[str, bool]:
        """Step -> False where the stub still stands, so that it can hardly pass."""
        return {step: not any(cell.unsolved for cell in part.answer) for step, part in self.own.items()}

    def cells(self, step: str, earlier: Own) -> list[Cell]:
        """All that runs before the check of `step`, when its answer, and the `earlier` ones, are the learner's."""
        cells: list[Cell] = []
        for name, part in self.own.items():
            mine = name == step or name in earlier
            cells += (part if mine else part.answered_by(self.reference[name])).cells
            if name == step:
                break
        return cells

    def results(self) -> dict[str, Result]:
        """Step -> its result, each tried in a process of its own."""
        module, folder = catalogue.modules()[self.lab.name], self.file.resolve().parent
        return settle(
            self.hopeful,
            lambda step, earlier: trial(self.lab.steps[step], module, self.cells(step, earlier), folder),
        )


def opened(file: Path) -> Paper:
    """The notebook, ready to be judged; refuses a file that cannot be."""
    notebook = notebooks.read(file)
    lab = lab_of(notebook, file)
    solved, reference = sheet.read_reference(places.solution(lab.name, file), lab.name)
    if list(reference) != list(lab.steps):
        steps, cells = ", ".join(lab.steps), ", ".join(reference)
        raise Refusal(f"checks for the steps {steps}", cells, f"Mend solutions/{lab.name}.ipynb")
    return Paper(lab, file, sheet.own(notebook, solved), reference)


def judge(file: Path) -> Report:
    """Judge the answers in a notebook; refuses a file that cannot be judged."""
    paper = opened(file)
    return Report(paper.lab, file.name, tuple(paper.results().values()))


def lab_of(notebook: notebooks.Raw, file: Path) -> Lab:
    """The lab that a notebook answers; refuses one that answers none."""
    name = notebooks.lab_name(notebook, file)
    if name not in catalogue.modules():
        known = ", ".join(catalogue.modules()) or "(there are none)"
        raise Refusal(
            f"a notebook of one of the labs {known}", name, "Its metadata midspan.lab, or its name, says which"
        )
    return catalogue.find(name)


def settle(hopeful: Mapping[str, bool], try_step: Try) -> dict[str, Result]:
    """Step -> result, each tried with exactly the earlier answers that pass.

    Args:
        hopeful: step -> the guess whether it passes, in order.
        try_step: tries one step with the given earlier answers of the learner's.
    """
    known: dict[Pair, Result] = {}
    running: dict[Future[Result], Pair] = {}
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        while True:
            missing = [p for p in _pairs(hopeful, known) if p not in known and p not in running.values()]
            for pair in missing[: workers - len(running)]:
                running[pool.submit(try_step, *pair)] = pair
            if not running:
                return {pair[0]: known[pair] for pair in _pairs(hopeful, known)}
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                known[running.pop(done)] = done.result()


def _pairs(hopeful: Mapping[str, bool], known: Mapping[Pair, Result]) -> list[Pair]:
    """Each step with the steps before it that pass, as far as is known, or guessed."""
    pairs: list[Pair] = []
    passing: Own = frozenset()
    for step, hope in hopeful.items():
        pairs.append((step, passing))
        if known[step, passing].passed if (step, passing) in known else hope:
            passing |= {step}
    return pairs
