"""The guarantee matrix: guarantee x implementation x fault, each cell measured.

    matrix = measure(*CONTENDERS)
    matrix.cell("no_loss", "recipe", "server restart").reason

The same predicates judge every implementation, and see nothing of it but its histories. A cell is *violated* if one
moment for the fault was found at which the guarantee breaks; *holds* if it was put to the test and none was;
*vacuous* if no run put it to the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from midspan.arguments import checked
from midspan.bench.trials import TRIALS, Play, Trial
from midspan.refusal import Refusal, need
from midspan.sim.beside import beside
from midspan.sim.cast import Cast
from midspan.sim.counterexample import Counterexample, counterexample
from midspan.sim.history import History
from midspan.sim.play import play
from midspan.sim.predicates import PREDICATES, judge
from midspan.sim.schedule import Schedule
from midspan.sim.verdict import Outcome, Verdict

SIGNS: dict[Outcome, str] = {"holds": "✓", "violated": "✗", "vacuous": "○"}
WEIGHT: dict[Outcome, int] = {"vacuous": 0, "holds": 1, "violated": 2}
Key = tuple[str, str, str]


class OnTrial(Protocol):
    """A column: an implementation that runs here, or the record of one that ran elsewhere (then `cast` is None)."""

    @property
    def name(self) -> str: ...
    @property
    def made_of(self) -> str: ...
    @property
    def cast(self) -> Cast | None: ...
    def __hash__(self) -> int: ...
    def runs(self, trial: Trial, play: Play) -> Iterator[tuple[Schedule, History]]: ...


@dataclass(frozen=True, slots=True)
class Cell:
    """One guarantee of one implementation under one fault.

    Args:
        outcome: the worst of all runs.
        reason: of the first run that had this outcome, one sentence.
        schedule: of that run.
        runs: how many moments were tried.
        tested: how many of them put the guarantee to the test.
        violated: at how many of them it broke.
    """

    guarantee: str
    contender: str
    fault: str
    outcome: Outcome
    reason: str
    schedule: Schedule
    runs: int
    tested: int
    violated: int

    def __str__(self) -> str:
        where = {
            "holds": f" at all {self.tested} moments that put it to the test",
            "violated": f" at {self.violated} of {self.runs} moments",
            "vacuous": "",
        }
        return f"{self.guarantee}, {self.contender}, {self.fault}: {self.outcome}{where[self.outcome]}. {self.reason}"


@dataclass(frozen=True)
class Matrix:
    """All cells of one measurement. Two measurements of the same code are equal."""

    contenders: tuple[OnTrial, ...]
    trials: tuple[Trial, ...]
    cells: dict[Key, Cell]

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells.values())

    @property
    def guarantees(self) -> tuple[str, ...]:
        return tuple(PREDICATES)

    def cell(self, guarantee: str, contender: str, fault: str) -> Cell:
        """One cell. Raises `Refusal` for a name that the matrix does not have."""
        names = ((guarantee, self.guarantees), (contender, _names(self.contenders)), (fault, _names(self.trials)))
        for name, known in names:
            need(name in known, f"one of {', '.join(known)}", name, "Correct the name")
        return self.cells[guarantee, contender, fault]

    def signs(self, guarantee: str, contender: str) -> str:
        """One sign a fault, in the order of the faults."""
        return "".join(SIGNS[self.cells[guarantee, contender, trial.name].outcome] for trial in self.trials)

    def violated(self, contender: str) -> tuple[Cell, ...]:
        """The cells of one implementation in which a guarantee is broken."""
        need(
            contender in _names(self.contenders),
            f"one of {', '.join(_names(self.contenders))}",
            contender,
            "Choose one",
        )
        return tuple(cell for cell in self if cell.contender == contender and cell.outcome == "violated")

    def broken(self, contender: str) -> tuple[str, ...]:
        """The guarantees of one implementation that some fault breaks."""
        return tuple(dict.fromkeys(cell.guarantee for cell in self.violated(contender)))

    def counterexample(self, guarantee: str, contender: str, fault: str) -> Counterexample:
        """The smallest schedule that breaks a guarantee, its ladder, and the line that plays it again.

        Raises `Refusal` for a cell that is not violated, and for a column that was recorded.
        """
        cell = self.cell(guarantee, contender, fault)
        need(cell.outcome == "violated", "a cell that is violated", str(cell), "Choose one that shows ✗")
        cast = next(one.cast for one in self.contenders if one.name == contender)
        if cast is None:
            raise Refusal("an implementation that runs here", contender, f"Read its reason: {cell.reason}")
        again = f"matrix.counterexample({guarantee!r}, {contender!r}, {fault!r})"
        return beside(counterexample, cast, cell.schedule, guarantee, again)

    def __str__(self) -> str:
        widths = [max(len(one.name), len(self.trials)) for one in self.contenders]
        first = max(map(len, self.guarantees))
        head = "  ".join(f"{one.name:{width}}" for one, width in zip(self.contenders, widths, strict=True))
        rows = [f"{'':{first}}  {head}".rstrip()]
        for name in self.guarantees:
            signs = (self.signs(name, one.name) for one in self.contenders)
            row = "  ".join(f"{sign:{width}}" for sign, width in zip(signs, widths, strict=True))
            rows.append(f"{name:{first}}  {row}".rstrip())
        order = ", ".join(_names(self.trials))
        return "\n".join(
            [*rows, f"In each cell one sign a fault: {order}.", "✓ holds  ✗ violated  ○ not put to the test"]
        )


@checked
def measure(*contenders: OnTrial, faults: tuple[str, ...] | None = None, play: Play = play) -> Matrix:
    """Try every fault at every moment on each implementation, and judge what came of it.

    Args:
        contenders: the columns.
        faults: the names of those to try; all of them if None.
        play: runs a schedule: on the simulated link, or `midspan.bench.real.play_real`.

    Raises:
        Refusal: two implementations have one name, or there is none; a fault is unknown; nothing crosses the link.
    """
    return assemble(contenders, chosen(faults), lambda one, trial: beside(cells_of, one, trial, play))


def chosen(faults: tuple[str, ...] | None) -> tuple[Trial, ...]:
    """The trials with these names, in our order."""
    known = _names(TRIALS)
    for name in faults or ():
        need(name in known, f"faults among {', '.join(known)}", name, "Correct the name")
    need(faults != (), "a fault or more", faults, "Name one, or leave it out for all")
    return tuple(trial for trial in TRIALS if faults is None or trial.name in faults)


def assemble(
    contenders: tuple[OnTrial, ...], trials: tuple[Trial, ...], cells: Callable[[OnTrial, Trial], tuple[Cell, ...]]
) -> Matrix:
    """A matrix of these columns; `cells` measures one fault of one of them."""
    names = _names(contenders)
    need(len(set(names)) == len(names) > 0, "implementations, each with a name of its own", names, "Rename one")
    made = (cell for one in contenders for trial in trials for cell in cells(one, trial))
    return Matrix(contenders, trials, {(cell.guarantee, cell.contender, cell.fault): cell for cell in made})


def cells_of(contender: OnTrial, trial: Trial, play: Play = play) -> tuple[Cell, ...]:
    """What one fault does to one implementation: a cell for each guarantee."""
    verdicts = [(schedule, judge(history)) for schedule, history in contender.runs(trial, play)]
    if not verdicts:
        raise Refusal("messages that cross when two clients speak", f"none by {contender.name}", "Let its client send")
    return tuple(
        _cell(contender, trial, [(schedule, each[name]) for schedule, each in verdicts]) for name in PREDICATES
    )


def _cell(contender: OnTrial, trial: Trial, verdicts: list[tuple[Schedule, Verdict]]) -> Cell:
    schedule, worst = max(verdicts, key=lambda pair: WEIGHT[pair[1].outcome])  # the first of equals
    found = Counter(verdict.outcome for _, verdict in verdicts)
    where = (worst.predicate, contender.name, trial.name)
    counts = (found.total(), found["holds"] + found["violated"], found["violated"])
    return Cell(*where, worst.outcome, worst.reason, schedule, *counts)


def _names(things: tuple[OnTrial, ...] | tuple[Trial, ...]) -> tuple[str, ...]:
    return tuple(thing.name for thing in things)
