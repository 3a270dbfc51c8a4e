"""A search finds what is wrong, shows it small, shows it again, and lets nothing pass that must not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from time import monotonic
from typing import Any

import pytest

from midspan.simulation import (
    Cut,
    Implementation,
    Mark,
    Rung,
    Schedule,
    Shape,
    Trigger,
    WallClock,
    draw,
    negative_control,
    search,
    search_all,
    simple,
)
from midspan.simulation.baseline import NAIVE
from tests.simulation_session import Client, implementation

FLAWS = [
    ("no dedupe", "no_duplicate"),
    ("hasty ack", "ack_after_durable"),
    ("no ack", "liveness"),
    ("trusting", "authorised"),
    ("any epoch", "no_loss"),
    ("forgets", "no_loss"),
]
HEARD = Shape(kinds=tuple(kind for kind in Shape().kinds if kind != "HalfOpen"))  # the session has no heartbeat
LOGICAL = tuple(sorted({name for _, name in FLAWS} | {"order", "no_phantom", "no_crash"}))


def test_an_honest_session_holds() -> None:
    findings = search(implementation(), range(300), HEARD, names=LOGICAL)
    assert findings.outcome == "holds"
    assert findings.outcomes["violated"] == 0
    assert findings.outcomes["vacuous"] < 100
    assert findings.counterexamples == {}


@pytest.mark.parametrize(("flaw", "predicate"), FLAWS)
def test_each_flaw_is_found_small_and_found_again(flaw: str, predicate: str) -> None:
    """By the predicate of its name; at most two faults are left; the seed alone finds the same again."""
    findings = search(implementation(flaw), range(1000), names=(predicate,))
    example = findings.counterexamples[predicate]
    assert len(example.schedule.faults) <= 2
    assert len(example.schedule.says) <= 2
    again = search(implementation(flaw), [example.found.seed], names=(predicate,)).counterexamples[predicate]
    assert again.schedule == example.schedule
    assert str(again) == str(example)
    written = Schedule.from_json(example.schedule.to_json())
    assert draw(implementation(flaw), written) == (example.history, example.ladder)


def test_a_counterexample_says_it_in_one_sentence_and_shows_every_message() -> None:
    example = search(implementation("no dedupe"), range(100), names=("no_duplicate",)).counterexamples["no_duplicate"]
    lines = str(example).splitlines()
    assert lines[0].startswith("no_duplicate is violated. ")
    assert lines[1].startswith("Smallest schedule: seed ")
    assert lines[-1] == f"Again: search(implementation, [{example.found.seed}])"
    assert example.ladder.lanes[-1] == "server"
    assert any(isinstance(step, Mark) and step.kind == "fault" for step in example.ladder)
    assert any(isinstance(step, Rung) and step.arrives_s is not None for step in example.ladder)


def test_the_ladder_tells_lost_messages_from_those_that_arrived() -> None:
    _, ladder = draw(implementation(), simple(1, ("a",), faults=(Cut(Trigger("a", "up", 2, "during")),)))
    lost = [step for step in ladder if isinstance(step, Rung) and step.arrives_s is None]
    assert [json.loads(step.text) for step in lost] == [["a", "token of a", 0, 0, 1], [1, "a1"]]  # sent together


def test_every_placement_of_two_cuts_is_tried() -> None:
    honest = search_all(implementation(), messages=2, names=LOGICAL)
    assert honest.outcome == "holds"
    assert honest.runs > 500
    assert search_all(implementation("no dedupe"), messages=2, names=LOGICAL).outcome == "violated"


def test_the_negative_control_does_not_pass() -> None:
    """If a naive session passed, the search would be broken."""
    findings = negative_control(range(60))
    assert findings.outcome == "violated"
    assert {"no_loss", "liveness"} <= set(findings.counterexamples)


def test_a_search_that_tested_nothing_is_vacuous() -> None:
    late = Shape(kinds=("Revoke",), faults=1)
    assert search(implementation(), range(5), late, names=("bounded_detection",)).outcome == "vacuous"


def test_a_hundred_searches_find_the_same() -> None:
    texts = {str(search(NAIVE, range(8), names=("no_loss", "liveness"))) for _ in range(20)}
    assert len(texts) == 1


def test_it_runs_beside_the_kernels_loop() -> None:
    async def cell() -> str:
        return search(implementation(), range(3), names=LOGICAL).outcome

    assert asyncio.run(cell()) == "holds"


def client_that(does: Callable[[], Any]) -> Implementation:
    class Curious(Client):
        def send(self, body: str) -> None:
            with contextlib.suppress(Exception):  # a learner's own `except` must not hide it
                does()
            super().send(body)

    return Implementation(implementation().server, lambda context: Curious(context, frozenset()))


OUTSIDE: list[tuple[Callable[[], Any], str]] = [
    (lambda: time.time(), "time.time"),
    (lambda: time.monotonic(), "time.monotonic"),
    (lambda: time.sleep(0.001), "time.sleep"),
    (lambda: random.random(), "random.random"),
    (lambda: uuid.uuid4(), "uuid.uuid4"),
    (lambda: secrets.token_hex(4), "secrets.token_hex"),
    (lambda: threading.Thread(target=print).start(), "Thread.start"),
]


@pytest.mark.parametrize(("does", "what"), OUTSIDE, ids=[what for _, what in OUTSIDE])
def test_a_look_at_the_real_world_is_caught_and_explained(does: Callable[[], Any], what: str) -> None:
    with pytest.raises(WallClock, match=f"Your code uses {what}, which virtual time does not reach.*: use|write"):
        search(client_that(does), range(3))


class Imported(Client):
    """Its clock was imported by name, before anybody could watch."""

    def send(self, body: str) -> None:
        self.at = monotonic()
        super().send(body)


class Dated(Client):
    def send(self, body: str) -> None:
        self.at = datetime.now()
        super().send(body)


@pytest.mark.parametrize(("client", "what"), [(Imported, "monotonic"), (Dated, "datetime.now")])
def test_a_name_imported_before_is_found_in_the_code(client: Any, what: str) -> None:
    with pytest.raises(WallClock, match=f"Your code uses {what}"):
        search(Implementation(implementation().server, client), range(3))


def test_the_line_that_shows_it_again_does() -> None:
    """Also for a search with a shape of its own, and for one over all placements, which has no seeds."""
    names: dict[str, Any] = {"search": search, "draw": draw, "Schedule": Schedule, "Shape": Shape}
    flawed = names["implementation"] = implementation("no dedupe")
    shaped = search(flawed, range(100), Shape(messages=2, kinds=("Cut", "Delay"))).counterexamples["no_duplicate"]
    assert eval(shaped.replay, names).counterexamples["no_duplicate"] == shaped
    placed = search_all(flawed, messages=1, names=("no_duplicate",)).counterexamples["no_duplicate"]
    assert eval(placed.replay, names) == (placed.history, placed.ladder)


def test_the_ladder_shows_what_came_first_even_at_one_moment() -> None:
    """The acknowledgement leaves at the moment at which the message becomes durable: after it, or too early."""

    def order(flawed: Implementation) -> list[str]:
        lines = [str(step) for step in draw(flawed, simple(1, ("a",)))[1]]
        return ["durable" if "durable" in line else "ack" for line in lines if "durable" in line or '["ack"' in line]

    assert order(implementation()) == ["durable", "ack"]
    assert order(implementation("hasty ack"))[0] == "ack"


def test_two_searches_at_once_do_not_disturb_each_other() -> None:
    """A check that ran out of time leaves its search behind; the next one starts beside it."""
    clock = time.monotonic
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seeds: str(search(NAIVE, seeds, names=("no_loss",))), [range(40)] * 4))
    assert len(set(found)) == 1
    assert time.monotonic is clock


def test_the_real_clock_works_again_after_a_search() -> None:
    search(implementation(), range(3), names=LOGICAL)
    assert time.time.__module__ == "time"
    assert random.random() < 1
