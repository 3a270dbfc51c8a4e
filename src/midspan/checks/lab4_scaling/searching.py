"""Schedules for three nodes and a broker: what a check of this lab plays when its quick checks hold.

A `Search` is lab 3's: which schedules stress a step, which predicates they must not break. A schedule takes a quarter
of a second here, since sockets, TLS and broker are real; so a check plays few, and the end of the lab plays many.
"""

from __future__ import annotations

from collections import Counter

from midspan.bench.nodes import NODE_SHAPE, bus, generate_nodes, play_nodes
from midspan.checks import Transcript
from midspan.checks.lab3_failure.searching import Found, Search, told
from midspan.checks.transcript import Wrong
from midspan.refusal import Words
from midspan.sim import PREDICATES, Cast, Schedule, Shape, SimulationError, counterexample, judge

FIRST = 0  # the seed with which each search begins
SMALLER = 25  # runs that shrinking a counterexample may take


def _shape(*kinds: str, messages: int = 6, clients: int = 4, faults: int = 2) -> Shape:
    return Shape(messages, clients, faults, bursts=0.0, kinds=kinds)


SEARCHES: dict[str, Search] = {
    "streams": Search(
        "links that are cut, nodes that are killed, a balancer that goes away",
        _shape("Cut", "NodeKill", "BalancerCut", "ClientRestart"),
        {
            "no_loss": "lost-while-away",
            "no_duplicate": "dedupe-in-the-node",
            "order": "gap-taken",
            "convergence": "epoch-ignored",
        },
        seeds=8,
    ),
    "accept": Search(
        "links to the broker that are cut, a broker that restarts with its data and without",
        _shape("BrokerCut", "BrokerRestart", "Cut", messages=3, clients=2),
        {"ack_after_durable": "ack-before-durable", "no_loss": "ack-before-durable", "liveness": ""},
        seeds=8,
    ),
    "leaving": Search(
        "nodes that leave, one after the other",
        _shape("NodeDrain", "NodeDrain", "Cut", faults=3),
        {"no_loss": "", "no_duplicate": "", "liveness": "", "bounded_recovery": ""},
        seeds=4,
    ),
    "control": Search("all faults, all predicates", NODE_SHAPE, dict.fromkeys(PREDICATES, ""), seeds=8),
}


def hunt(cast: Cast, search: Search, step: str) -> Found:
    """Play the schedules on one broker, on this thread; the first name that any of them breaks is shrunk.

    Raises `NotImplementedError` when a part is still to do.
    """
    runs, tested = 0, Counter[str]()
    seeds = [search.only] if search.only is not None else range(FIRST, FIRST + search.seeds)
    broken: dict[str, Schedule] = {}
    with bus():
        for seed in seeds:
            runs += 1
            schedule = generate_nodes(seed, search.shape)
            verdicts = judge(play_nodes(cast, schedule), search.names)
            if "NotImplementedError" in verdicts["no_crash"].reason:
                raise NotImplementedError
            tested.update(name for name, verdict in verdicts.items() if verdict.outcome != "vacuous")
            for name, verdict in verdicts.items():
                if verdict.outcome == "violated":
                    broken.setdefault(name, schedule)
            if search.names[0] in broken or "no_crash" in broken:
                break
        name = next((name for name in ("no_crash", *search.names) if name in broken), "")
        if not name:
            return Found(runs, tested, None)
        again = f'again(ours, "{step}", {broken[name].seed})'
        return Found(runs, tested, counterexample(cast, broken[name], name, again, play_nodes, SMALLER))


def holds(t: Transcript, cast: Cast, step: str) -> None:
    """The search of a step finds nothing; else the smallest counterexample is told."""
    search = SEARCHES[step]
    t.say(f"{search.seeds} schedules on three nodes: {search.faults}")
    try:
        found = hunt(cast, search, step)
    except SimulationError as error:
        raise Wrong(str(error)) from None
    for name, id in search.breaks.items():
        what, example = str(PREDICATES[name]), found.example
        if example is not None and example.predicate in (name, "no_crash"):
            recognised = id if example.predicate == name else ""
            t.fail(what, got=Words(example.reason), expected="no violation", because=told(example), id=recognised)
        nothing = Words(f"vacuous in all {found.runs}: nothing was at risk")
        t.true(what, found.tested[name], got=nothing, expected="a run that tests it", id="vacuous")
