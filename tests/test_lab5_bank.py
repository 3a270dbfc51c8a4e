"""Lab 5's wrong sessions break the predicate that they name; its right ones break none, on either link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

import pytest

from midspan.labs.lab5_overhead.searching import LONG, STORES, with_events
from midspan.simulation import Implementation, Schedule, generate, judge, play
from midspan.simulation.tls import play_real
from tests.bank.lab3_failure import Broken
from tests.bank.lab5_overhead import RIGHT, WRONG
from tests.solved import LAB5

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

SEEDS = range(300)
RIGHT_SEEDS = range(2000, 2030)  # 200 of each were played by hand
REAL_SEEDS = range(3)
REAL_TRIES = 20
SIMULATED_ONLY = {"shapes-kept"}  # comes back ten times a second, for ever: hundreds of TLS handshakes a run

BREAKING = [entry for entry in WRONG if isinstance(entry, Broken) and entry.breaks]
SESSIONS = [entry for entry in RIGHT if entry.step != "cheaper"]


def schedules(seeds: range) -> list[Schedule]:
    return [with_events(generate(seed, replace(LONG, stores=STORES))) for seed in seeds]


def breaking(implementation: Implementation, name: str) -> Iterator[Schedule]:
    """The schedules that break this predicate on the simulated link."""
    for schedule in schedules(SEEDS):
        if judge(play(implementation, schedule), (name,))[name].outcome == "violated":
            yield schedule


def test_there_are_enough_of_both() -> None:
    assert len({entry.misconception for entry in WRONG}) >= 30
    assert len({entry.breaks for entry in BREAKING}) >= 6
    assert len(SESSIONS) >= 6


@pytest.mark.parametrize("entry", BREAKING, ids=lambda entry: entry.id)
def test_a_misconception_breaks_its_predicate_on_both_links(entry: Broken) -> None:
    """On the real link several messages may come in one read, where the simulated one gives them one by one.

    Whoever handles a message in the call that reads it (step `direct`) sees the difference. So a few are tried there.
    """
    implementation, name = LAB5.session(entry), entry.breaks
    found = islice(breaking(implementation, name), REAL_TRIES)
    first = next(found, None)
    assert first is not None, f"{name} holds"
    if entry.id not in SIMULATED_ONLY:
        tried = chain([first], found)
        assert any(judge(play_real(implementation, one), (name,))[name].outcome == "violated" for one in tried)


@pytest.mark.parametrize("entry", SESSIONS, ids=lambda entry: entry.id)
def test_another_way_that_is_right_breaks_nothing_on_either_link(entry: Broken) -> None:
    implementation = LAB5.session(entry)
    histories = [play(implementation, one) for one in schedules(RIGHT_SEEDS)]
    histories += [play_real(implementation, one) for one in schedules(REAL_SEEDS)]
    wrong = [str(one) for history in histories for one in judge(history).values() if one.outcome == "violated"]
    assert wrong == []
