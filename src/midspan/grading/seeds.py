"""Judge a session by many schedules: `python -m midspan judge FILE.ipynb --seeds N --start S`."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from midspan.errors import Refusal, Words, need
from midspan.grading import judge_process, limits
from midspan.grading.judge_process import CELLS_LIMIT_S, answer
from midspan.grading.judging import died, line_of_child, opened
from midspan.grading.notebooks import Answers, Cell, Part
from midspan.grading.steps import Lab
from midspan.grading.transcript import error_in_words
from midspan.simulation import Findings, Implementation, Shape, SimulationError, search

# Judge a session by many schedules: `python -m midspan judge FILE.ipynb --seeds N --start S --link simulated|real`.
#
# The steps' checks play a few hundred schedules that stress one thing each. Here all predicates judge any range of
# seeds, on the finished answers of a notebook, in a process of its own (`playing`).


NODES = "nodes"  # where a session of several nodes plays, whatever link was asked for: their broker is real
LINKS = {"simulated": 0.5, "real": 5.0, NODES: 5.0}  # link -> seconds that one schedule may take, storms included
SPARE_S = 60.0  # for what is found to be shrunk
START = "from midspan.grading.seeds import main; main()"
WIDTHS = (19, 8, 10, 9)


@dataclass(frozen=True)
class SeedReport:
    """What many schedules said of one notebook's session. `str()` is the table, then the smallest counterexamples.

    Args:
        lab: whose answers.
        file: name of the notebook.
        seeds: of the schedules.
        link: "simulated", "real" or "nodes".
        outcomes: "holds", "violated", "vacuous" -> how many schedules.
        verdicts: predicate -> the same for this predicate.
        examples: the smallest counterexample of each violated predicate, in words.
    """

    lab: Lab
    file: str
    seeds: range
    link: str
    outcomes: dict[str, int]
    verdicts: dict[str, dict[str, int]]
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no schedule was violated, and at least one tested something."""
        return not self.outcomes.get("violated") and bool(self.outcomes.get("holds"))

    def __str__(self) -> str:
        held, violated, vacuous = (self.outcomes.get(name, 0) for name in ("holds", "violated", "vacuous"))
        where = "three nodes and a broker" if self.link == NODES else f"{self.link} link"
        head = f"{self.lab.name}, answers from {self.file}, seeds {self.seeds[0]} to {self.seeds[-1]}, {where}"
        rows = [_row("predicate", "held", "violated", "vacuous")]
        rows += [_row(name, *_three(counts)) for name, counts in self.verdicts.items()]
        total = len(self.seeds)
        count = f"{total} schedules: {held} held, {violated} violated, {vacuous} vacuous (nothing was at risk)."
        return "\n".join([head, *rows, count, *(f"\n{example}" for example in self.examples)])


def judge_seeds(file: Path, seeds: range, link: str = "simulated") -> SeedReport:
    """Play the schedules of these seeds against the session of a notebook, and judge by all predicates.

    Raises:
        Refusal: a file that cannot be judged, a part that is still to do, a cell that raises, code that hangs.
    """
    need(len(seeds) > 0, "at least one seed", len(seeds), "Pass --seeds 1 or more")
    need(link in LINKS, f"a link: {' or '.join(LINKS)}", link, "Choose one of them")
    paper = opened(file)
    need(bool(paper.lab.plays), "a lab that builds a session", paper.lab.name, "Choose another lab")
    link = NODES if paper.lab.on_nodes else link
    cells = finished_cells(paper.own, f"solutions/{paper.lab.name}.ipynb")
    order: dict[str, Any] = {"cells": [asdict(cell) for cell in cells], "name": paper.lab.plays, "file": file.name}
    order |= {"first": seeds.start, "count": len(seeds), "link": link, "stores": paper.lab.stores}
    line, code = line_of_child(START, order, file.resolve().parent, SPARE_S + LINKS[link] * len(seeds))
    if not line:
        raise Refusal("a session that ends its runs", Words(died(code)), "Run the lab's own checks: they say where")
    told = json.loads(line)
    if "refused" in told:
        raise Refusal("a session that can be played", Words(told["refused"]), "Run the lab's own checks: they say why")
    return SeedReport(paper.lab, file.name, seeds, link, told["outcomes"], told["verdicts"], tuple(told["examples"]))


