"""Lab 4's reference holds on three nodes; wrong nodes break the predicate that they name, right ones none."""

from __future__ import annotations

import pytest

from midspan.simulation import judge
from midspan.simulation.nodes import generate_nodes, play_nodes, search_nodes, shared_broker
from tests.bank import Right
from tests.bank.lab4_scaling import RIGHT, WRONG
from tests.solved import LAB4

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

SEEDS = range(1000, 1030)  # 500 others were played by hand
RIGHT_SEEDS = range(2000, 2006)
WRONG_SEEDS = range(12)
BREAKS = {
    "lost-while-away": "no_loss",
    "follows-from-now": "no_loss",
    "dedupe-in-the-node": "no_duplicate",
    "dedupe-in-the-node/2": "no_duplicate",
    "not-atomic": "no_loss",
    "ids-with-holes/2": "no_loss",
    "ack-before-durable": "ack_after_durable",
}  # of the wrong ones, those that a schedule shows; the others are seen by the steps' quick checks
NODES = [entry for entry in RIGHT if entry.step != "rooms"]


def test_there_are_enough_of_both() -> None:
    assert len({entry.misconception for entry in WRONG}) >= 40
    assert len(RIGHT) >= 4


def test_the_reference_holds_on_three_nodes() -> None:
    findings = search_nodes(LAB4.reference, SEEDS)
    assert findings.outcome == "holds", str(findings)
    assert findings.outcomes["holds"] > 0.6 * len(SEEDS)


@pytest.mark.parametrize("id", BREAKS)
def test_a_misconception_breaks_its_predicate_on_nodes(id: str) -> None:
    implementation = LAB4.session(next(entry for entry in WRONG if entry.id == id))
    names = (BREAKS[id],)
    with shared_broker():
        outcomes = (
            judge(play_nodes(implementation, generate_nodes(seed)), names)[BREAKS[id]].outcome for seed in WRONG_SEEDS
        )
        assert "violated" in outcomes


@pytest.mark.parametrize("entry", NODES, ids=lambda entry: entry.id)
def test_another_way_that_is_right_breaks_nothing(entry: Right) -> None:
    findings = search_nodes(LAB4.session(entry), RIGHT_SEEDS)
    assert findings.outcome == "holds", str(findings)
