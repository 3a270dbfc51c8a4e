"""Lab 3's wrong sessions break the predicate that they name, on both links; its right ones break none."""

from __future__ import annotations

import time

import pytest

from midspan.labs.lab3_failure.searching import SEARCHES, run_search
from midspan.simulation import Schedule, judge, play, search
from midspan.simulation.tls import play_real, search_real
from tests.bank.lab3_failure import RIGHT, WRONG, Broken
from tests.solved import LAB3

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

SEEDS = range(400)
RIGHT_SEEDS = range(2000, 2100)  # 2,000 of them were played by hand
REAL_SEEDS = range(4)
CAUGHT_S = 2.0  # of processor time, shrinking included
MOST_FAULTS = 6

BREAKING = [entry for entry in WRONG if isinstance(entry, Broken) and entry.breaks]
SESSIONS = [entry for entry in RIGHT if entry.step != "control"]


def test_there_are_enough_of_both() -> None:
    assert len({entry.misconception for entry in BREAKING}) >= 25
    assert len({entry.breaks for entry in BREAKING}) >= 10, "nearly all the predicates are needed"
    assert len(SESSIONS) >= 6


@pytest.mark.parametrize("entry", BREAKING, ids=lambda entry: entry.id)
def test_a_misconception_breaks_its_predicate_on_both_links(entry: Broken) -> None:
    """Found within the limit, shrunk to few faults, found again from its seed, and the same on real wss."""
    implementation, name = LAB3.session(entry), entry.breaks
    began_s = time.process_time()
    found = search(implementation, SEEDS, names=(name,)).counterexamples.get(name)
    took_s = time.process_time() - began_s
    assert found is not None, f"{name} holds"
    assert took_s < CAUGHT_S
    assert len(found.schedule.faults) <= MOST_FAULTS
    assert name in search(implementation, [found.found.seed], names=(name,)).counterexamples
    smallest = Schedule.from_json(found.schedule.to_json())
    for history in (play(implementation, smallest), play_real(implementation, smallest)):
        verdict = judge(history, (name,))[name]
        assert verdict.outcome == "violated", str(verdict)


def test_a_client_that_an_opening_ends_is_found_by_the_schedules_of_its_step() -> None:
    """In virtual time: a server dies while somebody connects. On real wss that is a matter of luck."""
    (entry,) = [entry for entry in WRONG if entry.id == "opening-ends-it"]
    example = run_search(LAB3.session(entry), SEARCHES["reconnect"][0], "reconnect").example
    assert example is not None
    assert example.predicate == "no_crash"
    assert "InvalidMessage: did not receive a valid HTTP response in stay_connected(), line " in example.reason


@pytest.mark.parametrize("entry", SESSIONS, ids=lambda entry: entry.id)
def test_another_way_that_is_right_breaks_nothing_on_either_link(entry: Broken) -> None:
    implementation = LAB3.session(entry)
    findings = search(implementation, RIGHT_SEEDS)
    assert findings.outcome == "holds", str(findings)
    assert {name for name, outcome in findings.verdicts if outcome == "holds"} == {n for n, _ in findings.verdicts}
    real = search_real(implementation, REAL_SEEDS)
    assert real.outcome == "holds", str(real)