def finished_cells(own: dict[str, Part], instead: str = "the solutions") -> list[Cell]:
    """All cells of a notebook's answers; refused, with the names and what to take `instead`, when one is to do."""
    to_do = [step for step, part in own.items() if not part.answer or any(cell.unsolved for cell in part.answer)]
    if to_do:
        words = Words(f"still to do: {', '.join(to_do)}")
        raise Refusal("a finished lab", words, f"All steps are needed: finish it, or take {instead}")
    return [cell for part in own.values() for cell in part.cells]


def _three(counts: dict[str, int]) -> tuple[str, str, str]:
    held, violated, vacuous = (str(counts.get(name, 0)) for name in ("holds", "violated", "vacuous"))
    return held, violated, vacuous


def _row(name: str, *cells: str) -> str:
    first, *others = WIDTHS
    return f"  {name:<{first}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True))


# The process in which a notebook's session plays many schedules (see `seeds`).
#
# In: an order as `child` reads it, with the cells, the implementation's name, the seeds and the link. Out: one line of
# JSON, the counts and the counterexamples in words, or `{"refused": a sentence}`.


def main() -> None:
    """Read the order, play, answer."""
    answer(_played)


def _played(order: dict[str, Any]) -> dict[str, Any]:
    sys.path[:] = order["path"]
    cells = [Cell(**cell) for cell in order["cells"]]
    play, broker = _player(order["link"])  # before processes are forbidden: TLS keys are made, the broker starts
    with broker:
        return _found(order, cells, play)


def _found(order: dict[str, Any], cells: list[Cell], play: Any) -> dict[str, Any]:
    attempts = judge_process.forbid_processes()
    answers = Answers("__main__")
    with judge_process.little_memory():
        ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
        if ran.error is not None or ran.expired:
            why = error_in_words(ran.error) if ran.error else f"no end after {CELLS_LIMIT_S:g} s"
            return {"refused": f"a cell that ends with {why}"}
        implementation = getattr(answers, order["name"], None)
        if not isinstance(implementation, Implementation):
            return {"refused": f"no implementation named {order['name']}"}
        seeds, stores = range(order["first"], order["first"] + order["count"]), tuple(order["stores"])
        try:
            found = play(implementation, seeds, Shape(stores=stores) if stores else None, keep_going=True)
        except (SimulationError, NotImplementedError) as error:
            return {"refused": str(error) or "an answer that is still to do"}
    if attempts:
        return {"refused": f"code that tried to use {attempts[0]}"}
    return _told(found, order)


def _player(link: str) -> tuple[Any, AbstractContextManager[object]]:
    """What plays the schedules, and what is open meanwhile."""
    if link == "simulated":
        return search, nullcontext()
    if link == NODES:
        from midspan.simulation.nodes import bus, search_nodes

        return search_nodes, bus()
    from midspan.simulation.tls import search_real

    return search_real, nullcontext()


def _told(found: Findings, order: dict[str, Any]) -> dict[str, Any]:
    verdicts: dict[str, dict[str, int]] = {}
    for (predicate, outcome), count in found.verdicts.items():
        verdicts.setdefault(predicate, {})[outcome] = count
    link = "" if order["link"] == NODES else f" --link {order['link']}"
    again = f"python -m midspan judge {order['file']} --seeds 1{link} --start "
    examples = [replace(one, replay=f"{again}{one.found.seed}") for one in found.counterexamples.values()]
    return {"outcomes": found.outcomes, "verdicts": verdicts, "examples": [str(one) for one in examples]}
