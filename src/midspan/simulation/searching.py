"""Play many schedules, judge each history, and keep the smallest counterexample of each predicate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from midspan.errors import checked
from midspan.simulation.forbidden_io import WallClockGuard
from midspan.simulation.guarantees import PREDICATES, Outcome, Verdict, judge
from midspan.simulation.history import History
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import Player, Watch, play, run_in_thread, wanted
from midspan.simulation.schedule import Crossing, Schedule, Shape, exhaustive, generate
from midspan.simulation.shrinking import Counterexample, counterexample

FAULTLESS = frozenset({"no_crash", "bounded_memory"})  # these hold or not whether or not something went wrong


@dataclass(frozen=True)
class Findings:
    """What a search found.

    Args:
        runs: schedules played.
        outcomes: how many runs held, were violated, or were vacuous: tested nothing.
        verdicts: how often each predicate had each outcome.
        counterexamples: of each violated predicate, by name.
    """

    runs: int
    outcomes: Counter[Outcome]
    verdicts: Counter[tuple[str, Outcome]]
    counterexamples: dict[str, Counterexample]

    @property
    def outcome(self) -> Outcome:
        """Violated if one run was, vacuous if all were, and holds otherwise."""
        if self.outcomes["violated"]:
            return "violated"
        return "holds" if self.outcomes["holds"] else "vacuous"

    def __str__(self) -> str:
        counts = ", ".join(f"{self.outcomes[name]} {word}" for name, word in _WORDS.items())
        return "\n\n".join([f"{self.runs} schedules: {counts}.", *map(str, self.counterexamples.values())])


_WORDS: dict[Outcome, str] = {"holds": "held", "violated": "violated", "vacuous": "vacuous"}


@checked
def search(
    implementation: Implementation,
    seeds: Iterable[int] = range(300),
    shape: Shape | None = None,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
) -> Findings:
    """Play the schedule of each seed. Runs in a thread beside the caller's loop.

    Args:
        implementation: the code under test.
        seeds: of the schedules.
        shape: of the schedules.
        names: of the predicates to judge by; all of them if None.
        keep_going: after a violation, go on to the last seed; otherwise the first violation ends the search.

    Raises:
        WallClock: the code under test uses a clock, a socket, a thread or chance of its own.
    """
    schedules = (generate(seed, shape) for seed in seeds)
    how = "" if shape is None else f", {shape}"

    def replay(seed: int) -> str:
        return f"search(implementation, [{seed}]{how})"

    return run_in_thread(_search, implementation, schedules, names_or_all(names), keep_going, replay)


@checked
def search_all(
    implementation: Implementation,
    messages: int = 4,
    clients: Iterable[str] = ("a",),
    cuts: int = 2,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
) -> Findings:
    """Play every placement of up to `cuts` cuts in a session of `messages` messages. As `search` otherwise."""
    schedules = exhaustive(partial(crossings, implementation), messages, tuple(clients), cuts)
    return run_in_thread(_search, implementation, schedules, names_or_all(names), keep_going, lambda _seed: "")


@checked
def crossings(implementation: Implementation, schedule: Schedule) -> list[Crossing]:
    """The messages that cross the links when this schedule is played, in order."""
    watch = Watch(crossings=[])
    play(implementation, schedule, watch)
    return watch.crossings or []


def _search(
    implementation: Implementation,
    schedules: Iterable[Schedule],
    names: tuple[str, ...],
    keep_going: bool,
    replay: Callable[[int], str],
) -> Findings:
    with WallClockGuard(implementation.server, implementation.client) as guard:

        def guarded(implementation: Implementation, schedule: Schedule, watch: Watch | None) -> History:
            history = play(implementation, schedule, watch)
            guard.check()
            return history

        return explore(implementation, schedules, names, keep_going, replay, guarded)


def explore(
    implementation: Implementation,
    schedules: Iterable[Schedule],
    names: tuple[str, ...],
    keep_going: bool,
    replay: Callable[[int], str],
    player: Player,
    examine: Callable[[Implementation, Schedule, str, str, Player], Counterexample] = counterexample,
) -> Findings:
    """As `search`, on this thread and on any link.

    Args:
        replay: makes the line that finds a schedule again from its seed.
        player: plays one schedule.
        examine: makes a counterexample of a schedule that breaks a predicate.
    """
    outcomes: Counter[Outcome] = Counter()
    counts: Counter[tuple[str, Outcome]] = Counter()
    found: dict[str, Schedule] = {}
    for schedule in schedules:
        verdicts = judge(player(implementation, schedule, None), names)
        counts.update((verdict.predicate, verdict.outcome) for verdict in verdicts.values())
        outcomes[_of_run(verdicts)] += 1
        for verdict in verdicts.values():
            if verdict.outcome == "violated":
                found.setdefault(verdict.predicate, schedule)
        if (found and not keep_going) or not wanted():
            break
    examples = {
        name: examine(implementation, found[name], name, replay(found[name].seed), player)
        for name in names
        if name in found
    }
    return Findings(outcomes.total(), outcomes, counts, examples)


def _of_run(verdicts: dict[str, Verdict]) -> Outcome:
    judged = {verdict.outcome for name, verdict in verdicts.items() if name not in FAULTLESS}
    alone = {verdict.outcome for name, verdict in verdicts.items() if name in FAULTLESS}
    if "violated" in judged | alone:
        return "violated"
    return "holds" if "holds" in (judged or alone) else "vacuous"


def names_or_all(names: Iterable[str] | None) -> tuple[str, ...]:
    """The predicates to judge by."""
    return tuple(PREDICATES) if names is None else tuple(names)
