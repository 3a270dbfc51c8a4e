"""Play many schedules, judge each history, and keep the smallest counterexample of each predicate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
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

FAULTLESS = frozenset({"no_crash", "bounded_memory"})  # these two are tested also without a fault


@dataclass(frozen=True)
class Findings:
    """What a search found.

    Args:
        runs: how many schedules were played.
        outcomes: how many runs had the outcome holds, violated or vacuous (nothing was tested).
        verdicts: how often each predicate had each outcome, by (name, outcome).
        counterexamples: by name, one for each predicate that was violated.
    """

    runs: int
    outcomes: Counter[Outcome]
    verdicts: Counter[tuple[str, Outcome]]
    counterexamples: dict[str, Counterexample]

    @property
    def outcome(self) -> Outcome:
        """Violated if one run was, vacuous if all runs were, otherwise holds."""
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
    """Play the schedule of each seed, and judge it. Runs in a thread beside the caller's loop.

    Args:
        implementation: the code under test.
        seeds: of the schedules.
        shape: of the schedules.
        names: of the predicates; None: all of them.
        keep_going: go on to the last seed after a violation; otherwise the first violation ends the search.

    Raises:
        WallClock: the code under test uses a clock, a socket, a thread or random numbers of its own.
    """
    return search_by_seeds("search", guarded, implementation, seeds, shape, names, keep_going)


@checked
def search_all(
    implementation: Implementation,
    messages: int = 4,
    clients: Iterable[str] = ("a",),
    cuts: int = 2,
    names: Iterable[str] | None = None,
    keep_going: bool = False,
) -> Findings:
    """Play every placement of up to `cuts` cuts in a session of `messages` messages. Otherwise as `search`."""
    schedules = exhaustive(partial(crossings, implementation), messages, tuple(clients), cuts)
    return run_in_thread(_explore, guarded, implementation, schedules, names, keep_going, lambda _seed: "")


@checked
def crossings(implementation: Implementation, schedule: Schedule) -> list[Crossing]:
    """The messages that cross the links when this schedule is played, in order."""
    watch = Watch(crossings=[])
    play(implementation, schedule, watch)
    return watch.crossings or []


Opened = Callable[[Implementation], AbstractContextManager[Player]]
Examine = Callable[[Implementation, Schedule, str, str, Player], Counterexample]


@contextmanager
def guarded(implementation: Implementation) -> Iterator[Player]:
    """Give a `play` that raises `WallClock` when this implementation reads a real clock."""
    with WallClockGuard(implementation.server, implementation.client) as guard:

        def player(implementation: Implementation, schedule: Schedule, watch: Watch | None = None) -> History:
            history = play(implementation, schedule, watch)
            guard.check()
            return history

        yield player


def search_by_seeds(
    name: str,
    opened: Opened,
    implementation: Implementation,
    seeds: Iterable[int],
    shape: Shape | None,
    names: Iterable[str] | None,
    keep_going: bool,
    make: Callable[[int, Shape | None], Schedule] = generate,
    examine: Examine = counterexample,
) -> Findings:
    """As `search`, on any link.

    Args:
        name: of the function that finds a schedule again; used in the replay line.
        opened: gives a context manager, entered in the thread of the search, that gives the player.
        implementation, seeds, shape, names, keep_going: as of `search`.
        make: makes the schedule of a seed.
        examine: makes a counterexample from a schedule that violates a guarantee.
    """
    how = "" if shape is None else f", {shape}"

    def replay(seed: int) -> str:
        return f"{name}(implementation, [{seed}]{how})"

    schedules = (make(seed, shape) for seed in seeds)
    return run_in_thread(_explore, opened, implementation, schedules, names, keep_going, replay, examine)


def _explore(
    opened: Opened,
    implementation: Implementation,
    schedules: Iterable[Schedule],
    names: Iterable[str] | None,
    keep_going: bool,
    replay: Callable[[int], str],
    examine: Examine = counterexample,
) -> Findings:
    asked = tuple(PREDICATES) if names is None else tuple(names)
    with opened(implementation) as player:
        outcomes: Counter[Outcome] = Counter()
        counts: Counter[tuple[str, Outcome]] = Counter()
        found: dict[str, Schedule] = {}
        for schedule in schedules:
            verdicts = judge(player(implementation, schedule, None), asked)
            counts.update((verdict.predicate, verdict.outcome) for verdict in verdicts.values())
            outcomes[_of_run(verdicts)] += 1
            for verdict in verdicts.values():
                if verdict.outcome == "violated":
                    found.setdefault(verdict.predicate, schedule)
            if (found and not keep_going) or not wanted():
                break
        examples = {
            name: examine(implementation, found[name], name, replay(found[name].seed), player)
            for name in asked
            if name in found
        }
        return Findings(outcomes.total(), outcomes, counts, examples)


def _of_run(verdicts: dict[str, Verdict]) -> Outcome:
    judged = {verdict.outcome for name, verdict in verdicts.items() if name not in FAULTLESS}
    alone = {verdict.outcome for name, verdict in verdicts.items() if name in FAULTLESS}
    if "violated" in judged | alone:
        return "violated"
    return "holds" if "holds" in (judged or alone) else "vacuous"
