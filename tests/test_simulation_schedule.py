"""Schedules are data: made from a seed, written down, read again, listed, shrunk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midspan.errors import Refusal
from midspan.simulation import (
    ClientRestart,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    Refuse,
    Revoke,
    Schedule,
    ServerRestart,
    Shape,
    Silence,
    Trigger,
    crossings,
    exhaustive,
    generate,
    shrink,
    simple,
)
from midspan.simulation.shrinking import size
from tests.simulation_session import implementation

AT = Trigger("a", "up", 3, "after")
LINES: list[tuple[Fault, str]] = [
    (Cut(AT), "cut when a's message 3 up has arrived"),
    (Cut(Trigger("a", "down", 1, "reply")), "cut before the answer to a's message 1 down"),
    (Cut(Trigger("b", "up", 2, "during")), "cut while b's message 2 up is on its way"),
    (HalfOpen(Trigger("a", "up", 1)), "half-open before a's message 1 up leaves"),
    (Silence(AT, 3.0), "silence of 3 s when a's message 3 up has arrived"),
    (Delay(Trigger("a", "up", 1), 0.5), "delay of 0.5 s before a's message 1 up leaves"),
    (Refuse("a", 2), "refuse a's connection attempts 2"),
    (Refuse("a", 2, 3), "refuse a's connection attempts 2 to 4"),
    (ServerRestart(AT), "server restarts with its log (0.1 s down) when a's message 3 up has arrived"),
    (ServerRestart(AT, 2.0, False), "server restarts without its log (2 s down) when a's message 3 up has arrived"),
    (ClientRestart(AT), "a restarts with its outbox (0.1 s down) when a's message 3 up has arrived"),
    (Revoke(AT), "a's right is revoked and its link cut when a's message 3 up has arrived"),
    (
        Cut(Trigger("a", "up", 1, "after", 0.02)),
        "cut 0.02 s after the moment when a's message 1 up has arrived",
    ),
]


@pytest.mark.parametrize(("fault", "line"), LINES, ids=[line for _, line in LINES])
def test_a_fault_is_one_line_and_survives_json(fault: Fault, line: str) -> None:
    schedule = simple(2, faults=(fault,))
    assert str(fault) == line
    assert str(schedule) == f"seed 0: a says 1, b says 1; {line}"
    assert Schedule.from_json(schedule.to_json()) == schedule


def test_a_seed_is_a_schedule() -> None:
    """The same on each call; different seeds differ; JSON keeps every one of them."""
    made = [generate(seed) for seed in range(300)]
    assert made == [generate(seed) for seed in range(300)]
    assert len({schedule.to_json() for schedule in made}) == 300
    assert [Schedule.from_json(schedule.to_json()) for schedule in made] == made


def test_every_kind_of_fault_and_every_moment_is_drawn() -> None:
    faults = [fault for seed in range(500) for fault in generate(seed).faults]
    assert {type(fault).__name__ for fault in faults} == set(Shape().kinds)
    moments = [fault.at for fault in faults if not isinstance(fault, Refuse)]
    assert {trigger.when for trigger in moments} == {"before", "during", "after", "reply"}
    assert {trigger.way for trigger in moments} == {"up", "down"}


def test_a_shape_limits_what_is_drawn() -> None:
    for seed in range(100):
        schedule = generate(seed, Shape(messages=3, clients=1, faults=2, kinds=("Cut",), bursts=0.0))
        assert 1 <= len(schedule.says) <= 3
        assert 1 <= len(schedule.faults) <= 2
        assert schedule.clients == ("a",)
        assert all(isinstance(fault, Cut) for fault in schedule.faults)


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"seed": 1, "joins": [], "says": [], "faults": [{"fault": "Flood"}], "latency_s": 1, "write_s": 1}'],
)
def test_what_is_not_a_schedule_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        Schedule.from_json(text)


def test_exhaustive_means_every_placement() -> None:
    """One message of one client: each message that crosses, at each of four moments, and each pair of such cuts."""

    def seen(schedule: Schedule) -> list[tuple[str, str, int]]:
        return [(link, way, n) for link, way, n in crossings(implementation(), schedule)]

    none = simple(1, ("a",))
    assert seen(none) == [("a", "up", 1), ("a", "up", 2), ("a", "down", 1), ("a", "down", 2), ("a", "down", 3)]
    one = list(exhaustive(lambda s: crossings(implementation(), s), 1, ("a",), 1))
    assert len(one) == 1 + 5 * 4
    two = list(exhaustive(lambda s: crossings(implementation(), s), 1, ("a",), 2))
    assert len(set(two)) == len(two)
    expected = 1 + sum(1 + 4 * len(seen(schedule)[place(schedule, seen(schedule)) + 1 :]) for schedule in one[1:])
    assert len(two) == expected


def place(schedule: Schedule, seen: list[tuple[str, str, int]]) -> int:
    fault = schedule.faults[-1]
    assert isinstance(fault, Cut)
    return seen.index((fault.at.link, fault.at.way, fault.at.n))


def test_exhaustive_refuses_what_would_not_end() -> None:
    with pytest.raises(Refusal, match="at most 4 messages and 2 cuts"):
        next(exhaustive(lambda _: [], 5, ("a",), 2))


def test_shrinking_finds_the_one_fault_that_matters() -> None:
    """The rest goes: other faults, clients, messages, waits; the fault that is left comes as early as it can."""
    for seed in range(60):
        schedule = generate(seed)
        if not any(isinstance(fault, ServerRestart) for fault in schedule.faults):
            continue
        smallest = shrink(schedule, lambda s: any(isinstance(fault, ServerRestart) for fault in s.faults))
        assert len(smallest.says) <= 1
        assert smallest.faults == (ServerRestart(Trigger(smallest.clients[0], smallest.faults[0].at.way, 1), 0.05),)  # type: ignore[union-attr]


def test_shrinking_keeps_what_is_needed() -> None:
    """A guarantee that breaks with two cuts only keeps two, and no more."""
    faults = tuple(Cut(Trigger("a", "up", n)) for n in (1, 2, 3, 4, 5))
    smallest = shrink(simple(3, faults=faults), lambda s: sum(isinstance(fault, Cut) for fault in s.faults) >= 2)
    assert len(smallest.faults) == 2


def test_shrinking_is_deterministic_and_only_goes_down() -> None:
    for seed in range(20):
        schedule = generate(seed)

        def breaks(candidate: Schedule) -> bool:
            return len(candidate.faults) > 0 and len(candidate.says) > 1

        if breaks(schedule):
            assert shrink(schedule, breaks) == shrink(schedule, breaks)
            assert size(shrink(schedule, breaks)) <= size(schedule)


def test_what_an_append_takes_is_drawn_from_the_shape() -> None:
    """And nothing else of a schedule depends on it: the same seed says and breaks the same on another store."""
    quick = Shape(stores=(0.0,))
    for seed in range(20):
        assert generate(seed, quick) == replace(generate(seed), write_s=0.0)
    with pytest.raises(Refusal, match="seconds, 0 or more"):
        Shape(stores=())
    with pytest.raises(Refusal, match="seconds, 0 or more"):
        Shape(stores=(0.1, -0.1))
