"""The guarantee matrix: guarantee x implementation x fault, each cell measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from midspan.errors import Refusal, checked, need
from midspan.simulation.faults import (
    ClientRestart,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    Refuse,
    Revoke,
    ServerRestart,
    Trigger,
    When,
)
from midspan.simulation.guarantees import PREDICATES, Outcome, Verdict, judge
from midspan.simulation.history import History
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import Watch, play, run_in_thread
from midspan.simulation.schedule import Crossing, Join, Say, Schedule
from midspan.simulation.shrinking import Counterexample, counterexample

# Each implementation runs one conversation of two clients and three messages, with each fault at each of its moments:
# before, during and after every message of the link. So *holds* says that no moment was found at which the guarantee
# breaks, and *violated* names one.


CONVERSATION = Schedule(
    seed=1,
    joins=(Join(0.0, "a"), Join(0.0, "b")),
    says=(Say(0.5, "a", "a1"), Say(0.6, "b", "b1"), Say(0.6, "a", "a2")),  # at 0.5 s all clients are connected
    write_s=0.03,  # longer than a message takes, to see an acknowledgement before the write is durable
)
MEANWHILE = (Say(0.8, "a", "a3"), Say(0.8, "b", "b2"), Say(0.9, "b", "b3"))  # while no client is connected
LATER = (Say(4.0, "a", "a3"), Say(4.0, "b", "b2"))  # a client that was revoked has had time to come back
A_LOT = tuple(Say(0.8 + n / 100, "a", f"a{n}") for n in range(3, 13))  # more than a bounded outbox can hold
WHEN: dict[str, tuple[When, ...]] = {"up": ("before", "during", "after", "reply"), "down": ("during", "after")}


class Play(Protocol):
    """Runs a schedule: `simulation.play` on the simulated link, `simulation.tls.play_real` on a real one."""

    def __call__(
        self, implementation: Implementation, schedule: Schedule, watch: Watch | None = None, /
    ) -> History: ...


@dataclass(frozen=True)
class Trial:
    """One kind of fault; in the matrix a column within a column.

    Args:
        name: the name of the fault.
        does: what it does, in a few words.
        faults: gives the faults for a moment.
        says: what the clients send in addition to the conversation.
    """

    name: str
    does: str
    faults: Callable[[Trigger], tuple[Fault, ...]]
    says: tuple[Say, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.does}"

    def at(self, trigger: Trigger, opening_s: float = 0.0) -> Schedule:
        """Return the conversation with this fault at this moment; all messages are `opening_s` later."""
        return replace(_conversation(opening_s, self.says), faults=self.faults(trigger))


TRIALS = (
    Trial("cut", "the connection is reset", lambda at: (Cut(at),)),
    Trial("half-open", "the connection carries nothing more, and nobody says so", lambda at: (HalfOpen(at),)),
    Trial("delay", "what is on its way comes a second late", lambda at: (Delay(at, 1.0),)),
    Trial(
        "outage",
        "reset, then three attempts to connect are refused, while more is said",
        lambda at: (Cut(at), Refuse(at.link, 2, 3)),
        A_LOT,
    ),
    Trial(
        "server restart",
        "the server is killed, and back in 2 s with its log; meanwhile more is said",
        lambda at: (ServerRestart(at, 2.0),),
        MEANWHILE,
    ),
    Trial("log lost", "the same, without its log", lambda at: (ServerRestart(at, 2.0, keeps_log=False),), MEANWHILE),
    Trial("client restart", "a client is killed, and back in 1 s", lambda at: (ClientRestart(at, 1.0),)),
    Trial(
        "revoke",
        "a client loses its right to be here, and its connection; later the other one speaks",
        lambda at: (Revoke(at),),
        LATER,
    ),
)


def moments(implementation: Implementation, play: Play = play, opening_s: float = 0.0) -> Iterator[Trigger]:
    """Yield the moments of the conversation: at each message of the link, except those before a client sends."""
    spoken = _conversation(opening_s)
    greetings = len(_crossed(implementation, replace(spoken, says=()), play))
    for link, way, n in _crossed(implementation, spoken, play)[greetings:]:
        for when in WHEN[way]:
            yield Trigger(link, way, n, when)


def _conversation(opening_s: float, more: tuple[Say, ...] = ()) -> Schedule:
    says = (replace(say, at_s=say.at_s + opening_s) for say in (*CONVERSATION.says, *more))
    return replace(CONVERSATION, says=tuple(says))


def _crossed(implementation: Implementation, schedule: Schedule, play: Play) -> list[Crossing]:
    watch = Watch(crossings=[])
    play(implementation, schedule, watch)
    return watch.crossings or []


#     matrix = measure(*CONTENDERS)
#     matrix.cell("no_loss", "recipe", "server restart").reason
#
# The same predicates judge every implementation; they see only its histories. A cell is *violated* if the guarantee
# breaks at one moment of the fault; *holds* if it was put to the test and never broke; *vacuous* if no run put it to
# the test.


SIGNS: dict[Outcome, str] = {"holds": "✓", "violated": "✗", "vacuous": "○"}
WEIGHT: dict[Outcome, int] = {"vacuous": 0, "holds": 1, "violated": 2}
Key = tuple[str, str, str]


class OnTrial(Protocol):
    """A column: an implementation that runs here, or one that was recorded elsewhere (its `implementation` is None)."""

    @property
    def name(self) -> str: ...
    @property
    def made_of(self) -> str: ...
    @property
    def implementation(self) -> Implementation | None: ...
    def __hash__(self) -> int: ...
    def runs(self, trial: Trial, play: Play) -> Iterator[tuple[Schedule, History]]: ...


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One guarantee of one implementation under one fault.

    Args:
        outcome: the worst outcome of all runs.
        reason: one sentence, from the first run with this outcome.
        schedule: the schedule of that run.
        runs: how many moments were tried.
        tested: at how many of them the guarantee was put to the test.
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
    """All cells of one measurement. Two measurements of the same code are equal.

    Args:
        marked: the name of the column that the picture marks; "" for none.
    """

    contenders: tuple[OnTrial, ...]
    trials: tuple[Trial, ...]
    cells: dict[Key, MatrixCell]
    marked: str = ""

    def __iter__(self) -> Iterator[MatrixCell]:
        return iter(self.cells.values())

    @property
    def guarantees(self) -> tuple[str, ...]:
        return tuple(PREDICATES)

    def cell(self, guarantee: str, contender: str, fault: str) -> MatrixCell:
        """Return one cell. Raises `Refusal` for a name that the matrix does not have."""
        names = ((guarantee, self.guarantees), (contender, _names(self.contenders)), (fault, _names(self.trials)))
        for name, known in names:
            need(name in known, f"one of {', '.join(known)}", name, "Correct the name")
        return self.cells[guarantee, contender, fault]

    def signs(self, guarantee: str, contender: str) -> str:
        """Return one sign for each fault, in the order of the faults."""
        return "".join(SIGNS[self.cells[guarantee, contender, trial.name].outcome] for trial in self.trials)

    def violated(self, contender: str) -> tuple[MatrixCell, ...]:
        """Return the cells of one implementation in which a guarantee is violated."""
        need(
            contender in _names(self.contenders),
            f"one of {', '.join(_names(self.contenders))}",
            contender,
            "Choose one",
        )
        return tuple(cell for cell in self if cell.contender == contender and cell.outcome == "violated")

    def broken(self, contender: str) -> tuple[str, ...]:
        """Return the guarantees of one implementation that some fault violates."""
        return tuple(dict.fromkeys(cell.guarantee for cell in self.violated(contender)))

    def counterexample(self, guarantee: str, contender: str, fault: str) -> Counterexample:
        """Return the smallest schedule that violates a guarantee, its ladder, and the line that plays it again.

        Raises `Refusal` for a cell that is not violated, and for a column that was recorded.
        """
        cell = self.cell(guarantee, contender, fault)
        need(cell.outcome == "violated", "a cell that is violated", str(cell), "Choose one that shows ✗")
        implementation = next(one.implementation for one in self.contenders if one.name == contender)
        if implementation is None:
            raise Refusal("an implementation that runs here", contender, f"Read its reason: {cell.reason}")
        again = f"matrix.counterexample({guarantee!r}, {contender!r}, {fault!r})"
        return run_in_thread(counterexample, implementation, cell.schedule, guarantee, again)

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
        legend = [f"In each cell one sign a fault: {order}.", "✓ holds  ✗ violated  ○ not put to the test"]
        return "\n".join([*rows, *legend, *([f"Marked: {self.marked}"] if self.marked else [])])


@checked
def measure(*contenders: OnTrial, faults: tuple[str, ...] | None = None, play: Play = play) -> Matrix:
    """Try every fault at every moment on each implementation, and judge the histories.

    Args:
        contenders: the columns.
        faults: the names of the faults to try; None for all.
        play: runs a schedule: on the simulated link, or `midspan.simulation.tls.play_real`.

    Raises:
        Refusal: two implementations have one name, or there is none; a fault is unknown; no message crosses the link.
    """
    return assemble(contenders, chosen(faults), lambda one, trial: run_in_thread(matrix_cells, one, trial, play))


def chosen(faults: tuple[str, ...] | None) -> tuple[Trial, ...]:
    """Return the trials with these names, in the order of `TRIALS`."""
    known = _names(TRIALS)
    for name in faults or ():
        need(name in known, f"faults among {', '.join(known)}", name, "Correct the name")
    need(faults != (), "a fault or more", faults, "Name one, or leave it out for all")
    return tuple(trial for trial in TRIALS if faults is None or trial.name in faults)


def assemble(
    contenders: tuple[OnTrial, ...],
    trials: tuple[Trial, ...],
    cells: Callable[[OnTrial, Trial], tuple[MatrixCell, ...]],
) -> Matrix:
    """Make a matrix of these columns; `cells` measures one fault of one column."""
    names = _names(contenders)
    need(len(set(names)) == len(names) > 0, "implementations, each with a name of its own", names, "Rename one")
    made = (cell for one in contenders for trial in trials for cell in cells(one, trial))
    return Matrix(contenders, trials, {(cell.guarantee, cell.contender, cell.fault): cell for cell in made})


def matrix_cells(contender: OnTrial, trial: Trial, play: Play = play) -> tuple[MatrixCell, ...]:
    """Measure one fault of one implementation; return a cell for each guarantee."""
    verdicts = [(schedule, judge(history)) for schedule, history in contender.runs(trial, play)]
    if not verdicts:
        raise Refusal("messages that cross when two clients speak", f"none by {contender.name}", "Let its client send")
    return tuple(
        _cell(contender, trial, [(schedule, each[name]) for schedule, each in verdicts]) for name in PREDICATES
    )


def _cell(contender: OnTrial, trial: Trial, verdicts: list[tuple[Schedule, Verdict]]) -> MatrixCell:
    schedule, worst = max(verdicts, key=lambda pair: WEIGHT[pair[1].outcome])  # `max` takes the first of equals
    found = Counter(verdict.outcome for _, verdict in verdicts)
    where = (worst.predicate, contender.name, trial.name)
    counts = (found.total(), found["holds"] + found["violated"], found["violated"])
    return MatrixCell(*where, worst.outcome, worst.reason, schedule, *counts)


def _names(things: tuple[OnTrial, ...] | tuple[Trial, ...]) -> tuple[str, ...]:
    return tuple(thing.name for thing in things)
