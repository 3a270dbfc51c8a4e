"""Step 6: what its sender knows already is a count."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.sim import Cast

ONE, TWO, THREE = ("a1", "a", 1), ("a2", "a", 2), ("a3", "a", 3)
OTHER = ("b1", "b", 7)


@lab.step("What its sender knows already", minutes=20, lines=8, points=3, hints=HINTS["runs"], limit_s=15.0)
def runs(t: Transcript, runs: Any, ours: Cast) -> None:
    t.say('runs(entries, "a", 0): nothing was acknowledged before')
    t.equal("no entry", runs([], "a", 0), [])
    t.equal("one of somebody else", _runs(runs, [OTHER], 0), [("body", "b1")])
    t.equal("one of a's own", _runs(runs, [ONE], 0), [("mine", 1)], id="own-in-full")
    t.equal("three of its own", _runs(runs, [ONE, TWO, THREE], 0), [("mine", 3)])
    between = [("mine", 1), ("body", "b1"), ("mine", 2)]
    t.equal("another's between its own", _runs(runs, [ONE, OTHER, TWO, THREE], 0), between, id="run-overtakes")
    behind = [("body", "b1"), ("mine", 1)]
    t.equal("another's before it", _runs(runs, [OTHER, ONE], 0), behind, id="run-overtakes")
    t.say('runs(entries, "a", 2): the welcome has acknowledged up to 2')
    expected = [("body", "a1"), ("body", "a2"), ("mine", 1)]
    t.equal("the same three", _runs(runs, [ONE, TWO, THREE], 2), expected, id="acknowledged-by-welcome")
    holds(t, ours, "runs")
    costs_at_most(t, ours, waited_for=24, load=17)


def _runs(runs: Any, entries: list[tuple[str, str, int]], safe: int) -> object:
    made = runs(entries, "a", safe)
    return [tuple(packet) for packet in made] if isinstance(made, list) else made
